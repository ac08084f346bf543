package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// writer is one producer of a program.
type writer struct {
	Aggregation producer.Aggregation
	Carrier     tracecarrier.Carrier
	Order       producer.Order
	Keys        int
}

func generateWriter(random *rand.Rand) writer {
	w := writer{Keys: pick(random, 1, 5, 40, 200)}
	switch random.IntN(8) {
	case 0, 1, 2:
		w.Aggregation, w.Carrier = producer.ByShard, tracecarrier.Headers
	case 3:
		w.Aggregation, w.Carrier = producer.SameKey, tracecarrier.Headers
	case 4:
		w.Carrier, w.Keys = tracecarrier.Headers, max(w.Keys, 40) // one-record containers
	case 5:
		w.Carrier, w.Keys = tracecarrier.Lossless, max(w.Keys, 40)
	case 6:
		w.Carrier, w.Keys = tracecarrier.Traceparent, max(w.Keys, 40)
	case 7:
		w.Carrier, w.Order = tracecarrier.Off, producer.BestEffort
	}
	return w
}

// recordID names a record of a program: its writer, and its number there.
type recordID uint64

func newID(writer, n int) recordID { return recordID(writer)<<32 | recordID(n) }

func (id recordID) writer() int { return int(id >> 32) }

func (id recordID) String() string {
	return fmt.Sprintf("%d/%d", id.writer(), uint32(id))
}

// hash draws numbers for a record.
func (id recordID) hash(seed uint64, what string) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], seed)
	binary.BigEndian.PutUint64(b[8:], uint64(id))
	h.Write(b[:])
	h.Write([]byte(what))
	x := h.Sum64() // whose low bits alone are too regular
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// record is what the program puts under an id: all of it follows from the seed.
func record(seed uint64, writers []writer, id recordID) kinetrail.Record {
	w := writers[id.writer()]
	key := int(id.hash(seed, "key") % uint64(w.Keys))
	r := kinetrail.Record{
		PartitionKey: fmt.Sprintf("key-%d-%d", id.writer(), key),
		Data:         payload(seed, id),
	}
	if key%5 == 4 {
		r.ExplicitHashKey = shardmap.HashKey{Hi: newID(id.writer(), key).hash(seed, "hash key"), Lo: 17}.String()
	}
	if w.Carrier != tracecarrier.Off && id.hash(seed, "traced")%4 != 0 {
		r.Trace = kinetrail.TraceContext{
			Parent: fmt.Sprintf("00-%016x%016x-%016x-0%d", id.hash(seed, "trace")|1, id, id.hash(seed, "span")|1, id.hash(seed, "sampled")%2),
		}
		if id.hash(seed, "state")%3 == 0 && w.Carrier != tracecarrier.Traceparent {
			r.Trace.State = fmt.Sprintf("vendor=%x", id.hash(seed, "vendor"))
		}
	}
	if w.Aggregation != producer.Off {
		for i := range id.hash(seed, "headers") % 3 {
			r.Headers = append(r.Headers, kinetrail.Header{Name: fmt.Sprintf("header-%d", i), Value: id.String()})
		}
	}
	return r
}

// payload is the ID and as many further bytes as chance wants.
func payload(seed uint64, id recordID) []byte {
	data := fmt.Appendf(nil, "%d;", uint64(id))
	size := 20 + id.hash(seed, "size")%200
	for i := uint64(0); uint64(len(data)) < size; i++ {
		data = binary.BigEndian.AppendUint64(data, id.hash(seed, "payload")+i)
	}
	return data
}

// idOf finds the ID in a payload.
func idOf(data []byte) (recordID, bool) {
	text, _, found := bytes.Cut(data, []byte(";"))
	id, err := strconv.ParseUint(string(text), 10, 64)
	return recordID(id), found && err == nil
}

// differences tells what of a record that was read is not as it was put, empty
// when all is.
func differences(seed uint64, writers []writer, id recordID, got *kinetrail.Record) string {
	if id.writer() >= len(writers) {
		return "nobody put it"
	}
	w, want := writers[id.writer()], record(seed, writers, id)
	var wrong []string
	differ := func(what string, got, want any) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", what, got, want))
	}
	if !bytes.Equal(got.Data, want.Data) {
		differ("data", got.Data, want.Data)
	}
	contained := w.Aggregation != producer.Off || w.Carrier == tracecarrier.Headers && !want.Trace.IsZero()
	bare := w.Carrier == tracecarrier.Traceparent && !want.Trace.IsZero()
	if got.OriginalKeyKnown == bare {
		differ("OriginalKeyKnown", got.OriginalKeyKnown, !bare)
	}
	if bare && got.PartitionKey != want.Trace.Parent {
		differ("key", got.PartitionKey, want.Trace.Parent)
	}
	if !bare && got.PartitionKey != want.PartitionKey {
		differ("key", got.PartitionKey, want.PartitionKey)
	}
	if contained && got.ExplicitHashKey != want.ExplicitHashKey {
		differ("hash key", got.ExplicitHashKey, want.ExplicitHashKey)
	}
	if got.Trace != want.Trace {
		differ("trace", got.Trace, want.Trace)
	}
	own := slices.DeleteFunc(slices.Clone(got.Headers), func(h kinetrail.Header) bool {
		return h.Name == tracecarrier.TraceparentHeader || h.Name == tracecarrier.TracestateHeader
	})
	if !slices.Equal(own, want.Headers) {
		differ("headers", own, want.Headers)
	}
	return strings.Join(wrong, "; ")
}
