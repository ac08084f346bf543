package kinesismiddleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

const (
	orders     = "orders" // the stream of all tests, with 4 shards
	ordersARN  = "arn:aws:kinesis:us-east-1:000000000000:stream/orders"
	firstShard = "shardId-000000000000"
)

// program is an SDK program with a local server of its own. What it sends is
// seen on the wire.
type program struct {
	*localkinesis.Server
	*kinesis.Client
	wire    *wire
	spans   *tracetest.SpanRecorder
	tracing trace.TracerProvider
	counted *metrics.Memory

	propagation *kinesismiddleware.Propagation // nil without the middleware
}

// option of a program's middleware.
type option = func(*kinesismiddleware.Options)

// without is a program that knows nothing of propagation.
func without(t testing.TB) *program {
	t.Helper()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{orders: 4} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	p := &program{
		Server:  server,
		wire:    &wire{next: server.Transport()},
		spans:   tracetest.NewSpanRecorder(),
		counted: metrics.NewMemory(),
	}
	p.tracing = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p.spans))
	p.connect(func(*kinesis.Options) {})
	return p
}

// with is a program that has the middleware.
func with(t testing.TB, opts ...option) *program {
	t.Helper()
	p := without(t)
	p.connect(func(o *kinesis.Options) { p.propagation = p.install(t, o, opts...) })
	return p
}

// connect gives the program a client that retries at once, three attempts in
// all.
func (p *program) connect(opts ...func(*kinesis.Options)) {
	p.Client = p.Server.Client(append([]func(*kinesis.Options){func(o *kinesis.Options) {
		o.HTTPClient = &http.Client{Transport: p.wire}
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts = 3
			r.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}}, opts...)...)
}

func (p *program) install(t testing.TB, o *kinesis.Options, opts ...option) *kinesismiddleware.Propagation {
	t.Helper()
	ours := func(o *kinesismiddleware.Options) { o.TracerProvider, o.Metrics = p.tracing, p.counted }
	propagation, err := kinesismiddleware.AppendMiddlewares(&o.APIOptions, append([]option{ours}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return propagation
}

// span is a ctx with a span of the application, and its context.
func (p *program) span(t testing.TB) (context.Context, trace.SpanContext) {
	t.Helper()
	ctx, span := p.tracing.Tracer("application").Start(t.Context(), "application")
	return ctx, span.SpanContext()
}

// ended are the spans that ended since the last call, without the
// application's.
func (p *program) ended() []sdktrace.ReadOnlySpan {
	spans := p.spans.Ended()
	p.spans.Reset()
	return slices.DeleteFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "application" })
}

// theOnly is the one element there should be.
func theOnly[E any](t testing.TB, elements []E) E {
	t.Helper()
	if len(elements) != 1 {
		t.Fatalf("there are %d of them, want 1: %v", len(elements), elements)
	}
	return elements[0]
}

// stored are the program's records by their data.
func (p *program) stored(t testing.TB) map[string]localkinesis.Record {
	t.Helper()
	records, err := p.Records(orders, "")
	if err != nil {
		t.Fatal(err)
	}
	byData := make(map[string]localkinesis.Record)
	for _, r := range records {
		byData[string(r.Data)] = r
	}
	if len(byData) != len(records) {
		t.Fatalf("%d records have %d different data", len(records), len(byData))
	}
	return byData
}

// failing adds a fault rule.
func (p *program) failing(t testing.TB, rule string) {
	t.Helper()
	r, err := fault.Parse(rule)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Faults().Add(r); err != nil {
		t.Fatal(err)
	}
}

// counters are the trace counters of a stream that are not 0.
func (p *program) counters(t testing.TB) map[string]int64 {
	t.Helper()
	seen := make(map[string]int64)
	for series, n := range p.counted.Counters() {
		if n != 0 {
			seen[series] = n
		}
	}
	return seen
}

// wire keeps what passes on the way to a server.
type wire struct {
	next http.RoundTripper

	mu       sync.Mutex
	requests []request
}

type request struct {
	operation string
	header    http.Header
	body      []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	w.requests = append(w.requests, request{operation, r.Header.Clone(), body})
	w.mu.Unlock()

	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.next.RoundTrip(r)
}

// take are the requests since the last call.
func (w *wire) take() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.requests
	w.requests = nil
	return taken
}

func (r request) document(t testing.TB) any {
	t.Helper()
	var document any
	if err := json.Unmarshal(r.body, &document); err != nil {
		t.Fatalf("%s: decode %q: %v", r.operation, r.body, err)
	}
	return document
}

// record is one record of a put as it is on the wire. A member that is not
// there is nil.
type record struct {
	Data, PartitionKey, ExplicitHashKey *string
}

// records are those of a PutRecord or PutRecords request.
func (r request) records(t testing.TB) []record {
	t.Helper()
	var document struct {
		record
		Records []record
	}
	if err := json.Unmarshal(r.body, &document); err != nil {
		t.Fatalf("%s: decode %q: %v", r.operation, r.body, err)
	}
	if r.operation == "PutRecord" {
		return []record{document.record}
	}
	return document.Records
}

// differences are the paths of the members in which two documents differ.
func differences(path string, a, b any) []string {
	objectA, isObjectA := a.(map[string]any)
	objectB, isObjectB := b.(map[string]any)
	listA, isListA := a.([]any)
	listB, isListB := b.([]any)
	var paths []string
	switch {
	case isObjectA && isObjectB:
		for name := range objectA {
			if _, ok := objectB[name]; !ok {
				paths = append(paths, path+"."+name)
			}
		}
		for name := range objectB {
			valueA, ok := objectA[name]
			if !ok {
				paths = append(paths, path+"."+name)
			} else {
				paths = append(paths, differences(path+"."+name, valueA, objectB[name])...)
			}
		}
	case isListA && isListB && len(listA) == len(listB):
		for i := range listA {
			paths = append(paths, differences(fmt.Sprintf("%s[%d]", path, i), listA[i], listB[i])...)
		}
	case !reflect.DeepEqual(a, b):
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// changed compares what two programs sent last and fails when more than keys
// differ. It returns the paths that do.
func changed(t testing.TB, plain, traced *program) []string {
	t.Helper()
	a, b := theOnly(t, plain.wire.take()), theOnly(t, traced.wire.take())
	if a.operation != b.operation {
		t.Fatalf("one program called %s, the other %s", a.operation, b.operation)
	}
	paths := differences("", a.document(t), b.document(t))
	for _, path := range paths {
		if !strings.HasSuffix(path, ".PartitionKey") && !strings.HasSuffix(path, ".ExplicitHashKey") {
			t.Errorf("%s: the middleware changed %s:\n%s\n%s", a.operation, path, a.body, b.body)
		}
	}
	return paths
}

// entry is a record of a PutRecords call.
func entry(key, data string) types.PutRecordsRequestEntry {
	return types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte(data)}
}

func batch(entries ...types.PutRecordsRequestEntry) *kinesis.PutRecordsInput {
	return &kinesis.PutRecordsInput{StreamName: aws.String(orders), Records: entries}
}

func (p *program) putRecords(t testing.TB, ctx context.Context, entries ...types.PutRecordsRequestEntry) *kinesis.PutRecordsOutput {
	t.Helper()
	out, err := p.PutRecords(ctx, batch(entries...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// parentOf is the traceparent of a span.
func parentOf(sc trace.SpanContext) string {
	return fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
}

// readKey fails unless the stored key carries this context and this key.
func readKey(t testing.TB, stored string, carried trace.SpanContext, original string) {
	t.Helper()
	got := tracecarrier.Read(stored)
	want := ""
	if carried.IsValid() {
		want = parentOf(carried)
	}
	if got.Trace.Parent != want || got.PartitionKey != original || !got.OriginalKeyKnown {
		t.Errorf("the stored key %q carries %q and the key %q (known: %t), want %q and %q",
			stored, got.Trace.Parent, got.PartitionKey, got.OriginalKeyKnown, want, original)
	}
}

// pages are all records, a page for each shard.
func (p *program) pages(t testing.TB) []*kinesis.GetRecordsOutput {
	t.Helper()
	shards, err := p.Shards(orders)
	if err != nil {
		t.Fatal(err)
	}
	var pages []*kinesis.GetRecordsOutput
	for _, shard := range shards {
		pages = append(pages, p.page(t, shard.ID))
	}
	return pages
}

func (p *program) page(t testing.TB, shardID string) *kinesis.GetRecordsOutput {
	t.Helper()
	out, err := p.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: p.iterator(t, shardID)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// iterator begins at the oldest record of a shard.
func (p *program) iterator(t testing.TB, shardID string) *string {
	t.Helper()
	out, err := p.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String(orders), ShardId: &shardID, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}
