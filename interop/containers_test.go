package main

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/producer"
)

// splitAll reads a document with our own package, as a library would.
func splitAll(t *testing.T, given document) document {
	t.Helper()
	var got document
	for _, c := range given.Containers {
		data, err := hex.DecodeString(c.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		records, err := aggregate.Split(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		read := container{Name: c.Name}
		for i, r := range records {
			u := userRecord{PartitionKey: r.PartitionKey, ExplicitHashKey: r.ExplicitHashKey, Data: r.Data, SequenceNumber: c.SequenceNumber, SubSequenceNumber: i}
			for _, h := range r.Headers {
				u.Headers = append(u.Headers, header(h))
			}
			read.Records = append(read.Records, u)
		}
		got.Containers = append(got.Containers, read)
	}
	return got
}

func TestTheProducersContainersHoldWhatWasPut(t *testing.T) {
	t.Parallel()
	for aggregation, wantRecords := range map[producer.Aggregation]int{producer.ByShard: 2000, producer.SameKey: 2000, producer.Off: 1334} {
		t.Run(aggregation.String(), func(t *testing.T) {
			t.Parallel()
			given, err := putContainers(t.Context(), aggregation)
			if err != nil {
				t.Fatal(err)
			}
			records, err := deaggregator{}.compare(splitAll(t, given), given)
			if err != nil || records != wantRecords {
				t.Errorf("compare = %d records, %v; want %d", records, err, wantRecords)
			}
		})
	}
}

func TestCompareSeesEveryDifference(t *testing.T) {
	t.Parallel()
	given, err := putContainers(t.Context(), producer.ByShard)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		spoil func(records []userRecord) []userRecord
	}{
		{"a partition key", func(r []userRecord) []userRecord { r[1].PartitionKey += "x"; return r }},
		{"an explicit hash key", func(r []userRecord) []userRecord { r[1].ExplicitHashKey += "1"; return r }},
		{"data", func(r []userRecord) []userRecord { r[1].Data = append(r[1].Data, 'x'); return r }},
		{"a header", func(r []userRecord) []userRecord { r[1].Headers = append(r[1].Headers, header{"a", "b"}); return r }},
		{"a sequence number", func(r []userRecord) []userRecord { r[1].SequenceNumber += "1"; return r }},
		{"a sub-sequence number", func(r []userRecord) []userRecord { r[1].SubSequenceNumber++; return r }},
		{"the order", func(r []userRecord) []userRecord { slices.Reverse(r); return r }},
		{"a record too few", func(r []userRecord) []userRecord { return r[1:] }},
	} {
		got := splitAll(t, given)
		got.Containers[0].Records = tt.spoil(got.Containers[0].Records)
		if _, err := (deaggregator{}).compare(got, given); err == nil {
			t.Errorf("%s is wrong, and compare sees no difference", tt.name)
		}
	}
	if _, err := (deaggregator{}).compare(document{}, given); err == nil {
		t.Error("no container was read, and compare sees no difference")
	}
}

func TestSomeLibrariesFillInTheFirstExplicitHashKey(t *testing.T) {
	t.Parallel()
	c := container{Records: []userRecord{{PartitionKey: "a"}, {PartitionKey: "b", ExplicitHashKey: "7"}, {PartitionKey: "c", ExplicitHashKey: "8"}}}
	var got []string
	for _, fills := range []bool{true, false} {
		for _, r := range (deaggregator{fillsHashKeys: fills}).want(c) {
			got = append(got, r.ExplicitHashKey)
		}
	}
	if want := []string{"7", "7", "8", "", "7", "8"}; !slices.Equal(got, want) {
		t.Errorf("the hash keys are %q, want %q", got, want)
	}
}

func TestKeysAreStoredOnTheShardsOfTheirOwn(t *testing.T) {
	t.Parallel()
	records := tracedRecords(20)
	for carrier, prefix := range map[string]func(i int) string{
		"traceparent": func(i int) string { return records[i].Trace.Parent },
		"lossless":    func(i int) string { return records[i].Trace.Parent + "-k1=" + records[i].PartitionKey },
	} {
		keys, err := storedKeys(t.Context(), carrierNamed(t, carrier), records)
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range keys {
			if key != prefix(i) {
				t.Errorf("%s: the key %d is %q, want %q", carrier, i, key, prefix(i))
			}
		}
	}
	if strings.Count(records[7].PartitionKey, "group-") != 1 {
		t.Errorf("the keys are %q", records[7].PartitionKey)
	}
}
