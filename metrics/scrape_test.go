package metrics_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

// counting is a client that counts by itself and hands on when it is asked.
type counting struct {
	puts   atomic.Int64
	handed int64 // guarded by the scrape
	asked  atomic.Int64

	put, sent metrics.Counter
	waiting   metrics.Gauge
}

func newCounting(sink metrics.Sink) *counting {
	return &counting{
		put:     sink.Counter(metrics.ProducerUserRecordsPut, "s"),
		sent:    sink.Counter(metrics.ProducerUserRecordsSent, "s"),
		waiting: sink.Gauge(metrics.ProducerQueueSize, "s"),
	}
}

// handOn says that of every three records two are sent and one waits.
func (c *counting) handOn() {
	c.asked.Add(1)
	puts := c.puts.Load()
	sent := func(puts int64) int64 { return puts * 2 / 3 }
	c.put.Add(puts - c.handed)
	c.sent.Add(sent(puts) - sent(c.handed))
	c.waiting.Set(float64(puts - sent(puts)))
	c.handed = puts
}

// balance is put - sent - waiting.
func balance(snapshot map[string]any) float64 {
	put, _ := snapshot["producer_user_records_put_total{stream_name=s}"].(int64)
	sent, _ := snapshot["producer_user_records_sent_total{stream_name=s}"].(int64)
	waiting, _ := snapshot["producer_queue_size{stream_name=s}"].(float64)
	return float64(put-sent) - waiting
}

func TestEverySinkBehindOneClientIsReadAtOneMoment(t *testing.T) {
	t.Parallel()
	one, two := metrics.NewMemory(), metrics.NewMemory()
	sink := metrics.Isolate(metrics.Multi(one, two), nil)
	c := newCounting(sink)
	if !sink.OnScrape(c.handOn) {
		t.Fatal("OnScrape of two Memories reports false; want true")
	}
	defer func() { _ = sink.Close(context.Background()) }()
	over := make(chan struct{})
	var puts, reads sync.WaitGroup
	for range 2 {
		puts.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					c.puts.Add(1)
				}
			}
		})
	}
	for _, memory := range []*metrics.Memory{one, two} {
		reads.Go(func() {
			for range 300 {
				if got := balance(memory.Snapshot()); got != 0 {
					t.Errorf("put - sent - waiting = %v; want 0 in every snapshot", got)
				}
			}
		})
	}
	reads.Wait()
	close(over)
	puts.Wait()
}

func TestAClientThatClosesIsAskedOnceMore(t *testing.T) {
	t.Parallel()
	sink := metrics.NewMemory()
	guard := metrics.Isolate(sink, nil)
	c := newCounting(guard)
	guard.OnScrape(c.handOn)
	c.puts.Store(3)
	if got := sink.Counters()["producer_user_records_put_total{stream_name=s}"]; got != 3 {
		t.Errorf("the sink was read with %d puts; want 3", got)
	}
	c.puts.Store(5)
	for range 2 {
		if err := guard.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.asked.Load(); got != 2 {
		t.Errorf("asked %d times by a read and two Closes; want 2", got)
	}
	c.puts.Store(7)
	if got := sink.Counters()["producer_user_records_put_total{stream_name=s}"]; got != 5 || c.asked.Load() != 2 {
		t.Errorf("after Close the sink was read with %d puts, asked %d times in all; want 5 and 2", got, c.asked.Load())
	}
}

func TestResetForgetsWhatWasNotAskedForYet(t *testing.T) {
	t.Parallel()
	sink := metrics.NewMemory()
	c := newCounting(sink)
	sink.OnScrape(c.handOn)
	c.puts.Store(3)
	sink.Reset()
	c.puts.Store(4)
	if got := sink.Counters()["producer_user_records_put_total{stream_name=s}"]; got != 1 {
		t.Errorf("after Reset and one put the sink has %d; want 1", got)
	}
}

func TestASinkThatIsNotScrapedIsTold(t *testing.T) {
	t.Parallel()
	for name, sink := range map[string]metrics.Sink{
		"nil": nil, "Noop": metrics.Noop, "a foreign sink": quiet{},
		"a foreign sink beside a Memory": metrics.Multi(metrics.NewMemory(), quiet{}),
	} {
		guard := metrics.Isolate(sink, nil)
		if guard.OnScrape(func() { t.Errorf("%s: it is asked for", name) }) {
			t.Errorf("OnScrape of %s reports true; want false", name)
		}
		if err := guard.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
