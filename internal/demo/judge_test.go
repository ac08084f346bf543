package demo

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// flawless is what is observed when everything is as it should be: each shard
// handles its records one after another, each under the trace of its put.
func flawless(t *testing.T) *observation {
	t.Helper()
	var shards []shardmap.Shard
	for i, hashKeys := range shardmap.Uniform(5) {
		shards = append(shards, shardmap.Shard{ID: fmt.Sprintf("shardId-%012d", i), Range: hashKeys})
	}
	listed, err := shardmap.New(shards)
	if err != nil {
		t.Fatal(err)
	}
	o := &observation{events: newEvents(5), shards: listed, stored: make(map[string]string)}
	busyUntil := make(map[string]time.Duration)
	for i := range o.events {
		e := &o.events[i]
		e.trace = traceID(i)
		shard, _ := listed.ShardFor(shardmap.HashKeyOf(e.Group))
		h := Handling{
			EventID: e.ID, PartitionKey: e.Group, ShardID: shard.ID,
			Start: busyUntil[shard.ID], End: busyUntil[shard.ID] + e.work(),
			sequence: fmt.Sprint(i), span: spanContext(i, 2),
		}
		busyUntil[shard.ID] = h.End
		o.stored[h.sequence] = h.ShardID
		o.handled = append(o.handled, h)
		o.produced = append(o.produced, Span{Kind: trace.SpanKindInternal, Context: spanContext(i, 1)})
		o.consumed = append(o.consumed, Span{Kind: trace.SpanKindConsumer, Context: h.span})
	}
	return o
}

func traceID(event int) (id trace.TraceID) {
	binary.BigEndian.PutUint64(id[8:], uint64(event)+1)
	return id
}

// spanContext is span 1 or 2 of an event, both in the trace of its put.
func spanContext(event, span int) trace.SpanContext {
	var id trace.SpanID
	binary.BigEndian.PutUint64(id[:], uint64(event)<<8+uint64(span))
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID(event), SpanID: id, TraceFlags: trace.FlagsSampled})
}

// separate moves the handler of event i into a trace of its own.
func separate(o *observation, i int) {
	other := o.handled[i].span.WithTraceID(traceID(1000 + i))
	o.handled[i].span, o.consumed[i].Context = other, other
}

// handlingOf is the index of an event's handling.
func handlingOf(o *observation, id string) int {
	return slices.IndexFunc(o.handled, func(h Handling) bool { return h.EventID == id })
}

// expectationOf is the script's for a carrier.
func expectationOf(carrier tracecarrier.Carrier) Expected {
	script := Script()
	return script[slices.IndexFunc(script, func(a Act) bool { return a.Carrier == carrier })].Expected
}

// fieldsOf are the names of the fields that deviate.
func fieldsOf(deviations []Deviation) []string {
	var fields []string
	for _, d := range deviations {
		fields = append(fields, d.Field)
	}
	return fields
}

func TestTheJudgementNamesExactlyWhatWentWrong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		doctor func(o *observation)
		want   []string
	}{
		{"nothing", func(*observation) {}, nil},
		{"a handler in another trace", func(o *observation) { separate(o, 7) }, []string{"connected", "traces"}},
		{"a handler in the trace of another event", func(o *observation) {
			o.handled[7].span, o.consumed[7].Context = o.handled[7].span.WithTraceID(traceID(8)), o.consumed[7].Context.WithTraceID(traceID(8))
		}, []string{"connected"}},
		{"a handler's span that was not exported", func(o *observation) { o.consumed = slices.Delete(o.consumed, 7, 8) }, []string{"connected"}},
		{"a handler without a span", func(o *observation) { o.handled[7].span = trace.SpanContext{} }, []string{"connected"}},
		{"a handler's span of another kind", func(o *observation) { o.consumed[7].Kind = trace.SpanKindInternal }, []string{"connected"}},
		{"a record on another shard", func(o *observation) {
			o.handled[7].ShardID = "shardId-000000000002"
			o.stored[o.handled[7].sequence] = "shardId-000000000002"
		}, []string{"shards_match", "order_kept"}},
		{"a whole group on another shard", func(o *observation) {
			for i := range o.handled {
				if o.handled[i].PartitionKey == "group-1" {
					o.handled[i].ShardID = "shardId-000000000002"
					o.stored[o.handled[i].sequence] = "shardId-000000000002"
				}
			}
		}, []string{"shards_match"}},
		{"a handler that was told another shard than the record lies on", func(o *observation) { o.handled[7].ShardID = "shardId-000000000002" }, []string{"shards_match"}},
		{"a record the server does not hold", func(o *observation) { delete(o.stored, o.handled[7].sequence) }, []string{"shards_match", "order_kept"}},
		{"two events of a group in the wrong order", func(o *observation) {
			first, second := handlingOf(o, "group-7/2"), handlingOf(o, "group-7/3")
			o.handled[first].EventID, o.handled[second].EventID = "group-7/3", "group-7/2"
			o.handled[first].span, o.handled[second].span = o.handled[second].span, o.handled[first].span
		}, []string{"order_kept"}},
		{"two events of a group at once", func(o *observation) {
			o.handled[handlingOf(o, "group-7/2")].End += time.Second
		}, []string{"overlapping_groups"}},
		{"an event inside another of its group", func(o *observation) {
			long := &o.handled[handlingOf(o, "group-7/1")]
			short := &o.handled[handlingOf(o, "group-7/5")]
			long.Start, long.End = 0, time.Hour
			short.Start, short.End = time.Minute, time.Minute+time.Millisecond
		}, []string{"overlapping_groups"}},
		{"an event that begins in the very moment another ends", func(o *observation) {
			o.handled[handlingOf(o, "group-7/1")].End = o.handled[handlingOf(o, "group-7/2")].Start
		}, nil},
		{"a lost key", func(o *observation) {
			o.handled[7].PartitionKey = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		}, []string{"keys_restored"}},
		{"the key of another group", func(o *observation) { o.handled[7].PartitionKey = "group-1" }, []string{"keys_restored"}},
		{"a lost record", func(o *observation) { o.handled = slices.Delete(o.handled, 7, 8) }, []string{"records", "number of events not handled"}},
		{"a record handled twice", func(o *observation) {
			again := o.handled[len(o.handled)-1]
			again.Start, again.End = time.Hour, time.Hour+time.Millisecond
			o.handled = append(o.handled, again)
		}, []string{"order_kept", "records"}},
		{"a record handled in place of another", func(o *observation) {
			o.handled[handlingOf(o, "group-7/5")] = o.handled[handlingOf(o, "group-7/4")]
		}, []string{"order_kept", "overlapping_groups", "number of events not handled"}},
		{"an event nobody has put", func(o *observation) { o.handled[7].EventID = "group-21/1" },
			[]string{"connected", "shards_match", "keys_restored", "number of events not handled"}},
		{"nothing handled at all", func(o *observation) { o.handled, o.consumed = nil, nil },
			[]string{"connected", "shards_match", "order_kept", "keys_restored", "records", "number of events not handled"}},
		{"puts whose spans were not exported", func(o *observation) { o.produced = nil }, []string{"connected"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := flawless(t)
			tt.doctor(o)
			outcome := judge(*o)
			got := outcome.deviations("act lossless", expectationOf(tracecarrier.Lossless), len(o.events))
			if !slices.Equal(fieldsOf(got), tt.want) {
				t.Errorf("judged %+v, which deviates in %q:\n%v\nwant %q", outcome, fieldsOf(got), got, tt.want)
			}
		})
	}
}

func TestOverlapsAreCountedOncePerGroup(t *testing.T) {
	t.Parallel()
	o := flawless(t)
	for _, id := range []string{"group-3/1", "group-3/2", "group-3/3", "group-8/1"} {
		o.handled[handlingOf(o, id)].End += time.Second
	}
	if got := judge(*o).OverlappingGroups; got != 2 {
		t.Errorf("overlapping_groups = %d with overlaps in group-3, thrice, and group-8; want 2", got)
	}
}

func TestWithoutACarrierNoTraceMayBeShared(t *testing.T) {
	t.Parallel()
	apart := func() *observation {
		o := flawless(t)
		for i := range o.handled {
			separate(o, i)
		}
		return o
	}
	tests := []struct {
		name   string
		doctor func(o *observation)
		want   []string
	}{
		{"nothing", func(*observation) {}, nil},
		{"one handler in the trace of its put", func(o *observation) {
			same := o.handled[7].span.WithTraceID(o.events[7].trace)
			o.handled[7].span, o.consumed[7].Context = same, same
		}, []string{"traces", "number of traces shared with event-producer"}},
		{"another span in the trace of a put", func(o *observation) {
			o.consumed = append(o.consumed, Span{Kind: trace.SpanKindClient, Context: spanContext(7, 3)})
		}, []string{"number of traces shared with event-producer"}},
		{"every handler in the trace of its put", func(o *observation) { *o = *flawless(t) },
			[]string{"connected", "traces", "number of traces shared with event-producer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := apart()
			tt.doctor(o)
			outcome := judge(*o)
			got := outcome.deviations("act off", expectationOf(tracecarrier.Off), len(o.events))
			if !slices.Equal(fieldsOf(got), tt.want) {
				t.Errorf("judged %+v, which deviates in %q:\n%v\nwant %q", outcome, fieldsOf(got), got, tt.want)
			}
		})
	}
}

func TestThePartitionKeyActDeviatesWhenNothingGoesWrongInIt(t *testing.T) {
	t.Parallel()
	o := flawless(t)
	got := judge(*o).deviations("act partition-key", expectationOf(tracecarrier.PartitionKey), len(o.events))
	want := []string{"shards_match", "order_kept", "keys_restored", "overlapping_groups"}
	if !slices.Equal(fieldsOf(got), want) {
		t.Errorf("an act without side effects deviates in %q; want %q", fieldsOf(got), want)
	}
}

func TestADeviationNamesActFieldAndBothValues(t *testing.T) {
	t.Parallel()
	o := flawless(t)
	o.handled[handlingOf(o, "group-7/2")].End += time.Second
	p := Played{Carrier: tracecarrier.Headers, Act: Act{tracecarrier.Headers, expectationOf(tracecarrier.Headers)}, Events: len(o.events),
		Outcome: judge(*flawless(t)), Lambda: judge(*o)}
	report := Report{
		Acts:        []Played{p},
		Shards:      []Shard{{"shardId-000000000000", "0", "170141183460469231731687303715884105727"}, {"shardId-000000000001", "170141183460469231731687303715884105728", "340282366920938463463374607431768211455"}},
		Assignments: []Assignment{{"group-1", "36878702945378520736626047775679136663", "shardId-000000000000", "shardId-000000000001"}, {"group-2", "306061958545308461565701106111834939294", "shardId-000000000000", "shardId-000000000001"}},
	}
	var got []string
	for _, d := range report.Deviations() {
		got = append(got, d.String())
	}
	want := []string{
		"act headers, Lambda: overlapping_groups is 1, expected 0",
		"assignment of group-1: shard_by_hash_key is shardId-000000000001, expected shardId-000000000000",
		"assignment of group-2: shard_by_partition_key is shardId-000000000000, expected shardId-000000000001",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("deviations are\n%q; want\n%q", got, want)
	}
}
