package demo

import "github.com/kinetrail/kinetrail/tracecarrier"

// Act is what is played with one carrier, and what has to come of it.
type Act struct {
	// Carrier is what the producer is told to use, and the act's name.
	Carrier tracecarrier.Carrier

	// Expected holds for the consumer and for Lambda alike.
	Expected Expected
}

// Expected is what the Outcome of an act has to be. Besides, every event has to
// be handled once, and producer and reader may share a trace only if Connected
// is true.
type Expected struct {
	Connected    bool
	ShardsMatch  bool
	OrderKept    bool
	KeysRestored bool

	// Overlap says whether two events of a group are handled at once: in at
	// least one group, or in none.
	Overlap bool

	// TracesPerEvent is 1 where put and handler are one trace, 2 where each
	// has its own.
	TracesPerEvent int
}

// Script returns the acts in their order: the trace is not carried, it is
// carried at the cost of order, then at the cost of the key, then at no cost.
func Script() []Act {
	return []Act{
		{tracecarrier.Off, Expected{Connected: false, ShardsMatch: true, OrderKept: true, KeysRestored: true, TracesPerEvent: 2}},
		{tracecarrier.PartitionKey, Expected{Connected: true, Overlap: true, TracesPerEvent: 1}},
		{tracecarrier.Traceparent, Expected{Connected: true, ShardsMatch: true, OrderKept: true, TracesPerEvent: 1}},
		{tracecarrier.Lossless, Expected{Connected: true, ShardsMatch: true, OrderKept: true, KeysRestored: true, TracesPerEvent: 1}},
		{tracecarrier.Headers, Expected{Connected: true, ShardsMatch: true, OrderKept: true, KeysRestored: true, TracesPerEvent: 1}},
	}
}
