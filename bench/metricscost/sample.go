package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/kinetrail/kinetrail/producer"
)

// The states of metrics that a workload is measured in.
const (
	without = "without" // a build in which the meters do nothing
	off     = "off"     // the default
	on      = "Prometheus"
)

var states = []string{without, off, on}

// workload is what a client does in a sample.
type workload struct {
	name  string
	what  string // for the reader of the table
	bytes int
	aim   float64 // the most that Prometheus may cost, in per cent; 0 for none
	do    func(ctx context.Context, api *kinesis.Client, sink metrics.Sink, bytes, records int) (sample, error)
}

func workloads() []workload {
	return []workload{
		{"Put100", "put 100 B, plain", 100, 5, put(producer.Off)},
		{"PutByShard100", "put 100 B, `ByShard`", 100, 5, put(producer.ByShard)},
		{"PutByShard1024", "put 1 KiB, `ByShard`", 1024, 2, put(producer.ByShard)},
		{"Batch100", "handle 100 B in batches", 100, 5, handle(inBatches)},
		{"Batch1024", "handle 1 KiB in batches", 1024, 2, handle(inBatches)},
		{"Handle100", "handle 100 B one by one, each timed", 100, 0, handle(oneByOne)},
		{"Handle1024", "handle 1 KiB one by one, each timed", 1024, 0, handle(oneByOne)},
	}
}

// sample is what one run took. A workload warms up before it.
type sample struct {
	Workload, State string
	Records         int
	CPU             time.Duration // user and system
	Mallocs         uint64
}

func sampleOf(ctx context.Context, name, state, endpoint string, records int) (sample, error) {
	for _, w := range workloads() {
		if w.name != name {
			continue
		}
		api := kinesis.New(kinesis.Options{
			Region: "us-east-1", BaseEndpoint: &endpoint,
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		})
		sink, stop, err := sinkOf(ctx, state)
		if err != nil {
			return sample{}, err
		}
		defer stop()
		s, err := w.do(ctx, api, sink, w.bytes, records*100/max(w.bytes, 100)*w.scale()/100)
		s.Workload, s.State = name, state
		return s, err
	}
	return sample{}, fmt.Errorf("there is no workload %q", name)
}

// scale makes samples of large records long enough, in per cent of their bytes.
func (w *workload) scale() int {
	if w.bytes > 100 {
		return 250
	}
	return 100
}

// sinkOf is the sink of a state. Prometheus is scraped every second.
func sinkOf(ctx context.Context, state string) (metrics.Sink, func(), error) {
	if state != on {
		return metrics.Noop, func() {}, nil
	}
	registry := prometheus.NewRegistry()
	sink, err := promsink.New(func(o *promsink.Options) { o.Registerer = registry })
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var scraping sync.WaitGroup
	scraping.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_, _ = registry.Gather()
			}
		}
	})
	return sink, func() {
		cancel()
		scraping.Wait()
	}, nil
}

// used is what the process has used so far.
type used struct {
	cpu     time.Duration
	mallocs uint64
}

func usage() used {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // it has no way to fail
	}
	return used{time.Duration(r.Utime.Nano() + r.Stime.Nano()), m.Mallocs}
}

func (before used) until(after used, records int) sample {
	return sample{Records: records, CPU: after.cpu - before.cpu, Mallocs: after.mallocs - before.mallocs}
}

// put puts records from four goroutines, and flushes.
func put(aggregation producer.Aggregation) func(context.Context, *kinesis.Client, metrics.Sink, int, int) (sample, error) {
	return func(ctx context.Context, api *kinesis.Client, sink metrics.Sink, bytes, records int) (s sample, err error) {
		p, err := producer.New(api, "bench", func(o *producer.Options) {
			o.Metrics, o.Aggregation, o.Wire = sink, aggregation, kinesisprotocol.CBOR
			o.ShardShare = 1e6 // the quota of the four shards is not what is measured
		})
		if err != nil {
			return s, err
		}
		l := newLoad(bytes)
		if err := l.put(ctx, p, records/10); err != nil {
			return s, err
		}
		runtime.GC()
		before := usage()
		err = l.put(ctx, p, records)
		after := usage()
		return before.until(after, records), errors.Join(err, p.Close(ctx))
	}
}

// load is random data under random keys.
type load struct {
	bytes int
	keys  string
	data  []byte
}

const keyBytes = 16

func newLoad(bytes int) *load {
	random := rand.New(rand.NewPCG(1, 2))
	var keys strings.Builder
	for range 1 << 18 * keyBytes {
		keys.WriteByte('a' + byte(random.UintN(26)))
	}
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return &load{bytes, keys.String(), data}
}

func (l *load) record(i int) kinetrail.Record {
	at, from := i*keyBytes%len(l.keys), i*l.bytes%(len(l.data)-l.bytes)
	return kinetrail.Record{PartitionKey: l.keys[at : at+keyBytes], Data: l.data[from : from+l.bytes : from+l.bytes]}
}

func (l *load) put(ctx context.Context, p *producer.Producer, records int) error {
	const putters = 4
	var next, rejected atomic.Int64
	done := func(r producer.Result) {
		if r.Err != nil {
			rejected.Add(1)
		}
	}
	errs := make([]error, putters)
	var putting sync.WaitGroup
	for i := range errs {
		putting.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= records {
					return
				}
				errs[i] = p.PutAsync(ctx, l.record(n), done)
			}
		})
	}
	putting.Wait()
	err := errors.Join(append(errs, p.Flush(ctx))...)
	if n := rejected.Load(); err == nil && n > 0 {
		err = fmt.Errorf("%d records were rejected", n)
	}
	return err
}

// way is how a consumer's records are handled; seen is told how many.
type way func(ctx context.Context, c *consumer.Consumer, seen func(n int)) error

func oneByOne(ctx context.Context, c *consumer.Consumer, seen func(int)) error {
	return c.Run(ctx, func(context.Context, kinetrail.Record) error {
		seen(1)
		return nil
	})
}

func inBatches(ctx context.Context, c *consumer.Consumer, seen func(int)) error {
	return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error {
		seen(len(batch))
		return nil
	})
}

// handle reads records until enough are handled, and takes its sample between
// two calls of the handler.
func handle(run way) func(context.Context, *kinesis.Client, metrics.Sink, int, int) (sample, error) {
	return func(ctx context.Context, api *kinesis.Client, sink metrics.Sink, bytes, records int) (s sample, err error) {
		c, err := consumer.New(api, fmt.Sprint("plain-", bytes), memlease.New(), func(o *consumer.Options) {
			o.Metrics, o.PollInterval = sink, 0
		})
		if err != nil {
			return s, err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var handling sync.Mutex // nothing is handled while the use is looked up
		var before, after used
		var handled, begun, ended int // the last two are how many are handled then
		err = run(ctx, c, func(n int) {
			handling.Lock()
			defer handling.Unlock()
			handled += n
			switch {
			case begun == 0 && handled >= records/10:
				before, begun = usage(), handled
			case begun > 0 && ended == 0 && handled >= begun+records:
				after, ended = usage(), handled
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			return s, err
		}
		return before.until(after, ended-begun), nil
	}
}
