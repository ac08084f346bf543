package kinesismiddleware_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// otherParent is a traceparent that is nobody's in these tests.
const otherParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func carrier(c tracecarrier.Carrier) option {
	return func(o *kinesismiddleware.Options) { o.Carrier = c }
}

// manyKeys are records whose keys are as different as keys get.
func manyKeys() []types.PutRecordsRequestEntry {
	var entries []types.PutRecordsRequestEntry
	for i := range 20 {
		entries = append(entries, entry(fmt.Sprintf("group-%d", i+1), fmt.Sprintf("event of group %d", i+1)))
	}
	return append(entries,
		entry("é", "a letter with an accent"),
		entry("\U0001F600 = ; -k1", "a key with what the format is made of"),
		entry(strings.Repeat("k", tracecarrier.MaxOriginalLength), "the longest key that can be carried"),
		entry(strings.Repeat("k", 256), "the longest key"),
		entry(otherParent, "a carrier of somebody else's"),
		entry(otherParent+"-k1=inner", "a key that looks like an extended one"),
		entry(otherParent+"-k7=inner", "a key that looks like one of a later version"),
	)
}

func TestAPutDiffersInItsKeysOnlyAndLandsOnTheSameShard(t *testing.T) {
	t.Parallel()
	for _, c := range []tracecarrier.Carrier{tracecarrier.Lossless, tracecarrier.Traceparent} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			plain, traced := without(t), with(t, carrier(c))
			ctx, _ := traced.span(t)
			plain.putRecords(t, ctx, manyKeys()...)
			traced.putRecords(t, ctx, manyKeys()...)
			if paths := changed(t, plain, traced); len(paths) < 40 {
				t.Errorf("the keys of PutRecords differ in %d places, want two for most of %d records: %v", len(paths), len(manyKeys()), paths)
			}

			for _, e := range manyKeys() {
				alone := func(p *program) {
					_, err := p.PutRecord(ctx, &kinesis.PutRecordInput{
						StreamARN: aws.String(ordersARN), PartitionKey: e.PartitionKey, Data: append([]byte("alone: "), e.Data...),
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				alone(plain)
				alone(traced)
				changed(t, plain, traced)
			}

			stored := traced.stored(t)
			for data, want := range plain.stored(t) {
				if got := stored[data]; got.ShardID != want.ShardID {
					t.Errorf("the record %q lies on %s with the key %q, want %s as with the key %q",
						data, got.ShardID, got.PartitionKey, want.ShardID, want.PartitionKey)
				}
			}
		})
	}
}

func TestEveryKeyThatIsPutComesBack(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, manyKeys()...)
	put := theOnly(t, p.ended()).SpanContext()
	stored := p.stored(t)
	for _, e := range manyKeys() {
		key := *e.PartitionKey
		switch got := stored[string(e.Data)]; {
		case len(key) == 256 || key == otherParent:
			if got.PartitionKey != key || got.ExplicitHashKey != "" {
				t.Errorf("the key %q is stored as %q with the hash key %q, want it as given", key, got.PartitionKey, got.ExplicitHashKey)
			}
		default:
			readKey(t, got.PartitionKey, put, key)
			if want := shardmap.HashKeyOf(key).String(); got.ExplicitHashKey != want {
				t.Errorf("the key %q has the hash key %s, want %s", key, got.ExplicitHashKey, want)
			}
		}
	}
	want := map[string]int64{
		"trace_injected_total{stream_name=orders}":                  int64(len(manyKeys()) - 2),
		"trace_skipped_total{reason=key_length,stream_name=orders}": 1,
		"trace_skipped_total{reason=existing,stream_name=orders}":   1,
	}
	if got := p.counters(t); !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestTheCarrierPartitionKeySetsNoHashKey(t *testing.T) {
	t.Parallel()
	p := with(t, carrier(tracecarrier.PartitionKey))
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "data"))
	put := theOnly(t, p.ended()).SpanContext()
	if got := p.stored(t)["data"]; got.PartitionKey != parentOf(put) || got.ExplicitHashKey != "" {
		t.Errorf("stored the keys %q and %q, want %q and none", got.PartitionKey, got.ExplicitHashKey, parentOf(put))
	}
}

func TestAnExplicitHashKeyThatIsSetIsKept(t *testing.T) {
	t.Parallel()
	plain, p := without(t), with(t)
	ctx, _ := p.span(t)
	e := entry("group-1", "data")
	e.ExplicitHashKey = aws.String("42")
	plain.putRecords(t, ctx, e)
	p.putRecords(t, ctx, e)
	if paths := changed(t, plain, p); !slices.Equal(paths, []string{".Records[0].PartitionKey"}) {
		t.Errorf("%v differ, want the partition key alone", paths)
	}
	got := p.stored(t)["data"]
	readKey(t, got.PartitionKey, theOnly(t, p.ended()).SpanContext(), "group-1")
	if got.ExplicitHashKey != "42" || got.ShardID != firstShard {
		t.Errorf("stored with the hash key %s on %s, want 42 on the first shard", got.ExplicitHashKey, got.ShardID)
	}
}

// The service refuses these, and goes on doing so in its own words.
func TestKeysThatAreMissingEmptyOrRefusedGoAsGiven(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]types.PutRecordsRequestEntry{
		"no key":                 {Data: []byte("data")},
		"an empty key":           entry("", "data"),
		"a key that is too long": entry(strings.Repeat("k", 257), "data"),
		"an empty hash key":      {Data: []byte("data"), PartitionKey: aws.String(otherParent), ExplicitHashKey: aws.String("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, traced := without(t), with(t)
			ctx, _ := traced.span(t)
			_, want := plain.PutRecords(ctx, batch(e))
			_, got := traced.PutRecords(ctx, batch(e))
			if paths := changed(t, plain, traced); len(paths) != 0 {
				t.Errorf("PutRecords: %v differ, want nothing", paths)
			}
			if codeOf(t, got) != codeOf(t, want) {
				t.Errorf("PutRecords = %v, want %v", got, want)
			}
			one := &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: e.PartitionKey, ExplicitHashKey: e.ExplicitHashKey, Data: e.Data}
			_, want = plain.PutRecord(ctx, one)
			_, got = traced.PutRecord(ctx, one)
			if paths := changed(t, plain, traced); len(paths) != 0 {
				t.Errorf("PutRecord: %v differ, want nothing", paths)
			}
			if codeOf(t, got) != codeOf(t, want) {
				t.Errorf("PutRecord = %v, want %v", got, want)
			}
		})
	}
}

func TestAutoDistributionTakesRecordsWithoutAKeyAsGiven(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, parent := p.span(t)
	stream := &kinesis.CreateStreamInput{
		StreamName:                 aws.String("spread"),
		StreamModeDetails:          &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
		RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
	}
	if _, err := p.CreateStream(ctx, stream); err != nil {
		t.Fatal(err)
	}
	if _, err := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("spread"), Data: []byte("without")}); err != nil {
		t.Errorf("PutRecord without a key: %v; want it accepted", err)
	}
	both := &kinesis.PutRecordsInput{StreamName: aws.String("spread"), Records: []types.PutRecordsRequestEntry{{Data: []byte("none")}, entry("k", "with")}}
	if out, err := p.PutRecords(ctx, both); err != nil || *out.FailedRecordCount != 0 {
		t.Errorf("PutRecords of which one has a key: %+v, %v; want both accepted", out, err)
	}

	shards, err := p.Shards("spread")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, shard := range shards {
		iterator, err := p.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: aws.String("spread"), ShardId: aws.String(shard.ID), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range out.Records {
			trace := trace.SpanContextFromContext(kinesismiddleware.Extract(t.Context(), out, i)).TraceID()
			found[string(r.Data)] = fmt.Sprintf("key %s, carried %t", show(r.PartitionKey), trace == parent.TraceID())
		}
	}
	want := map[string]string{
		"without": "key null, carried false",
		"none":    "key null, carried false",
		"with":    `key "k", carried true`,
	}
	if !maps.Equal(found, want) {
		t.Errorf("the stream has %v; want %v", found, want)
	}
}

// show is a text that may be missing.
func show(text *string) string {
	if text == nil {
		return "null"
	}
	return strconv.Quote(*text)
}

// codeOf is the service's code of an error there has to be.
func codeOf(t *testing.T, err error) string {
	t.Helper()
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		t.Fatalf("the error is %v, want one of the service", err)
	}
	return coded.ErrorCode()
}

func TestAnEmptyHashKeyStaysTheServicesToRefuse(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	e := entry("group-1", "data")
	e.ExplicitHashKey = aws.String("")
	_, err := p.PutRecords(ctx, batch(e))
	codeOf(t, err)
	if sent := theOnly(t, theOnly(t, p.wire.take()).records(t)).ExplicitHashKey; sent == nil || *sent != "" {
		t.Errorf("sent the hash key %v, want the empty one that was given", aws.ToString(sent))
	}
}

func TestAKeyThatIsNotUTF8IsLeftAloneAndCounted(t *testing.T) {
	t.Parallel()
	plain, traced := without(t), with(t)
	ctx, _ := traced.span(t)
	for _, p := range []*program{plain, traced} {
		p.putRecords(t, ctx, entry("caf\xe9", "data"))
	}
	if paths := changed(t, plain, traced); len(paths) != 0 {
		t.Errorf("%v differ, want nothing", paths)
	}
	if got := traced.counters(t); got["trace_skipped_total{reason=invalid_utf8,stream_name=orders}"] != 1 {
		t.Errorf("counted %v, want one invalid_utf8", got)
	}
}

func TestADryRunIsNotCounted(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	_, one := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String("group-1"), Data: []byte("data"), DryRun: aws.Bool(true)})
	input := batch(entry("group-1", "data"))
	input.DryRun = aws.Bool(true)
	_, many := p.PutRecords(ctx, input)
	for _, err := range []error{one, many} {
		if code := codeOf(t, err); code != "DryRunOperationException" {
			t.Errorf("a dry run ends with %v, want DryRunOperationException", err)
		}
	}
	for _, call := range p.wire.take() {
		if key := aws.ToString(theOnly(t, call.records(t)).PartitionKey); key == "group-1" {
			t.Errorf("a dry run has sent the key %s, want the one the put would have", key)
		}
	}
	if got := p.counters(t); len(got) != 0 {
		t.Errorf("counted %v, want nothing", got)
	}
}

func TestAContainerIsLeftAloneAndCounted(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "group-1", Data: []byte("data")})
	container := types.PutRecordsRequestEntry{PartitionKey: aws.String("a"), Data: b.AppendTo(nil)}

	plain, traced := without(t), with(t)
	ctx, _ := traced.span(t)
	for _, p := range []*program{plain, traced} {
		p.putRecords(t, ctx, container, entry("group-2", "plain"))
	}
	if paths := changed(t, plain, traced); !slices.Equal(paths, []string{".Records[1].ExplicitHashKey", ".Records[1].PartitionKey"}) {
		t.Errorf("%v differ, want the keys of the plain record", paths)
	}
	traced.putRecords(t, t.Context(), container) // outside any span there is nothing to skip
	want := map[string]int64{
		"trace_injected_total{stream_name=orders}":                  1,
		"trace_skipped_total{reason=aggregated,stream_name=orders}": 1,
	}
	if got := traced.counters(t); !reflect.DeepEqual(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestTheStructsOfTheCallerAreNeverModified(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	made := func() (*kinesis.PutRecordsInput, *kinesis.PutRecordInput) {
		withHash := entry("group-3", "three")
		withHash.ExplicitHashKey = aws.String("42")
		return batch(entry("group-1", "one"), entry("group-2", "two"), withHash),
			&kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String("group-4"), Data: []byte("four")}
	}
	many, one := made()
	keys := []*string{one.PartitionKey}
	for _, e := range many.Records {
		keys = append(keys, e.PartitionKey)
	}
	if _, err := p.PutRecords(ctx, many); err != nil {
		t.Fatal(err)
	}
	if _, err := p.PutRecord(ctx, one); err != nil {
		t.Fatal(err)
	}
	wantMany, wantOne := made()
	if !reflect.DeepEqual(many, wantMany) || !reflect.DeepEqual(one, wantOne) {
		t.Errorf("after the calls the inputs are\n%+v\n%+v\nwant\n%+v\n%+v", many, one, wantMany, wantOne)
	}
	after := []*string{one.PartitionKey}
	for _, e := range many.Records {
		after = append(after, e.PartitionKey)
	}
	if !slices.Equal(after, keys) {
		t.Errorf("the inputs point to other keys than before")
	}
}

func TestASecondCallWithTheSameStructSendsTheSameRequest(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.Spans = false })
	ctx, _ := p.span(t)
	many := batch(entry("group-1", "one"), entry("group-2", "two"))
	one := &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String("group-4"), Data: []byte("four")}
	for range 2 {
		if _, err := p.PutRecords(ctx, many); err != nil {
			t.Fatal(err)
		}
		if _, err := p.PutRecord(ctx, one); err != nil {
			t.Fatal(err)
		}
	}
	sent := p.wire.take()
	for i, first := range sent[:2] {
		if second := sent[i+2]; string(first.body) != string(second.body) {
			t.Errorf("%s sent first\n%s\nand then\n%s", first.operation, first.body, second.body)
		}
	}
}

func TestRetriesSendTheSameKeysUnderOneSpan(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, application := p.span(t)
	p.failing(t, "PutRecords times=2 error=InternalFailure")
	p.failing(t, "PutRecord times=2 error=ProvisionedThroughputExceededException")
	p.putRecords(t, ctx, entry("group-1", "one"), entry("group-2", "two"))
	if _, err := p.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(orders), PartitionKey: aws.String("group-3"), Data: []byte("three")}); err != nil {
		t.Fatal(err)
	}
	sent := p.wire.take()
	if len(sent) != 6 {
		t.Fatalf("there were %d requests, want three attempts of two calls", len(sent))
	}
	for i, attempt := range sent {
		if first := sent[i/3*3]; string(attempt.body) != string(first.body) {
			t.Errorf("attempt %d of %s sent\n%s\nwant, as the first\n%s", i%3+1, attempt.operation, attempt.body, first.body)
		}
	}
	spans := p.ended()
	if len(spans) != 2 {
		t.Fatalf("there are %d spans, want one for each call", len(spans))
	}
	readKey(t, p.stored(t)["two"].PartitionKey, spans[0].SpanContext(), "group-2")
	readKey(t, p.stored(t)["three"].PartitionKey, spans[1].SpanContext(), "group-3")
	if !spans[0].Parent().Equal(application) || !spans[1].Parent().Equal(application) {
		t.Errorf("the parents are %v and %v, want the application's span", spans[0].Parent(), spans[1].Parent())
	}
	if got := p.counters(t); !reflect.DeepEqual(got, map[string]int64{"trace_injected_total{stream_name=orders}": 3}) {
		t.Errorf("counted %v, want 3 injected", got)
	}
}

// lookAlikes are keys that readers would take for something that kinetrail
// wrote.
func lookAlikes() []types.PutRecordsRequestEntry {
	zeros := "00-00000000000000000000000000000000-0000000000000000-00-k1=inner"
	return []types.PutRecordsRequestEntry{
		entry(otherParent+"-k1=inner", "extended"), entry(otherParent+"-k7=inner", "later version"), entry(zeros, "escaped"),
	}
}

func TestOutsideAnySpanOnlyLookAlikesAreRewritten(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]option{
		"with spans":    func(*kinesismiddleware.Options) {},
		"without spans": func(o *kinesismiddleware.Options) { o.Spans = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, traced := without(t), with(t, opt)
			entries := append(lookAlikes(), entry("group-1", "plain"), entry(otherParent, "traceparent"))
			plain.putRecords(t, t.Context(), entries...)
			traced.putRecords(t, t.Context(), entries...)
			if paths := changed(t, plain, traced); len(paths) != 2*len(lookAlikes()) {
				t.Errorf("%v differ, want both keys of the first %d records", paths, len(lookAlikes()))
			}
			stored, want := traced.stored(t), plain.stored(t)
			for _, e := range lookAlikes() {
				readKey(t, stored[string(e.Data)].PartitionKey, trace.SpanContext{}, *e.PartitionKey)
				if got, want := stored[string(e.Data)].ShardID, want[string(e.Data)].ShardID; got != want {
					t.Errorf("the key %q lies on %s, want %s", *e.PartitionKey, got, want)
				}
			}
			if spans, counted := traced.ended(), traced.counters(t); len(spans) != 0 || len(counted) != 0 {
				t.Errorf("there are the spans %v and the counts %v, want none", spans, counted)
			}
		})
	}
}

func TestOffSendsWhatAProgramWithoutTheMiddlewareSends(t *testing.T) {
	t.Parallel()
	for name, throw := range map[string]func(t *testing.T) *program{
		"by option": func(t *testing.T) *program { return with(t, carrier(tracecarrier.Off)) },
		"while it runs": func(t *testing.T) *program {
			p := with(t)
			if err := p.propagation.SetCarrier(tracecarrier.Off); err != nil {
				t.Fatal(err)
			}
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, traced := without(t), throw(t)
			ctx, _ := traced.span(t)
			entries := append(lookAlikes(), manyKeys()[:20]...)
			for _, p := range []*program{plain, traced} {
				p.putRecords(t, ctx, entries...)
			}
			if paths := changed(t, plain, traced); len(paths) != 0 {
				t.Errorf("%v differ, want nothing", paths)
			}
			if spans, counted := traced.ended(), traced.counters(t); len(spans) != 0 || len(counted) != 0 {
				t.Errorf("there are the spans %v and the counts %v, want none", spans, counted)
			}
		})
	}
}

func TestSetCarrierHoldsForLaterPuts(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	for _, c := range []tracecarrier.Carrier{tracecarrier.Off, tracecarrier.Traceparent, tracecarrier.Lossless} {
		if err := p.propagation.SetCarrier(c); err != nil {
			t.Fatal(err)
		}
		if got := p.propagation.Carrier(); got != c {
			t.Errorf("Carrier() = %s, want %s", got, c)
		}
		p.putRecords(t, ctx, entry("group-1", string(c)))
	}
	stored := p.stored(t)
	for data, want := range map[string]tracecarrier.Form{
		"off": tracecarrier.FormPlain, "traceparent": tracecarrier.FormTraceparent, "lossless": tracecarrier.FormExtended,
	} {
		if got := tracecarrier.Read(stored[data].PartitionKey).Form; got != want {
			t.Errorf("with %s the key %q is stored, which is %s, want %s", data, stored[data].PartitionKey, got, want)
		}
	}
}

func TestTracestateAndAllowedBaggageAreCarried(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.BaggageKeys = []string{"tenant"} })
	state, err := trace.ParseTraceState("vendor=abc")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.Parse("tenant=7,secret=1")
	if err != nil {
		t.Fatal(err)
	}
	_, application := p.span(t)
	ctx := trace.ContextWithSpanContext(baggage.ContextWithBaggage(t.Context(), bag), application.WithTraceState(state))
	p.putRecords(t, ctx, entry("group-1", "data"))
	got := p.stored(t)["data"]
	if carried := tracecarrier.Read(got.PartitionKey).Trace; carried.State != "vendor=abc" || carried.Baggage != "tenant=7" {
		t.Errorf("carried the tracestate %q and the baggage %q, want vendor=abc and tenant=7", carried.State, carried.Baggage)
	}
	handler := kinesismiddleware.Extract(t.Context(), p.page(t, got.ShardID), 0)
	if state, bag := trace.SpanContextFromContext(handler).TraceState().String(), baggage.FromContext(handler).String(); state != "vendor=abc" || bag != "tenant=7" {
		t.Errorf("the handler's ctx has the tracestate %q and the baggage %q, want vendor=abc and tenant=7", state, bag)
	}
}

func TestTrustedKeysOfAForwarderAreKeptOnTheirShard(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.TrustExisting = true })
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, entry(otherParent+"-k1=group-1", "data"))
	got := p.stored(t)["data"]
	if want := shardmap.HashKeyOf("group-1").String(); got.PartitionKey != otherParent+"-k1=group-1" || got.ExplicitHashKey != want {
		t.Errorf("stored the keys %q and %q, want the given key and %s", got.PartitionKey, got.ExplicitHashKey, want)
	}
	if got := p.counters(t); !reflect.DeepEqual(got, map[string]int64{"trace_skipped_total{reason=existing,stream_name=orders}": 1}) {
		t.Errorf("counted %v, want one existing", got)
	}
}

func TestALongKeyCanGiveWayToTheTraceparent(t *testing.T) {
	t.Parallel()
	p := with(t, func(o *kinesismiddleware.Options) { o.LongKey = tracecarrier.TraceparentForLongKeys })
	ctx, _ := p.span(t)
	long := strings.Repeat("k", tracecarrier.MaxOriginalLength+1)
	p.putRecords(t, ctx, entry(long, "data"))
	got := p.stored(t)["data"]
	if want := parentOf(theOnly(t, p.ended()).SpanContext()); got.PartitionKey != want || got.ExplicitHashKey != shardmap.HashKeyOf(long).String() {
		t.Errorf("stored the keys %q and %q, want %q and the hash key of the long one", got.PartitionKey, got.ExplicitHashKey, want)
	}
}

// The calls of our own clients carry contexts themselves.
func TestMarkedCallsPassUntouched(t *testing.T) {
	t.Parallel()
	plain, traced := without(t), with(t)
	ctx, _ := traced.span(t)
	for _, p := range []*program{plain, traced} {
		p.putRecords(t, tracing.Mark(ctx), append(lookAlikes(), entry("group-1", "data"))...)
	}
	if paths := changed(t, plain, traced); len(paths) != 0 {
		t.Errorf("%v differ, want nothing", paths)
	}
	if spans := traced.ended(); len(spans) != 0 {
		t.Errorf("there are the spans %v, want none", spans)
	}
}
