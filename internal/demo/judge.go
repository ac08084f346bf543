package demo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/shardmap"
)

// Outcome is what came of an act for one of the two readers.
type Outcome struct {
	// Connected says that every handler's span has the trace of the put that
	// made its record.
	Connected bool `json:"connected"`

	// ShardsMatch says that every record lies on the shard that its group, the
	// original key, names.
	ShardsMatch bool `json:"shards_match"`

	// OrderKept says that the records of each group lie on one shard and were
	// handled in the order they were put.
	OrderKept bool `json:"order_kept"`

	// KeysRestored says that the handler saw the original key every time.
	KeysRestored bool `json:"keys_restored"`

	// OverlappingGroups is the number of groups of which two events were being
	// handled at once.
	OverlappingGroups int `json:"overlapping_groups"`

	// Records is the number of records handled.
	Records int `json:"records"`

	// Traces is the number of different traces that puts and handlers were in.
	Traces int `json:"traces"`

	missing int // events that were not handled
	shared  int // traces with spans of both services
}

// observation is what there is to see of an act for one reader.
type observation struct {
	events   []event           // in the order they were put
	shards   *shardmap.Map     // as listed
	stored   map[string]string // sequence number → shard, as the server holds the records
	handled  []Handling        // in the order the calls began
	produced []Span            // exported by the producer
	consumed []Span            // exported by the reader
}

// judge computes the outcome from nothing but the observation. Where nothing was
// handled, nothing is true.
func judge(o observation) Outcome {
	some := len(o.handled) > 0
	return Outcome{
		Connected:         some && o.connected(),
		ShardsMatch:       some && o.shardsMatch(),
		OrderKept:         some && o.orderKept(),
		KeysRestored:      some && o.keysRestored(),
		OverlappingGroups: o.overlappingGroups(),
		Records:           len(o.handled),
		Traces:            len(o.traces()),
		missing:           o.missing(),
		shared:            o.shared(),
	}
}

func (o *observation) connected() bool {
	put, produced, spans := o.puts(), tracesOf(o.produced), spansByID(o.consumed)
	for _, h := range o.handled {
		id := put[h.EventID].trace
		span, exported := spans[h.span.SpanID()]
		if !produced[id] || !exported || span.Kind != trace.SpanKindConsumer || span.Context.TraceID() != id {
			return false
		}
	}
	return true
}

func (o *observation) shardsMatch() bool {
	put := o.puts()
	for _, h := range o.handled {
		e, known := put[h.EventID]
		named, owned := o.shards.ShardFor(shardmap.HashKeyOf(e.Group))
		if !known || !owned || h.ShardID != named.ID || o.stored[h.sequence] != named.ID {
			return false
		}
	}
	return true
}

func (o *observation) orderKept() bool {
	for _, handled := range o.byGroup() {
		for i, h := range handled[1:] {
			before := handled[i]
			if o.stored[h.sequence] != o.stored[before.sequence] || h.number <= before.number {
				return false
			}
		}
	}
	return true
}

func (o *observation) keysRestored() bool {
	put := o.puts()
	return !slices.ContainsFunc(o.handled, func(h Handling) bool { return h.PartitionKey != put[h.EventID].Group })
}

// overlappingGroups sweeps over the handlings of each group in the order they
// began: two of them overlap when one begins before the latest end so far.
func (o *observation) overlappingGroups() (overlapping int) {
	for _, handled := range o.byGroup() {
		slices.SortFunc(handled, func(a, b numbered) int { return cmp.Compare(a.Start, b.Start) })
		var end time.Duration
		for _, h := range handled {
			if h.Start < end {
				overlapping++
				break
			}
			end = max(end, h.End)
		}
	}
	return overlapping
}

// traces are those of the puts and of the handlers, as far as the spans were
// exported.
func (o *observation) traces() map[trace.TraceID]bool {
	found := make(map[trace.TraceID]bool)
	produced := tracesOf(o.produced)
	for _, e := range o.events {
		if produced[e.trace] {
			found[e.trace] = true
		}
	}
	spans := spansByID(o.consumed)
	for _, h := range o.handled {
		if span, exported := spans[h.span.SpanID()]; exported {
			found[span.Context.TraceID()] = true
		}
	}
	return found
}

func (o *observation) shared() (shared int) {
	consumed := tracesOf(o.consumed)
	for id := range tracesOf(o.produced) {
		if consumed[id] {
			shared++
		}
	}
	return shared
}

func (o *observation) missing() int {
	put := o.puts()
	for _, h := range o.handled {
		delete(put, h.EventID)
	}
	return len(put)
}

// puts are the events by their IDs.
func (o *observation) puts() map[string]event {
	put := make(map[string]event, len(o.events))
	for _, e := range o.events {
		put[e.ID] = e
	}
	return put
}

// shardsOf are the shards on which the records of a group lie, sorted.
func (o *observation) shardsOf(group string) []string {
	var shards []string
	for _, h := range o.byGroup()[group] {
		shards = append(shards, o.stored[h.sequence])
	}
	slices.Sort(shards)
	return slices.Compact(shards)
}

// numbered is a handling and the number of its event within the group.
type numbered struct {
	Handling
	number int
}

// byGroup returns the handlings of each group, never none of one, in the order
// they began.
func (o *observation) byGroup() map[string][]numbered {
	put := o.puts()
	handled := make(map[string][]numbered)
	for _, h := range o.handled {
		e := put[h.EventID]
		handled[e.Group] = append(handled[e.Group], numbered{h, e.Number})
	}
	return handled
}

func spansByID(spans []Span) map[trace.SpanID]Span {
	byID := make(map[trace.SpanID]Span, len(spans))
	for _, s := range spans {
		byID[s.Context.SpanID()] = s
	}
	return byID
}

func tracesOf(spans []Span) map[trace.TraceID]bool {
	ids := make(map[trace.TraceID]bool, len(spans))
	for _, s := range spans {
		ids[s.Context.TraceID()] = true
	}
	return ids
}

// Deviation is a value that came out differently than expected.
type Deviation struct {
	// Where is the act, with its reader unless that is the consumer, or the
	// assignment.
	Where string

	Field, Expected, Got string
}

// String reads "act off: connected is true, expected false".
func (d Deviation) String() string {
	return fmt.Sprintf("%s: %s is %s, expected %s", d.Where, d.Field, d.Got, d.Expected)
}

// deviations holds an outcome against what is expected of it.
func (o Outcome) deviations(where string, want Expected, events int) (found []Deviation) {
	check := func(ok bool, field string, expected, got any) {
		if !ok {
			found = append(found, Deviation{where, field, fmt.Sprint(expected), fmt.Sprint(got)})
		}
	}
	check(o.Connected == want.Connected, "connected", want.Connected, o.Connected)
	check(o.ShardsMatch == want.ShardsMatch, "shards_match", want.ShardsMatch, o.ShardsMatch)
	check(o.OrderKept == want.OrderKept, "order_kept", want.OrderKept, o.OrderKept)
	check(o.KeysRestored == want.KeysRestored, "keys_restored", want.KeysRestored, o.KeysRestored)
	if want.Overlap {
		check(o.OverlappingGroups > 0, "overlapping_groups", "more than 0", o.OverlappingGroups)
	} else {
		check(o.OverlappingGroups == 0, "overlapping_groups", 0, o.OverlappingGroups)
	}
	check(o.Records == events, "records", events, o.Records)
	check(o.missing == 0, "number of events not handled", 0, o.missing)
	check(o.Traces == want.TracesPerEvent*events, "traces", want.TracesPerEvent*events, o.Traces)
	check(want.Connected || o.shared == 0, "number of traces shared with "+Producer, 0, o.shared)
	return found
}

// deviations holds an assignment against the shards that were listed.
func (a Assignment) deviations(shards []Shard) (found []Deviation) {
	key, want := shardmap.HashKeyOf(a.Key), "no shard"
	for _, s := range shards {
		start, _ := shardmap.ParseHashKey(s.Start)
		end, _ := shardmap.ParseHashKey(s.End)
		if (shardmap.Range{Start: start, End: end}).Contains(key) {
			want = s.ID
		}
	}
	if a.ShardByPartitionKey != want {
		found = append(found, Deviation{"assignment of " + a.Key, "shard_by_partition_key", want, a.ShardByPartitionKey})
	}
	if a.ShardByHashKey != want {
		found = append(found, Deviation{"assignment of " + a.Key, "shard_by_hash_key", want, a.ShardByHashKey})
	}
	return found
}
