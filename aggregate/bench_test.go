package aggregate_test

import (
	"crypto/md5"
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
)

// maxContainer is the container size the producer aims at by default.
const maxContainer = 50 << 10

// workload is what one container of 100-byte records holds; the names tell how
// the records of a container share keys and what they carry.
type workload struct {
	name    string
	records []aggregate.UserRecord
}

func workloads() []workload {
	random := rand.New(rand.NewPCG(1, 2))
	key := func() string {
		var b [8]byte
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return hex.EncodeToString(b[:])
	}
	fill := func(next func() aggregate.UserRecord) []aggregate.UserRecord {
		var b aggregate.Builder
		var records []aggregate.UserRecord
		for {
			r := next()
			r.Data = make([]byte, 100)
			for i := range r.Data {
				r.Data[i] = byte(random.Uint32())
			}
			if b.SizeWith(&r) > maxContainer {
				return records
			}
			b.Add(&r)
			records = append(records, r)
		}
	}
	headers := []kinetrail.Header{{Name: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	return []workload{
		{"keys=same", fill(func() aggregate.UserRecord { return aggregate.UserRecord{PartitionKey: "user-0000000042x"} })},
		{"keys=distinct", fill(func() aggregate.UserRecord { return aggregate.UserRecord{PartitionKey: key()} })},
		{"keys=distinct,traced", fill(func() aggregate.UserRecord { return aggregate.UserRecord{PartitionKey: key(), Headers: headers} })},
	}
}

// reportPerRecord adds the time per user record, and its ratio to crypto/md5
// over the bytes of the container, measured right after: the floor for whoever
// builds or verifies one.
func reportPerRecord(b *testing.B, w workload, bytes []byte) {
	b.StopTimer()
	perContainer := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(perContainer/float64(len(w.records)), "ns/record")
	b.ReportMetric(perContainer/md5Nanoseconds(bytes), "×md5")
}

// md5Nanoseconds is the best of several short runs.
func md5Nanoseconds(bytes []byte) float64 {
	const rounds, sums = 10, 10
	best := time.Duration(1<<63 - 1)
	for range rounds {
		start := time.Now()
		for range sums {
			md5.Sum(bytes)
		}
		best = min(best, time.Since(start))
	}
	return float64(best.Nanoseconds()) / sums
}

// BenchmarkBuild100B builds containers as the producer does: each record is
// asked for its size before it is added.
func BenchmarkBuild100B(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name, func(b *testing.B) {
			var builder aggregate.Builder
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				builder.Reset()
				for i := range w.records {
					if builder.SizeWith(&w.records[i]) > maxContainer {
						b.Fatal("the workload does not fit its container")
					}
					builder.Add(&w.records[i])
				}
				buf = builder.AppendTo(buf[:0])
			}
			reportPerRecord(b, w, buf)
		})
	}
}

// BenchmarkSplit100B splits containers into a slice that is reused.
func BenchmarkSplit100B(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name, func(b *testing.B) {
			data := build(w.records)
			var records []aggregate.UserRecord
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if records, err = aggregate.Split(data, records[:0]); err != nil {
					b.Fatal(err)
				}
			}
			reportPerRecord(b, w, data)
		})
	}
}

// BenchmarkMD5Of100B is the baseline of the two above: the MD5 of the same
// containers, per record.
func BenchmarkMD5Of100B(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name, func(b *testing.B) {
			data := build(w.records)
			b.ReportAllocs()
			for b.Loop() {
				md5.Sum(data)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(w.records)), "ns/record")
		})
	}
}
