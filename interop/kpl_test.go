package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kinetrail/kinetrail"
)

// putByKPL are records as they were put, as the library tells of them, and as the
// consumer reads them.
func putByKPL() (put []userRecord, results []kplResult, got []kinetrail.Record) {
	for i := range 4 {
		r := userRecord{PartitionKey: fmt.Sprintf("k%d", i), Data: fmt.Appendf(nil, "%d:x", i)}
		put = append(put, r)
		results = append(results, kplResult{ShardID: shardID(i / 2), SequenceNumber: fmt.Sprint(100 + i/2)})
		got = append(got, kinetrail.Record{PartitionKey: r.PartitionKey, Data: r.Data, ShardID: shardID(i / 2), Position: kinetrail.At(fmt.Sprint(100+i/2), i%2)})
	}
	return put, results, got
}

func TestRecordsOfTheKPLAreExpectedOnceAtTheirPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(got []kinetrail.Record) []kinetrail.Record
		same  bool
	}{
		{"nothing", func(got []kinetrail.Record) []kinetrail.Record { return got }, true},
		{"another order", func(got []kinetrail.Record) []kinetrail.Record { slices.Reverse(got); return got }, true},
		{"a lost record", func(got []kinetrail.Record) []kinetrail.Record { return got[1:] }, false},
		{"a record twice", func(got []kinetrail.Record) []kinetrail.Record { return append(got, got[0]) }, false},
		{"one twice and one lost", func(got []kinetrail.Record) []kinetrail.Record { got[1] = got[0]; return got }, false},
		{"a key", func(got []kinetrail.Record) []kinetrail.Record { got[2].PartitionKey = "k1"; return got }, false},
		{"data", func(got []kinetrail.Record) []kinetrail.Record { got[2].Data = []byte("2:y"); return got }, false},
		{"a hash key", func(got []kinetrail.Record) []kinetrail.Record { got[2].ExplicitHashKey = "1"; return got }, false},
		{"a shard", func(got []kinetrail.Record) []kinetrail.Record { got[2].ShardID = shardID(0); return got }, false},
		{"a sequence number", func(got []kinetrail.Record) []kinetrail.Record { got[2].Position = kinetrail.At("7", 0); return got }, false},
	} {
		put, results, got := putByKPL()
		if _, err := sameBulk(tt.spoil(got), put, results); (err == nil) != tt.same {
			t.Errorf("%s: sameBulk = %v, want same %t", tt.name, err, tt.same)
		}
	}
}
