package demo

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

func TestEveryActComesOutAsTheScriptSays(t *testing.T) {
	t.Parallel()
	var told []tracecarrier.Carrier
	report, err := Play(t.Context(), func(o *Options) {
		o.Played = func(p Played) { told = append(told, p.Carrier) }
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Deviations() {
		t.Error(d)
	}
	want := []tracecarrier.Carrier{tracecarrier.Off, tracecarrier.PartitionKey, tracecarrier.Traceparent, tracecarrier.Lossless, tracecarrier.Headers}
	if !slices.Equal(told, want) {
		t.Errorf("played %q; want %q", told, want)
	}
	for _, p := range report.Acts {
		checkFirst(t, &p, p.First)
		checkFirst(t, &p, p.FirstLambda)
		checkJourney(t, &p)
		checkCounts(t, &p)
	}
}

// checkFirst wants the first two events of group-1, and that they were handled
// while the act went on.
func checkFirst(t *testing.T, p *Played, first []Handling) {
	t.Helper()
	if len(first) != 2 || first[0].EventID != "group-1/1" || first[1].EventID != "group-1/2" {
		t.Fatalf("act %s shows %+v; want the first two events of group-1", p.Carrier, first)
	}
	for _, h := range first {
		if h.Start < 0 || h.End-h.Start < time.Millisecond || h.End > p.Took || h.ShardID == "" {
			t.Errorf("act %s, %s: handled from %v to %v on shard %q; want at least 1 ms within the %v of the act", p.Carrier, h.EventID, h.Start, h.End, h.ShardID, p.Took)
		}
	}
}

// checkJourney wants the spans of the put, and those of both handlers where the
// trace is carried.
func checkJourney(t *testing.T, p *Played) {
	t.Helper()
	stream := "events-" + string(p.Carrier)
	want := []string{"event-producer: create " + stream, "event-producer: publish event", "event-producer: put_records " + stream}
	if p.Connected {
		want = append(want, "event-consumer: process "+stream, "event-consumer-lambda: process "+stream)
	}
	slices.Sort(want)
	var got []string
	for _, s := range p.Journey {
		got = append(got, s.Service+": "+s.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the trace of the first event in act %s has the spans %q; want %q", p.Carrier, got, want)
	}
}

func checkCounts(t *testing.T, p *Played) {
	t.Helper()
	carried := int64(100)
	if p.Carrier == tracecarrier.Off {
		carried = 0
	}
	for _, tt := range []struct {
		service    string
		instrument *metrics.Instrument
		want       int64
	}{
		{Producer, metrics.ProducerUserRecordsSent, 100},
		{Producer, metrics.TraceInjected, carried},
		{Consumer, metrics.ConsumerUserRecordsHandled, 100},
		{Consumer, metrics.TraceExtracted, carried},
		{Lambda, metrics.TraceExtracted, carried},
	} {
		if got := p.Count(tt.service, tt.instrument); got != tt.want {
			t.Errorf("act %s: %s counts %d in %s; want %d", p.Carrier, tt.instrument.Name, got, tt.service, tt.want)
		}
	}
}

func TestTheDocumentHasExactlyTheAgreedNames(t *testing.T) {
	t.Parallel()
	report := Report{Shards: []Shard{{}}, Acts: []Played{{}}, Assignments: []Assignment{{}}}
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Shards, Acts, Assignments []map[string]any
	}
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	outcome := []string{"connected", "keys_restored", "order_kept", "overlapping_groups", "records", "shards_match", "traces"}
	act := append([]string{"carrier", "lambda"}, outcome...)
	slices.Sort(act)
	lambda, _ := document.Acts[0]["lambda"].(map[string]any)
	for _, tt := range []struct {
		name string
		got  map[string]any
		want []string
	}{
		{"shards[]", document.Shards[0], []string{"end", "id", "start"}},
		{"acts[]", document.Acts[0], act},
		{"acts[].lambda", lambda, outcome},
		{"assignments[]", document.Assignments[0], []string{"hash_key", "key", "shard_by_hash_key", "shard_by_partition_key"}},
	} {
		if got := sortedKeys(tt.got); !slices.Equal(got, tt.want) {
			t.Errorf("%s has the names %q; want %q", tt.name, got, tt.want)
		}
	}
}

func sortedKeys(object map[string]any) []string {
	var keys []string
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func TestTheServerAssignsGroupsAsKinesisDid(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t)
	shards, got, err := assign(t.Context(), server.Client(), 5)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("../../shardmap/testdata/hashkey_vectors.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want []Assignment
	for _, row := range rows[1:] {
		if strings.HasPrefix(row[0], "group-") {
			shard := "shardId-00000000000" + row[3]
			want = append(want, Assignment{Key: row[0], HashKey: row[2], ShardByPartitionKey: shard, ShardByHashKey: shard})
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("assignments are\n%v; want\n%v", got, want)
	}
	// The ranges of Table 1 in the reference document.
	wantShards := []Shard{
		{"shardId-000000000000", "0", "68056473384187692692674921486353642290"},
		{"shardId-000000000001", "68056473384187692692674921486353642291", "136112946768375385385349842972707284581"},
		{"shardId-000000000002", "136112946768375385385349842972707284582", "204169420152563078078024764459060926872"},
		{"shardId-000000000003", "204169420152563078078024764459060926873", "272225893536750770770699685945414569163"},
		{"shardId-000000000004", "272225893536750770770699685945414569164", "340282366920938463463374607431768211455"},
	}
	if !reflect.DeepEqual(shards, wantShards) {
		t.Errorf("shards are\n%v; want\n%v", shards, wantShards)
	}
}

func TestAnActPlayedWithTheWrongCarrierDeviates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expected, played tracecarrier.Carrier
		want             []string
	}{
		{tracecarrier.Lossless, tracecarrier.Off, []string{"connected", "traces"}},
		{tracecarrier.Off, tracecarrier.Headers, []string{"connected", "traces", "number of traces shared with event-producer"}},
		{tracecarrier.Traceparent, tracecarrier.PartitionKey, []string{"shards_match", "order_kept", "overlapping_groups"}},
		{tracecarrier.PartitionKey, tracecarrier.Traceparent, []string{"shards_match", "order_kept", "overlapping_groups"}},
		{tracecarrier.Lossless, tracecarrier.Traceparent, []string{"keys_restored"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.expected)+" played with "+string(tt.played), func(t *testing.T) {
			t.Parallel()
			server := localkinesis.Start(t)
			p, err := playAct(t.Context(), server, server.Client(), Act{tt.played, expectationOf(tt.expected)}, 5, metrics.Noop)
			if err != nil {
				t.Fatal(err)
			}
			want := append(slices.Clone(tt.want), tt.want...) // by the consumer and by Lambda
			if got := fieldsOf(p.Deviations()); !slices.Equal(got, want) {
				t.Errorf("deviates in %q; want %q twice:\n%v", got, tt.want, p.Deviations())
			}
		})
	}
}

func TestFewerShardsGetMoreEvents(t *testing.T) {
	t.Parallel()
	for shards, want := range map[int]int{2: 12, 3: 8, 4: 6, 5: 5, 50: 5} {
		if got := eventsPerGroup(shards); got != want {
			t.Errorf("eventsPerGroup(%d) = %d; want %d", shards, got, want)
		}
	}
	for _, e := range newEvents(5) {
		if work := e.work(); work < time.Millisecond || work > 20*time.Millisecond {
			t.Errorf("a handler takes %v for %s; want 1 to 20 ms", work, e.ID)
		}
	}
}

// quiet is a server in this process, which synctest can wait for.
func quiet(t *testing.T, rules ...string) *localkinesis.Server {
	t.Helper()
	server, err := localkinesis.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range rules {
		rule, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		server.Faults().Add(rule)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func TestAnActIsJudgedWithoutTheEventsThatNeverCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := quiet(t, "GetRecords shard=shardId-000000000000 error=InternalFailure")
		defer server.Close()
		p, err := playAct(t.Context(), server, server.Client(), Script()[3], 5, metrics.Noop)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"records", "number of events not handled", "records", "number of events not handled"}
		if got := fieldsOf(p.Deviations()); !slices.Equal(got, want) || p.Took < patience || p.Took > patience+time.Second {
			t.Errorf("without the records of shard 0 the act took %v and deviates in %q:\n%v\nwant %v after the last and %q", p.Took, got, p.Deviations(), patience, want)
		}
	})
}

func TestThePlayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := quiet(t)
				defer server.Close()
				stopped := errors.New("stopped by the test")
				ctx, cancel := context.WithTimeoutCause(t.Context(), after, stopped)
				defer cancel()
				began := time.Now()
				_, err := playOn(ctx, server, Options{Shards: 5, Script: Script()})
				if took := time.Since(began); err == nil || took > after+time.Second {
					t.Errorf("stopped after %v, the play ended after %v with %v; want an error, at once", after, took, err)
				}
			})
		})
	}
}

func TestAPlayThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{-1, 0, 1, MaxShards + 1} {
		_, err := Play(t.Context(), func(o *Options) { o.Shards = shards })
		if err == nil || !strings.Contains(err.Error(), "Options.Shards is ") {
			t.Errorf("Play with %d shards returned %v; want an error about Options.Shards", shards, err)
		}
	}
}
