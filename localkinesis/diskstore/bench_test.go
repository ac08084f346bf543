package diskstore_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// Each benchmark is run in memory, in a directory, and in a directory with
// fsync. Requests go to the server as net/http would hand them over: the
// network and the client, which cost the same in all three, are left out.
func benchmark(b *testing.B, run func(b *testing.B, s *localkinesis.Server)) {
	open := func(opts ...func(*diskstore.Options)) func(*testing.B, *localkinesis.Options) {
		return func(b *testing.B, o *localkinesis.Options) {
			store, err := diskstore.Open(b.TempDir(), opts...)
			if err != nil {
				b.Fatal(err)
			}
			o.Store = store
		}
	}
	for _, way := range []struct {
		name string
		open func(*testing.B, *localkinesis.Options)
	}{
		{"memory", func(*testing.B, *localkinesis.Options) {}},
		{"disk", open()},
		{"fsync", open(func(o *diskstore.Options) { o.Fsync = true })},
	} {
		b.Run(way.name, func(b *testing.B) {
			s, err := localkinesis.New(func(o *localkinesis.Options) {
				o.Streams = map[string]int{"orders": 4}
				o.KeepCalls = 0
				way.open(b, o)
			})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			run(b, s)
		})
	}
}

var hundredBytes = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("kinetrail "), 10))

func BenchmarkPutRecord(b *testing.B) {
	benchmark(b, func(b *testing.B, s *localkinesis.Server) {
		var worker atomic.Int64
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			body := fmt.Sprintf(`{"StreamName":"orders","PartitionKey":"key-%d","Data":"%s"}`, worker.Add(1), hundredBytes)
			askUntilDone(b, pb, s, "PutRecord", body)
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

const perPut = 500

// putRecordsBody is a request of perPut records of 100 bytes over every shard.
func putRecordsBody() string {
	var body strings.Builder
	body.WriteString(`{"StreamName":"orders","Records":[`)
	for i := range perPut {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"PartitionKey":"key-%d","Data":"%s"}`, i, hundredBytes)
	}
	body.WriteString(`]}`)
	return body.String()
}

func BenchmarkPutRecords(b *testing.B) {
	body := putRecordsBody()
	benchmark(b, func(b *testing.B, s *localkinesis.Server) {
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) { askUntilDone(b, pb, s, "PutRecords", body) })
		b.ReportMetric(float64(b.N)*perPut/b.Elapsed().Seconds(), "records/s")
	})
}

// BenchmarkGetRecords reads 200,000 records from end to end, page by page.
func BenchmarkGetRecords(b *testing.B) {
	body := putRecordsBody()
	benchmark(b, func(b *testing.B, s *localkinesis.Server) {
		const puts = 400
		for range puts {
			if err := ask(s, "PutRecords", body, unseen); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			for shard := range 4 {
				if _, err := readShard(s, shard); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.N)*puts*perPut/b.Elapsed().Seconds(), "records/s")
	})
}

func askUntilDone(b *testing.B, pb *testing.PB, s *localkinesis.Server, operation, body string) {
	for pb.Next() {
		if err := ask(s, operation, body, unseen); err != nil {
			b.Error(err)
			return
		}
	}
}
