package kinesismiddleware

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// putRecord carries the context of the put's span in the record.
func (p *Propagation) putRecord(ctx context.Context, in middleware.InitializeInput, input *kinesis.PutRecordInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	r := p.rewriter(p.stream(input.StreamName, input.StreamARN), input.DryRun)
	if r.Carrier == tracecarrier.Off {
		return next.HandleInitialize(ctx, in)
	}
	span := noSpan
	if p.startsSpan(ctx) {
		ctx, span = tracing.StartPut(ctx, p.tracer, tracing.PutRecord, r.stream.name, 1)
		if p.options.SpanPartitionKeys {
			span.SetAttributes(tracing.PartitionKeyKey.String(aws.ToString(input.PartitionKey)))
		}
	}

	given := types.PutRecordsRequestEntry{Data: input.Data, PartitionKey: input.PartitionKey, ExplicitHashKey: input.ExplicitHashKey}
	if records := r.rewrite([]types.PutRecordsRequestEntry{given}, func(int) context.Context { return ctx }); records != nil {
		copied := *input
		copied.PartitionKey, copied.ExplicitHashKey = records[0].PartitionKey, records[0].ExplicitHashKey
		in.Parameters = &copied
	}
	out, metadata, err = next.HandleInitialize(ctx, in)

	if result, ok := out.Result.(*kinesis.PutRecordOutput); ok && err == nil {
		tracing.SetRecord(span, aws.ToString(result.ShardId), aws.ToString(result.SequenceNumber))
	}
	tracing.EndSpan(span, err)
	return out, metadata, err
}

// putRecords carries a context in every record of the request: that of the put's
// span, or the one EntryContext gives it.
func (p *Propagation) putRecords(ctx context.Context, in middleware.InitializeInput, input *kinesis.PutRecordsInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	r := p.rewriter(p.stream(input.StreamName, input.StreamARN), input.DryRun)
	if r.Carrier == tracecarrier.Off {
		return next.HandleInitialize(ctx, in)
	}
	own := p.entryContexts(ctx, input)
	ctx, span := p.startPutRecords(ctx, r.stream, len(input.Records), own)
	contextOf := func(i int) context.Context {
		if own != nil {
			return own[i]
		}
		return ctx
	}

	if records := r.rewrite(input.Records, contextOf); records != nil {
		copied := *input
		copied.Records = records
		in.Parameters = &copied
	}
	out, metadata, err = next.HandleInitialize(ctx, in)

	failure := err
	if result, ok := out.Result.(*kinesis.PutRecordsOutput); ok && err == nil {
		failure = failureOf(result)
	}
	tracing.EndSpan(span, failure)
	return out, metadata, err
}

// entryContexts are the contexts that the records of a request have of their
// own, nil when they have none.
func (p *Propagation) entryContexts(ctx context.Context, input *kinesis.PutRecordsInput) []context.Context {
	if p.options.EntryContext == nil {
		return nil
	}
	contexts := make([]context.Context, len(input.Records))
	for i := range contexts {
		contexts[i] = p.options.EntryContext(ctx, input, i)
	}
	return contexts
}

// noSpan records nothing and carries nothing.
var noSpan = trace.SpanFromContext(context.Background())

// startsSpan reports whether a put gets a span: where there is none to continue,
// none begins unless it is asked for.
func (p *Propagation) startsSpan(ctx context.Context) bool {
	return p.options.Spans && (p.options.RootSpans || trace.SpanContextFromContext(ctx).IsValid())
}

// startPutRecords starts the span of a PutRecords call. It has kind PRODUCER
// when its own context is carried. When the records have contexts of their own,
// it is a CLIENT span that links to them.
func (p *Propagation) startPutRecords(ctx context.Context, s *stream, records int, own []context.Context) (context.Context, trace.Span) {
	switch {
	case !p.startsSpan(ctx):
		return ctx, noSpan
	case own == nil:
		return tracing.StartPut(ctx, p.tracer, tracing.PutRecords, s.name, records)
	}
	links := s.spans.NewLinks()
	for _, ctx := range own {
		links.Add(trace.SpanContextFromContext(ctx))
	}
	return s.spans.PutRecords(ctx, records, links)
}

// failedRecords is what a span says of a request that was answered and did not
// put all its records. The call itself returns no error then, and the records
// have no other span.
type failedRecords struct {
	failed, all int
	code        string // of the first one
}

func (e *failedRecords) Error() string {
	return fmt.Sprintf("%d of %d records failed, the first with %s", e.failed, e.all, e.code)
}

// ErrorCode makes the code the error.type of the span.
func (e *failedRecords) ErrorCode() string { return e.code }

// failureOf is nil when every record was put.
func failureOf(out *kinesis.PutRecordsOutput) error {
	e := &failedRecords{all: len(out.Records)}
	for i := range out.Records {
		code := aws.ToString(out.Records[i].ErrorCode)
		if code == "" {
			continue
		}
		if e.failed == 0 {
			e.code = code
		}
		e.failed++
	}
	if e.failed == 0 {
		return nil
	}
	return e
}

// rewriter rewrites the keys of one request.
type rewriter struct {
	tracecarrier.Writer
	stream         *stream
	baggageKeys    []string
	maxRecordBytes int
	counts         bool
}

// rewriter counts what it does, but not for a dry run, which puts nothing.
func (p *Propagation) rewriter(s *stream, dryRun *bool) rewriter {
	return rewriter{
		Writer: tracecarrier.Writer{
			Carrier:       p.Carrier(),
			LongKey:       p.options.LongKey,
			TrustExisting: p.options.TrustExisting,
		},
		stream:         s,
		baggageKeys:    p.options.BaggageKeys,
		maxRecordBytes: p.options.MaxRecordBytes,
		counts:         !aws.ToBool(dryRun),
	}
}

// keys are the two keys of a record to be put.
type keys struct{ partition, hash string }

// rewrite returns a copy of the records with keys that carry the contexts, nil
// when every record goes as it was given.
func (r rewriter) rewrite(given []types.PutRecordsRequestEntry, contextOf func(i int) context.Context) []types.PutRecordsRequestEntry {
	var copied []types.PutRecordsRequestEntry
	var written []keys // what the copies point to
	outcomes := make(map[tracecarrier.Outcome]int64)
	room := kinetrail.MaxPutRecordsBytes - bytesOf(given...)
	for i := range given {
		k, outcome := r.write(contextOf(i), &given[i], room)
		outcomes[outcome]++
		if k == keysOf(&given[i]) {
			continue
		}
		if copied == nil {
			copied, written = slices.Clone(given), make([]keys, len(given))
		}
		room -= len(k.partition) - len(aws.ToString(given[i].PartitionKey))
		written[i] = k
		copied[i].PartitionKey = &written[i].partition
		if k.hash != "" && copied[i].ExplicitHashKey == nil {
			copied[i].ExplicitHashKey = &written[i].hash
		}
	}
	if r.counts {
		r.stream.count(outcomes)
	}
	return copied
}

// write returns the keys that carry the context of ctx, or those given. The
// partition key may grow by room within its request, and within the limit of one
// record.
func (r rewriter) write(ctx context.Context, given *types.PutRecordsRequestEntry, room int) (keys, tracecarrier.Outcome) {
	own := keysOf(given)
	if aggregate.IsContainer(given.Data) {
		if trace.SpanContextFromContext(ctx).IsValid() {
			return own, tracecarrier.SkippedAggregated
		}
		return own, tracecarrier.AsGiven
	}
	var k keys
	var outcome tracecarrier.Outcome
	k.partition, k.hash, outcome = otelcarrier.Write(ctx, r.Writer, own.partition, own.hash, r.baggageKeys...)
	growth := len(k.partition) - len(own.partition)
	if growth > 0 && growth > min(room, r.maxRecordBytes-bytesOf(*given)) {
		return own, tracecarrier.SkippedSize
	}
	return k, outcome
}

func keysOf(r *types.PutRecordsRequestEntry) keys {
	return keys{aws.ToString(r.PartitionKey), aws.ToString(r.ExplicitHashKey)}
}

// bytesOf is what the service counts against its limits: data and partition
// keys, in bytes.
func bytesOf(records ...types.PutRecordsRequestEntry) int {
	sum := 0
	for i := range records {
		sum += len(records[i].Data) + len(aws.ToString(records[i].PartitionKey))
	}
	return sum
}
