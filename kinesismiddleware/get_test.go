package kinesismiddleware_test

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// storedKeys are keys as other writers may have left them, all on one shard.
func storedKeys(keys ...string) []types.PutRecordsRequestEntry {
	var entries []types.PutRecordsRequestEntry
	for _, key := range keys {
		e := entry(key, "data of "+key)
		e.ExplicitHashKey = aws.String("0")
		entries = append(entries, e)
	}
	return entries
}

// readOf has a program without the middleware put the entries on the first
// shard of traced's server, and reads them with traced.
func readOf(t *testing.T, traced *program, entries ...types.PutRecordsRequestEntry) *kinesis.GetRecordsOutput {
	t.Helper()
	if _, err := traced.Server.Client().PutRecords(t.Context(), batch(entries...)); err != nil {
		t.Fatal(err)
	}
	page := traced.page(t, firstShard)
	if len(page.Records) != len(entries) {
		t.Fatalf("the page has %d records, want %d", len(page.Records), len(entries))
	}
	return page
}

// carriedBy is the traceparent that Extract finds for a record.
func carriedBy(t *testing.T, page *kinesis.GetRecordsOutput, i int) string {
	t.Helper()
	sc := trace.SpanContextFromContext(kinesismiddleware.Extract(t.Context(), page, i))
	if !sc.IsValid() {
		return ""
	}
	if !sc.IsRemote() {
		t.Errorf("the context of record %d is not remote", i)
	}
	return parentOf(sc)
}

func TestGetRecordsGivesKeysBackAndExtractTheirContexts(t *testing.T) {
	t.Parallel()
	extended, zeros := otherParent+"-k1=group-1", "00-00000000000000000000000000000000-0000000000000000-00-k1="
	wants := []struct {
		stored, key, parent string
		known               bool
	}{
		{"group-1", "group-1", "", true},
		{extended, "group-1", otherParent, true},
		{otherParent + "-k1;s10:vendor=abc=é", "é", otherParent, true},
		{otherParent, otherParent, otherParent, false},
		{otherParent + "-k2=group-1", otherParent + "-k2=group-1", otherParent, false},
		{zeros + extended, extended, "", true},
		{otherParent + "-", otherParent + "-", "", true},
	}
	var keys []string
	for _, want := range wants {
		keys = append(keys, want.stored)
	}
	p := with(t)
	page := readOf(t, p, storedKeys(keys...)...)
	for i, want := range wants {
		if got := *page.Records[i].PartitionKey; got != want.key {
			t.Errorf("the key %q is read as %q, want %q", want.stored, got, want.key)
		}
		if got := carriedBy(t, page, i); got != want.parent {
			t.Errorf("the key %q carries %q, want %q", want.stored, got, want.parent)
		}
		if key, known := kinesismiddleware.StoredKey(page, i); key != want.stored || known != want.known {
			t.Errorf("StoredKey of %q = %q, %t; want it and %t", want.stored, key, known, want.known)
		}
		if got, want := string(page.Records[i].Data), "data of "+want.stored; got != want {
			t.Errorf("the data is %q, want %q", got, want)
		}
	}
	want := map[string]int64{
		"trace_extracted_total{stream_name=<unknown>}":       4,
		"trace_malformed_total{stream_name=<unknown>}":       1,
		"trace_unknown_version_total{stream_name=<unknown>}": 1,
	}
	if got := p.counters(t); !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestGetRecordsChangesNothingButKeys(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, manyKeys()...)
	plain := &program{Server: p.Server, wire: &wire{next: p.Transport()}}
	plain.connect()
	shards, err := p.Shards(orders)
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		in := &kinesis.GetRecordsInput{ShardIterator: p.iterator(t, shard.ID), StreamARN: aws.String(ordersARN)}
		p.wire.take()
		want, err := plain.GetRecords(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.GetRecords(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if paths := changed(t, plain, p); len(paths) != 0 {
			t.Errorf("the requests differ in %v, want nothing", paths)
		}
		for i := range want.Records {
			stored := *want.Records[i].PartitionKey
			if key, _ := kinesismiddleware.StoredKey(got, i); key != stored {
				t.Errorf("the stored key is %q, want %q", key, stored)
			}
			want.Records[i].PartitionKey = aws.String(tracecarrier.Read(stored).PartitionKey)
		}
		if !reflect.DeepEqual(got.Records, want.Records) || *got.MillisBehindLatest != *want.MillisBehindLatest {
			t.Errorf("but for the keys, the response is\n%+v\nwant\n%+v", got, want)
		}
	}
	if spans := p.ended(); len(spans) != 1 {
		t.Errorf("there are %d spans, want that of the put alone", len(spans))
	}
}

func TestARecordContinuesTheTraceOfItsPut(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, application := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "data"))
	put := theOnly(t, p.ended()).SpanContext()
	handled := 0
	for _, page := range p.pages(t) {
		for i := range page.Records {
			handled++
			_, span := p.tracing.Tracer("handler").Start(kinesismiddleware.Extract(t.Context(), page, i), "handle")
			span.End()
			got := theOnly(t, p.ended())
			if got.SpanContext().TraceID() != application.TraceID() || got.Parent().SpanID() != put.SpanID() || !got.Parent().IsRemote() {
				t.Errorf("the handler's span has the parent %v, want %v", got.Parent(), put)
			}
		}
	}
	if handled != 1 {
		t.Errorf("%d records were handled, want 1", handled)
	}
}

func TestExtractLeavesCtxAloneWhereThereIsNothing(t *testing.T) {
	t.Parallel()
	p := with(t)
	page := readOf(t, p, storedKeys("group-1", otherParent)...)
	foreign, err := p.Server.Client().GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: p.iterator(t, firstShard)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, _ := p.span(t)
	for _, tt := range []struct {
		name   string
		out    *kinesis.GetRecordsOutput
		i      int
		stored string
		known  bool
	}{
		{"a plain key", page, 0, "group-1", true},
		{"below the page", page, -1, "", false},
		{"behind the page", page, 2, "", false},
		{"no response", nil, 0, "", false},
		{"an empty response", new(kinesis.GetRecordsOutput), 0, "", false},
		{"a response without the middleware", foreign, 1, otherParent, true},
	} {
		if got := kinesismiddleware.Extract(ctx, tt.out, tt.i); got != ctx {
			t.Errorf("%s: Extract returned another ctx", tt.name)
		}
		if key, known := kinesismiddleware.StoredKey(tt.out, tt.i); key != tt.stored || known != tt.known {
			t.Errorf("%s: StoredKey = %q, %t; want %q, %t", tt.name, key, known, tt.stored, tt.known)
		}
	}
}

func TestReadingGoesOnWhenWritingIsOff(t *testing.T) {
	t.Parallel()
	page := readOf(t, with(t, carrier(tracecarrier.Off)), storedKeys(otherParent+"-k1=group-1")...)
	if got := carriedBy(t, page, 0); got != otherParent || *page.Records[0].PartitionKey != "group-1" {
		t.Errorf("read the context %q and the key %q, want %q and group-1", got, *page.Records[0].PartitionKey, otherParent)
	}
}

func TestAContainerIsNotOpenedAndTheContextOfItsKeyIsExtracted(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: otherParent + "-k1=inner", Data: []byte("data")})
	container := storedKeys(otherParent + "-k1=a")[0]
	container.Data = b.AppendTo(nil)
	page := readOf(t, with(t), container)
	if got := carriedBy(t, page, 0); got != otherParent || *page.Records[0].PartitionKey != "a" || !reflect.DeepEqual(page.Records[0].Data, container.Data) {
		t.Errorf("read the context %q, the key %q and the data %q; want %q, a and the container", got, *page.Records[0].PartitionKey, page.Records[0].Data, otherParent)
	}
}

func TestPayloadsAreSearchedOnRequestOnly(t *testing.T) {
	t.Parallel()
	inPayload := "00-11111111111111111111111111111111-2222222222222222-01"
	entries := storedKeys("group-1", otherParent+"-k1=group-2", "00-00000000000000000000000000000000-0000000000000000-00-k1=k")
	for i := range entries {
		entries[i].Data = []byte(`{"traceparent":"` + inPayload + `"}`)
	}
	for _, tt := range []struct {
		search bool
		want   []string
	}{
		{true, []string{inPayload, otherParent, inPayload}},
		{false, []string{"", otherParent, ""}},
	} {
		page := readOf(t, with(t, func(o *kinesismiddleware.Options) { o.JSONPayloads = tt.search }), entries...)
		for i, want := range tt.want {
			if got := carriedBy(t, page, i); got != want {
				t.Errorf("JSONPayloads %t: record %d carries %q, want %q", tt.search, i, got, want)
			}
		}
		if key, known := kinesismiddleware.StoredKey(page, 0); key != "group-1" || !known {
			t.Errorf("JSONPayloads %t: StoredKey = %q, %t; want group-1, true", tt.search, key, known)
		}
	}
}

func TestAGetRecordsThatNamesItsStreamIsCountedThere(t *testing.T) {
	t.Parallel()
	p := with(t)
	if _, err := p.Server.Client().PutRecords(t.Context(), batch(storedKeys(otherParent)...)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: p.iterator(t, firstShard), StreamARN: aws.String(ordersARN)}); err != nil {
		t.Fatal(err)
	}
	if got := p.counters(t); got["trace_extracted_total{stream_name=orders}"] != 1 {
		t.Errorf("counted %v, want one extracted from orders", got)
	}
}

func TestAGetRecordsThatFailsReturnsItsError(t *testing.T) {
	t.Parallel()
	p := with(t)
	out, err := p.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("no iterator")})
	if out != nil || err == nil {
		t.Fatalf("GetRecords = %v, %v; want an error", out, err)
	}
	codeOf(t, err)
}
