// Package kinesislambda makes a Lambda function continue the traces that its
// Kinesis records carry, and gives its handler the records their producer put.
//
//	event ─► deaggregate ─► extract ─► process span ─► handler ─► partial response
//	                                                              spans flushed
//
// Four constructors take a handler and return what lambda.Start takes:
//
//	Records       func(ctx, kinetrail.Record) error      one record after another
//	Batches       func(ctx, []kinetrail.Record) error    an invocation's records at once
//	Wrap          func(ctx, E) error                     an existing handler, where E is
//	WrapResponse  func(ctx, E) (R, error)                events.KinesisEvent or events.KinesisTimeWindowEvent
//
// KPL containers are taken apart: the handler sees user records with the
// partition keys their producer gave them. Lambda does not say how far behind
// the tip of its shard a record was read, so Record.Behind stays zero. A batch of one user record continues
// its trace, and links to the span of the invocation if ctx has one. A batch of
// several has no parent among them: one span links to every record's context,
// and each record has a ctx of its own.
//
// Records and Batches answer with a partial batch response, which needs
// ReportBatchItemFailures on the event source mapping; Options.WholeBatch is for
// mappings without it.
//
// The wrapper stands inside otellambda or any other instrumentation of the
// invocation, or alone. A sandbox freezes as soon as the function has answered,
// so give Options.Flush what sends the spans:
//
//	lambda.Start(kinesislambda.Records(handle, func(o *kinesislambda.Options) {
//		o.Flush = tracerProvider.ForceFlush
//	}))
package kinesislambda
