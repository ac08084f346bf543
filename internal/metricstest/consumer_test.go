package metricstest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
)

func twoRowsAreCounted(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "123456789", "1234567890")
	read(t, server.Client(), sink)
	mustCount(t, sink, map[string]int64{
		key("consumer_records_received_total", inShard(shard0)): 2,
		key("consumer_bytes_received_total", inShard(shard0)):   19,
	})
	mustGauge(t, sink, map[string]float64{key("consumer_queue_size"): 0})
}

// ages is a Memory that notes every age it is sent.
type ages struct {
	*metrics.Memory

	mu   sync.Mutex
	sent []float64
}

func (s *ages) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	g := s.Memory.Gauge(in, labelValues...)
	if in != metrics.ConsumerIteratorAge {
		return g
	}
	return notingGauge{g, s}
}

type notingGauge struct {
	metrics.Gauge
	to *ages
}

func (g notingGauge) Set(v float64) {
	g.to.mu.Lock()
	g.to.sent = append(g.to.sent, v)
	g.to.mu.Unlock()
	g.Gauge.Set(v)
}

// fetched is an answer to GetRecords: an age, no age, or an error.
type fetched struct {
	age    int64
	absent bool
	err    error
}

// absent marks a gauge that does not exist.
const absent = -1

// fetch lets a reader get these answers one after another, and returns the ages
// that were sent and the value of the gauge after each answer.
func fetch(t *testing.T, answers ...fetched) (sent, after []float64) {
	t.Helper()
	server := newServer(t, 1)
	sink := &ages{Memory: metrics.NewMemory()}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	client := &altered{Client: server.Client()}
	client.answer = func(_ context.Context, call int, out *kinesis.GetRecordsOutput, err error) (*kinesis.GetRecordsOutput, error) {
		if call > 1 && call <= len(answers)+1 {
			value, ok := sink.Gauges()[key("consumer_iterator_age_milliseconds", inShard(shard0))]
			if !ok {
				value = absent
			}
			after = append(after, value)
		}
		if call > len(answers) {
			stop()
			return nil, ctx.Err()
		}
		switch a := answers[call-1]; {
		case a.err != nil:
			return nil, a.err
		case a.absent:
			out.MillisBehindLatest = nil
		default:
			out.MillisBehindLatest = aws.Int64(a.age)
		}
		return out, err
	}
	for _, err := range consumer.Read(ctx, client, stream, consumer.From(kinetrail.TrimHorizon()), fast, func(o *consumer.Options) {
		o.Metrics, o.Logger = sink, quiet
	}) {
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("the reader ends with %v; want the end of its ctx", err)
		}
	}
	return sink.sent, after
}

func mustFetch(t *testing.T, wantSent, wantAfter []float64, answers ...fetched) {
	t.Helper()
	sent, after := fetch(t, answers...)
	if !slices.Equal(sent, wantSent) || !slices.Equal(after, wantAfter) {
		t.Errorf("the ages sent are %v and the gauge is %v after each fetch; want %v and %v", sent, after, wantSent, wantAfter)
	}
}

var errFetch = errors.New("the fetch is told to fail")

func theAgeIsTheServices(t *testing.T) {
	mustFetch(t, []float64{54321}, []float64{54321}, fetched{age: 54321})
}

func noFieldNoAge(t *testing.T) {
	mustFetch(t, nil, []float64{absent}, fetched{absent: true})
}

func aFailedFetchKeepsTheAge(t *testing.T) {
	mustFetch(t, []float64{12345}, []float64{12345, 12345}, fetched{age: 12345}, fetched{err: errFetch})
}

func noAgeAfterAnAnswerWithout(t *testing.T) {
	sent, _ := fetch(t, fetched{age: 12345}, fetched{err: errFetch}, fetched{absent: true}, fetched{err: errFetch})
	if want := []float64{12345}; !slices.Equal(sent, want) {
		t.Errorf("the ages sent are %v; want %v", sent, want)
	}
}

func noAgeBeforeTheFirstAnswer(t *testing.T) {
	mustFetch(t, []float64{7}, []float64{absent, 7}, fetched{err: errFetch}, fetched{age: 7})
}

func agesOfFourFetches(t *testing.T) {
	mustFetch(t, []float64{12345}, []float64{12345, 12345, 12345, 12345},
		fetched{age: 12345}, fetched{err: errFetch}, fetched{absent: true}, fetched{err: errFetch})
}

func aSlowHandlerLosesNothing(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "123456789", "123456789", "123456789")
	g := startGroup(t, server.Client(), memlease.New(), sink, func(o *consumer.Options) { o.MaxRecords, o.MaxBufferedBytes = 1, 1 })
	g.take(t, 3)
	g.drain(t)
	mustCount(t, sink, map[string]int64{
		key("consumer_records_received_total", inShard(shard0)): 3,
		key("consumer_bytes_received_total", inShard(shard0)):   27,
	})
}

func aFullQueueWaits(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "1234567", "1234567", "1234567")
	taken := 0
	for _, err := range consumer.Read(t.Context(), server.Client(), stream, consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip(), fast,
		func(o *consumer.Options) { o.Metrics = sink }) {
		if err != nil {
			t.Fatal(err)
		}
		if taken++; taken == 1 {
			mustGauge(t, sink, map[string]float64{key("consumer_queue_size"): 3})
		}
	}
	mustCount(t, sink, map[string]int64{
		key("consumer_records_received_total", inShard(shard0)): 3,
		key("consumer_bytes_received_total", inShard(shard0)):   21,
	})
	mustGauge(t, sink, map[string]float64{key("consumer_queue_size"): 0})
}

// mustFailAs lets the first fetch fail, and looks for it under error_type.
func mustFailAs(t *testing.T, errorType string, opts []func(*consumer.Options), fail func(ctx context.Context) error) {
	t.Helper()
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "one")
	client := &altered{Client: server.Client(), answer: func(ctx context.Context, call int, out *kinesis.GetRecordsOutput, err error) (*kinesis.GetRecordsOutput, error) {
		if call == 1 {
			return nil, fail(ctx)
		}
		return out, err
	}}
	records := read(t, client, sink, append(opts, func(o *consumer.Options) { o.Logger = quiet })...)
	if len(records) != 1 {
		t.Errorf("%d records are read after the failure; want 1", len(records))
	}
	for _, in := range metrics.ConsumerErrors.Known {
		want := map[bool]int64{true: 1}[in == errorType]
		mustCount(t, sink, map[string]int64{key("consumer_errors_total", inShard(shard0), failedWith(in)): want})
	}
}

func connectionErrors(t *testing.T) {
	for _, err := range []error{
		&smithyhttp.RequestSendError{Err: io.EOF},
		&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		&net.DNSError{Err: "no such host", Name: "kinesis.example"},
	} {
		mustFailAs(t, metrics.ErrorConnection, nil, func(context.Context) error { return err })
	}
}

func timeoutErrors(t *testing.T) {
	mustFailAs(t, metrics.ErrorTimeout, nil, func(context.Context) error { return &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded} })
	synctest.Test(t, func(t *testing.T) { // no other call takes that long
		mustFailAs(t, metrics.ErrorTimeout, nil, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
	})
}

func unknownErrors(t *testing.T) {
	mustFailAs(t, metrics.ErrorUnknown, nil, func(context.Context) error { return errFetch })
}

// fetchErrorIs checks that a code of the service is the label.
func fetchErrorIs(code string) func(*testing.T) {
	return func(t *testing.T) {
		// The SDK tries again by itself: the rule must outlast it.
		server, sink := newServer(t, 1, "GetRecords nth=1 times=3 error="+code), metrics.NewMemory()
		put(t, server, "one")
		client := server.Client(func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
		if records := read(t, client, sink, func(o *consumer.Options) { o.Logger = quiet }); len(records) != 1 {
			t.Errorf("%d records are read after the failures; want 1", len(records))
		}
		mustCount(t, sink, map[string]int64{
			key("consumer_errors_total", inShard(shard0), failedWith(code)):                 3,
			key("consumer_errors_total", inShard(shard0), failedWith(metrics.ErrorUnknown)): 0,
		})
	}
}

func noClientNoConsumer(t *testing.T) {
	if c, err := consumer.New(nil, stream, memlease.New()); err == nil || !strings.Contains(err.Error(), "client") {
		t.Errorf("New without a client = %v, %v; want an error that says so", c, err)
	}
}

// split splits the shard in the middle.
func split(t *testing.T, client *kinesis.Client, shardID, at string) {
	t.Helper()
	_, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(stream), ShardToSplit: aws.String(shardID), NewStartingHashKey: aws.String(at),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The middle of one shard, and of the two halves.
const (
	middle       = "170141183460469231731687303715884105728"
	firstQuarter = "85070591730234615865843651857942052864"
	lastQuarter  = "255211775190703847597530955573826158592"
)

func shardsAreCounted(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	split(t, server.Client(), shard0, middle)
	read(t, server.Client(), sink)
	mustGauge(t, sink, map[string]float64{key("stream_shards_active"): 2, key("stream_shards_closed"): 1})
}

func aParentClosedBefore(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "of the parent")
	split(t, server.Client(), shard0, middle)
	g := startGroup(t, server.Client(), memlease.New(), sink)
	g.take(t, 1)
	mustGauge(t, sink, map[string]float64{key("stream_shards_active"): 2, key("stream_shards_closed"): 1})
	g.drain(t)
	mustCount(t, sink, map[string]int64{key("stream_resharding_events_total"): 0})
}

func aSplitIsAnEvent(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	g := startGroup(t, server.Client(), memlease.New(), sink)
	<-g.Ready()
	split(t, server.Client(), shard0, middle)
	eventually(t, "the split is an event", func() bool { return sink.Counters()[key("stream_resharding_events_total")] == 1 })
	put(t, server, "one", "two", "three")
	g.take(t, 3)
	g.drain(t)
	mustCount(t, sink, map[string]int64{key("stream_resharding_events_total"): 1})
}

func twoSplitsAreTwoEvents(t *testing.T) {
	server, sink := newServer(t, 2), metrics.NewMemory()
	g := startGroup(t, server.Client(), memlease.New(), sink, func(o *consumer.Options) { o.ShardSyncInterval = time.Hour })
	<-g.Ready()
	split(t, server.Client(), shard0, firstQuarter)
	split(t, server.Client(), shard1, lastQuarter)
	eventually(t, "both splits are events", func() bool { return sink.Counters()[key("stream_resharding_events_total")] == 2 })
	g.drain(t)
	mustCount(t, sink, map[string]int64{key("stream_resharding_events_total"): 2})
}

func threePutsAreRead(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, `{"n": 1}`, `{"n": 2}`, `{"n": 3}`)
	g := startGroup(t, server.Client(), memlease.New(), sink)
	g.take(t, 3)
	age := key("consumer_iterator_age_milliseconds", inShard(shard0))
	eventually(t, "there is an age", func() bool { _, ok := sink.Gauges()[age]; return ok })
	g.drain(t)
	mustCount(t, sink, map[string]int64{
		key("consumer_records_received_total", inShard(shard0)):     3,
		key("consumer_bytes_received_total", inShard(shard0)):       24,
		key("consumer_user_records_handled_total", inShard(shard0)): 3,
	})
	mustGauge(t, sink, map[string]float64{key("consumer_queue_size"): 0})
	if got := sink.Gauges()[age]; got < 0 {
		t.Errorf("the age is %v; want none below 0", got)
	}
	if got := sink.Histograms()[key("consumer_processing_time_seconds", inShard(shard0))].Count; got != 3 {
		t.Errorf("%d calls of the handler were timed; want 3", got)
	}
	if _, ok := sink.Gauges()[key("consumer_lag_records", inShard(shard0))]; !ok {
		t.Errorf("there is no lag among %v", sink.Gauges())
	}
}
