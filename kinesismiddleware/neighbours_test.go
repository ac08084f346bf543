package kinesismiddleware_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	//lint:ignore SA1019 programs have it, deprecated or not
	"go.opentelemetry.io/contrib/instrumentation/github.com/aws/aws-sdk-go-v2/otelaws"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// otelaws installs OpenTelemetry's instrumentation of the SDK.
func (p *program) otelaws(o *kinesis.Options) {
	otelaws.AppendMiddlewares(&o.APIOptions,
		otelaws.WithTracerProvider(p.tracing), otelaws.WithTextMapPropagator(propagation.TraceContext{}))
}

func TestThePutSpanIsCarriedBeforeAndAfterOtelaws(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		install      func(t *testing.T, p *program, o *kinesis.Options)
		outer, inner string // the outer one is the child of the application
	}{
		{
			"before",
			func(t *testing.T, p *program, o *kinesis.Options) { p.install(t, o); p.otelaws(o) },
			"put_records orders", "Kinesis.PutRecords",
		},
		{
			"after",
			func(t *testing.T, p *program, o *kinesis.Options) { p.otelaws(o); p.install(t, o) },
			"Kinesis.PutRecords", "put_records orders",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plain, p := without(t), without(t)
			plain.connect(plain.otelaws)
			p.connect(func(o *kinesis.Options) { tt.install(t, p, o) })
			ctx, application := p.span(t)
			p.failing(t, "PutRecords nth=1 error=InternalFailure")
			plain.failing(t, "PutRecords nth=1 error=InternalFailure")
			for _, p := range []*program{plain, p} {
				p.putRecords(t, ctx, entry("group-1", "one"), entry("group-2", "two"))
			}

			attempts, plainAttempts := p.wire.take(), plain.wire.take()
			if len(attempts) != 2 || string(attempts[0].body) != string(attempts[1].body) || attempts[0].header.Get("Traceparent") == "" {
				t.Fatalf("there were %d attempts, want two that are equal and have otelaws' header", len(attempts))
			}
			want := []string{".Records[0].ExplicitHashKey", ".Records[0].PartitionKey", ".Records[1].ExplicitHashKey", ".Records[1].PartitionKey"}
			if paths := differences("", plainAttempts[0].document(t), attempts[0].document(t)); !slices.Equal(paths, want) {
				t.Errorf("%v differ, want the keys alone", paths)
			}

			spans := make(map[string]sdktrace.ReadOnlySpan)
			for _, s := range p.ended() {
				spans[s.Name()] = s
			}
			outer, inner := spans[tt.outer], spans[tt.inner]
			if len(spans) != 2 || outer == nil || inner == nil {
				t.Fatalf("the spans are %v, want %q and %q", spans, tt.outer, tt.inner)
			}
			if !outer.Parent().Equal(application) || !inner.Parent().Equal(outer.SpanContext()) {
				t.Errorf("%q is below %s and %q below %s, want application ► %s ► %s",
					tt.outer, outer.Parent().SpanID(), tt.inner, inner.Parent().SpanID(), tt.outer, tt.inner)
			}
			stored := p.stored(t)
			readKey(t, stored["one"].PartitionKey, spans["put_records orders"].SpanContext(), "group-1")
			readKey(t, stored["two"].PartitionKey, spans["put_records orders"].SpanContext(), "group-2")
		})
	}
}

func TestInstalledTwiceTheFirstOneWorks(t *testing.T) {
	t.Parallel()
	p := without(t)
	p.connect(func(o *kinesis.Options) {
		p.install(t, o, carrier(tracecarrier.Lossless))
		p.install(t, o, carrier(tracecarrier.Traceparent))
	})
	ctx, _ := p.span(t)
	p.putRecords(t, ctx, entry("group-1", "data"))
	readKey(t, p.stored(t)["data"].PartitionKey, theOnly(t, p.ended()).SpanContext(), "group-1")
	page := theOnly(t, slices.DeleteFunc(p.pages(t), func(out *kinesis.GetRecordsOutput) bool { return len(out.Records) == 0 }))
	if got := *page.Records[0].PartitionKey; got != "group-1" {
		t.Errorf("read the key %q, want group-1", got)
	}
	if key, _ := kinesismiddleware.StoredKey(page, 0); key != p.stored(t)["data"].PartitionKey {
		t.Errorf("the stored key is read as %q, want %q", key, p.stored(t)["data"].PartitionKey)
	}
}

// The producer carries what it was told to, with and without the middleware on
// its client: the bodies are the same.
func TestCallsOfTheProducerPassUntouched(t *testing.T) {
	t.Parallel()
	for _, c := range []tracecarrier.Carrier{tracecarrier.Off, tracecarrier.Lossless, tracecarrier.Headers} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			plain, traced := without(t), with(t)
			ctx, _ := traced.span(t)
			record := kinetrail.Record{
				PartitionKey: otherParent + "-k1=inner", Data: []byte("data"),
				Trace: kinetrail.TraceContext{Parent: otherParent},
			}
			for _, p := range []*program{plain, traced} {
				q, err := producer.New(p.Client, orders, func(o *producer.Options) {
					o.Carrier, o.TracerProvider, o.Linger = c, p.tracing, 0
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := q.Put(ctx, record); err != nil {
					t.Fatal(err)
				}
				if err := q.Close(ctx); err != nil {
					t.Fatal(err)
				}
			}
			puts := func(p *program) []string {
				var bodies []string
				for _, r := range p.wire.take() {
					if r.operation == "PutRecords" {
						bodies = append(bodies, string(r.body))
					}
				}
				return bodies
			}
			if got, want := theOnly(t, puts(traced)), theOnly(t, puts(plain)); got != want {
				t.Errorf("with the middleware the producer sent\n%s\nwant\n%s", got, want)
			}
			if got := traced.counters(t); len(got) != 0 {
				t.Errorf("the middleware counted %v, want nothing", got)
			}
		})
	}
}

// The consumer restores keys itself. Restored twice, a look-alike that was
// wrapped would come back as what is inside of it.
func TestCallsOfTheConsumerPassUntouched(t *testing.T) {
	t.Parallel()
	p := with(t)
	ctx, _ := p.span(t)
	key := otherParent + "-k1=inner"
	p.putRecords(t, ctx, entry(key, "data"))
	put := theOnly(t, p.ended()).SpanContext()
	var records []kinetrail.Record
	for r, err := range consumer.Read(t.Context(), p.Client, orders, consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip()) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r.Clone())
	}
	r := theOnly(t, records)
	if r.PartitionKey != key || r.StoredPartitionKey != p.stored(t)["data"].PartitionKey || r.Trace.Parent != parentOf(put) {
		t.Errorf("the consumer read the key %q, the stored key %q and the context %q, want %q, the stored one and %q",
			r.PartitionKey, r.StoredPartitionKey, r.Trace.Parent, key, parentOf(put))
	}
	if got := p.counters(t); got["trace_extracted_total{stream_name=<unknown>}"] != 0 {
		t.Errorf("the middleware counted %v, want no reading", got)
	}
}

func TestOtherOperationsPassUntouched(t *testing.T) {
	t.Parallel()
	plain, traced := without(t), with(t)
	ctx, _ := traced.span(t)
	key := otherParent + "-k1=inner"
	calls := map[string]func(p *program) error{
		"ListStreams": func(p *program) error { _, err := p.ListStreams(ctx, &kinesis.ListStreamsInput{}); return err },
		"ListShards": func(p *program) error {
			_, err := p.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(orders)})
			return err
		},
		"DescribeStreamSummary": func(p *program) error {
			_, err := p.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: aws.String(ordersARN)})
			return err
		},
		"AddTagsToStream": func(p *program) error {
			_, err := p.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: aws.String(orders), Tags: map[string]string{"k": key}})
			return err
		},
		"SplitShard": func(p *program) error {
			_, err := p.SplitShard(ctx, &kinesis.SplitShardInput{
				StreamName: aws.String(orders), ShardToSplit: aws.String(firstShard), NewStartingHashKey: aws.String("4711"),
			})
			return err
		},
		"SubscribeToShard": func(p *program) error {
			out, err := p.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
				ConsumerARN: aws.String(ordersARN + "/consumer/nobody:1"), ShardId: aws.String(firstShard),
				StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
			})
			if err == nil {
				return errors.Join(out.GetStream().Close(), errors.New("a consumer that does not exist is subscribed"))
			}
			return nil
		},
	}
	for name, call := range calls {
		for _, p := range []*program{plain, traced} {
			if err := call(p); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		a, b := plain.wire.take(), traced.wire.take()
		if len(a) != len(b) {
			t.Fatalf("%s: %d requests and %d with the middleware", name, len(a), len(b))
		}
		for i := range a {
			if string(a[i].body) != string(b[i].body) {
				t.Errorf("%s sent\n%s\nwant\n%s", name, b[i].body, a[i].body)
			}
		}
	}
	if spans := traced.ended(); len(spans) != 0 {
		t.Errorf("there are the spans %v, want none", spans)
	}
}
