package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// Every client puts the same records: random data under random keys of 16
// letters, from four goroutines. There are more keys than a producer buffers
// records, so that no two records under way share one.
const (
	putters  = 4
	keyCount = 1 << 18
	keyBytes = 16
)

type load struct {
	bytes    int
	keys     []string
	payload  []byte            // data is cut from it
	contexts []context.Context // of callers, each with a span of its own
}

func newLoad(bytes int) *load {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, keyCount*keyBytes)
	for i := range text {
		text[i] = 'a' + byte(random.UintN(26))
	}
	l := &load{bytes: bytes, keys: make([]string, keyCount), payload: make([]byte, 1<<20)}
	for i, all := 0, string(text); i < keyCount; i++ {
		l.keys[i] = all[i*keyBytes : (i+1)*keyBytes]
	}
	for i := range l.payload {
		l.payload[i] = byte(random.Uint32())
	}
	l.contexts = make([]context.Context, 1<<10)
	for i := range l.contexts {
		var config trace.SpanContextConfig
		for at := range config.TraceID {
			config.TraceID[at] = byte(random.Uint32()) | 1
		}
		for at := range config.SpanID {
			config.SpanID[at] = byte(random.Uint32()) | 1
		}
		config.TraceFlags = trace.FlagsSampled
		l.contexts[i] = trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(config))
	}
	return l
}

// key is that of record i. It points into the load, so that no client pays for
// a pointer the SDK wants.
func (l *load) key(i int) *string { return &l.keys[i%keyCount] }

func (l *load) data(i int) []byte {
	at := i * l.bytes % (len(l.payload) - l.bytes)
	return l.payload[at : at+l.bytes : at+l.bytes]
}

// context is that of the caller who puts record i.
func (l *load) context(i int) context.Context { return l.contexts[i%len(l.contexts)] }

// spread lets every putter put its part of so many records, batch by batch, and
// returns the first error. put gets the numbers from..to−1.
func spread(records, batch int, put func(putter, from, to int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, putters)
	for putter := range putters {
		group.Go(func() {
			for {
				from := int(next.Add(int64(batch))) - batch
				if from >= records {
					return
				}
				if err := put(putter, from, min(from+batch, records)); err != nil {
					errs <- err
					next.Store(int64(records))
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
