package main

import (
	"context"
	"encoding/binary"
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

// Keys and data are cut from one text and one slice: a table of keys would be
// something to look through for the garbage collector, at every client's cost.
type load struct {
	bytes    int
	keys     string
	payload  []byte
	contexts []context.Context // of callers, each with a span of its own
}

func newLoad(bytes int) *load {
	random := rand.New(rand.NewPCG(1, 2))
	keys := make([]byte, keyCount*keyBytes)
	for i := range keys {
		keys[i] = 'a' + byte(random.UintN(26))
	}
	payload := make([]byte, 1<<20)
	for i := range payload {
		payload[i] = byte(random.Uint32())
	}
	return &load{bytes: bytes, keys: string(keys), payload: payload}
}

// key is that of record i.
func (l *load) key(i int) string {
	at := i % keyCount * keyBytes
	return l.keys[at : at+keyBytes]
}

func (l *load) data(i int) []byte {
	at := i * l.bytes % (len(l.payload) - l.bytes)
	return l.payload[at : at+l.bytes : at+l.bytes]
}

// trace makes the contexts of callers.
func (l *load) trace() {
	random := rand.New(rand.NewPCG(3, 4))
	l.contexts = make([]context.Context, 1<<10)
	for i := range l.contexts {
		config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
		binary.BigEndian.PutUint64(config.TraceID[:], random.Uint64())
		binary.BigEndian.PutUint64(config.TraceID[8:], random.Uint64()|1)
		binary.BigEndian.PutUint64(config.SpanID[:], random.Uint64()|1)
		l.contexts[i] = trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(config))
	}
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
