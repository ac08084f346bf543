package kinesismiddleware_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// growth is what a traceparent and "-k1=" add to a key.
const growth = 59

func TestARecordAtItsSizeLimitGoesAsGivenAndIsAccepted(t *testing.T) {
	t.Parallel()
	const key = "group-1"
	for _, tt := range []struct {
		name     string
		size     int // data and key as given
		injected bool
		refused  bool
	}{
		{"with room for the context to the byte", kinetrail.DefaultMaxRecordBytes - growth, true, false},
		{"one byte short of room", kinetrail.DefaultMaxRecordBytes - growth + 1, false, false},
		{"one byte below the limit", kinetrail.DefaultMaxRecordBytes - 1, false, false},
		{"at the limit", kinetrail.DefaultMaxRecordBytes, false, false},
		{"one byte above the limit", kinetrail.DefaultMaxRecordBytes + 1, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := with(t)
			ctx, _ := p.span(t)
			data := make([]byte, tt.size-len(key))
			_, one := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String(key), Data: data})
			_, many := p.PutRecords(ctx, batch(types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: data}))
			if (one != nil) != tt.refused || (many != nil) != tt.refused {
				t.Errorf("PutRecord = %v, PutRecords = %v; want refused: %t", one, many, tt.refused)
			}
			for _, r := range p.wire.take() {
				sent := theOnly(t, r.records(t))
				if size := len(data) + len(*sent.PartitionKey); tt.injected && size != kinetrail.DefaultMaxRecordBytes {
					t.Errorf("%s sent a record of %d bytes, want %d", r.operation, size, kinetrail.DefaultMaxRecordBytes)
				}
				if !tt.injected && (*sent.PartitionKey != key || sent.ExplicitHashKey != nil) {
					t.Errorf("%s sent the key %q and the hash key %q, want %q and none", r.operation, *sent.PartitionKey, aws.ToString(sent.ExplicitHashKey), key)
				}
			}
			series, got := "trace_skipped_total{reason=size,stream_name=orders}", p.counters(t)
			if tt.injected {
				series = "trace_injected_total{stream_name=orders}"
			}
			if len(got) != 1 || got[series] != 2 {
				t.Errorf("counted %v, want 2 of %s", got, series)
			}
		})
	}
}

// The stored key is longer in bytes than in characters.
func TestSizesAreCountedInBytes(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("é", 100)
	limit := 1000
	p := with(t, func(o *kinesismiddleware.Options) { o.MaxRecordBytes = limit })
	ctx, _ := p.span(t)
	fits := limit - 200 - growth
	p.putRecords(t, ctx, entry(key, strings.Repeat("a", fits)), entry(key, strings.Repeat("b", fits+1)))
	stored := p.stored(t)
	readKey(t, stored[strings.Repeat("a", fits)].PartitionKey, theOnly(t, p.ended()).SpanContext(), key)
	if got := stored[strings.Repeat("b", fits+1)].PartitionKey; got != key {
		t.Errorf("the record without room is stored as %q, want %q", got, key)
	}
}

// A bare traceparent is shorter than the key it replaces, so even a record that
// is larger than MaxRecordBytes, because its stream takes more, can carry it.
func TestAKeyThatShrinksFitsAlways(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.Carrier, o.MaxRecordBytes = tracecarrier.Traceparent, 100 })
	ctx, _ := p.span(t)
	data := strings.Repeat("d", 200)
	p.putRecords(t, ctx, entry(strings.Repeat("k", 200), data))
	if got, want := p.stored(t)[data].PartitionKey, parentOf(theOnly(t, p.ended()).SpanContext()); got != want {
		t.Errorf("stored the key %q, want %q", got, want)
	}
}

func TestARequestAtItsSizeLimitCarriesAsManyContextsAsFit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		room     int // of the request
		injected int
	}{
		{"no room", 0, 0},
		{"one byte short of room for one", growth - 1, 0},
		{"room for one to the byte", growth, 1},
		{"one byte short of room for three", 3*growth - 1, 2},
		{"room for all to the byte", kinetrail.MaxPutRecords * growth, kinetrail.MaxPutRecords},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := with(t)
			ctx, _ := p.span(t)
			_, err := p.PutRecords(ctx, batch(fullRequest(kinetrail.MaxPutRecordsBytes-tt.room)...))
			if err != nil {
				t.Fatalf("PutRecords = %v, want the request accepted as it is without the middleware", err)
			}
			injected := 0
			for i, sent := range theOnly(t, p.wire.take()).records(t) {
				carries := tracecarrier.Read(*sent.PartitionKey).Form == tracecarrier.FormExtended
				if carries != (i < tt.injected) {
					t.Fatalf("record %d carries a context: %t, want one in the first %d", i, carries, tt.injected)
				}
				if carries {
					injected++
				}
			}
			got := p.counters(t)
			if in, out := got["trace_injected_total{stream_name=orders}"], got["trace_skipped_total{reason=size,stream_name=orders}"]; injected != tt.injected ||
				in != int64(injected) || out != int64(kinetrail.MaxPutRecords-injected) {
				t.Errorf("%d contexts were sent and counted %v, want %d and the others skipped", injected, got, tt.injected)
			}
		})
	}
}

// fullRequest is a request of 500 records and this many bytes.
func fullRequest(size int) []types.PutRecordsRequestEntry {
	entries := make([]types.PutRecordsRequestEntry, kinetrail.MaxPutRecords)
	for i := range entries {
		key := fmt.Sprintf("group-%d", i)
		share := size / (len(entries) - i)
		size -= share
		entries[i] = types.PutRecordsRequestEntry{PartitionKey: &key, Data: make([]byte, share-len(key))}
	}
	return entries
}

func TestAnEscapeThatDoesNotFitIsLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	key := otherParent + "-k1=inner"
	p := with(t, func(o *kinesismiddleware.Options) { o.MaxRecordBytes = len(key) + len("data") + growth - 1 })
	p.putRecords(t, t.Context(), entry(key, "data"))
	if got := p.stored(t)["data"].PartitionKey; got != key {
		t.Errorf("stored the key %q, want %q", got, key)
	}
	if got := p.counters(t); got["trace_skipped_total{reason=size,stream_name=orders}"] != 1 {
		t.Errorf("counted %v, want one skipped for its size", got)
	}
}
