package consumer_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// counting is a wrapper around a client that looks at the records of its answers.
type counting struct {
	consumer.API

	records atomic.Int64
}

func (c *counting) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	out, err := c.API.GetRecords(ctx, in, opts...)
	if err == nil {
		c.records.Add(int64(len(out.Records)))
	}
	return out, err
}

// watching makes a client count the records of its answers by a middleware.
func (c *counting) watching(o *kinesis.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("counting",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleInitialize(ctx, in)
				if answer, ok := out.Result.(*kinesis.GetRecordsOutput); ok {
					c.records.Add(int64(len(answer.Records)))
				}
				return out, metadata, err
			}), middleware.After)
	})
}

// mixture puts plain records, one with a context in its key, containers and what
// only begins like one.
func mixture(t *testing.T, client *kinesis.Client) {
	t.Helper()
	var b aggregate.Builder
	for i := range 40 {
		b.Add(&aggregate.UserRecord{PartitionKey: fmt.Sprint("user-", i), Data: fmt.Appendf(nil, "in a container %d", i), Headers: []kinetrail.Header{{Name: "n", Value: fmt.Sprint(i)}}})
	}
	whole := b.AppendTo(nil)
	broken := slices.Clone(whole)
	broken[len(broken)/2] ^= 1
	entry := func(key string, data []byte) types.PutRecordsRequestEntry {
		return types.PutRecordsRequestEntry{PartitionKey: &key, Data: data}
	}
	_, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("orders"), Records: []types.PutRecordsRequestEntry{
		entry("first", []byte("plain")), entry("a", whole), entry("00-"+traceA+"-"+spanA+"-01-k1=customer", []byte("with a context")),
		entry("a", broken), entry("clé", []byte{0, 255}), entry("a", whole),
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// told is everything a record tells.
func told(r kinetrail.Record) string {
	return fmt.Sprintf("%s %q %q %t %q %v %v %v %v %x", r.ShardID, r.PartitionKey, r.StoredPartitionKey, r.OriginalKeyKnown, r.ExplicitHashKey, r.Headers, r.Trace, r.Position, r.ArrivedAt, r.Data)
}

func TestRecordsAreTheSameInEveryFormAndThroughEveryClient(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	mixture(t, server.Client())
	var want []string
	for _, wire := range []kinesisprotocol.Wire{kinesisprotocol.SDK, kinesisprotocol.JSON, kinesisprotocol.CBOR, kinesisprotocol.Auto} {
		wrapper, middleware := &counting{API: server.Client()}, &counting{}
		for _, client := range []struct {
			name string
			api  consumer.API
			seen *atomic.Int64 // what the one who looks at answers has seen
		}{
			{"bare", server.Client(), nil},
			{"wrapped", wrapper, &wrapper.records},
			{"with middleware", server.Client(middleware.watching), &middleware.records},
		} {
			var got []string
			for r, err := range consumer.Read(t.Context(), client.api, "orders", consumer.StopAtTip(), fast, quiet, func(o *consumer.Options) { o.Wire, o.MaxRecords = wire, 4 }) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, told(r))
			}
			if want == nil {
				want = got
			}
			if len(got) != 4+40+40 || !slices.Equal(got, want) {
				t.Errorf("%v, client %s: %d records\n%s\nwant 84\n%s", wire, client.name, len(got), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if client.seen != nil && client.seen.Load() != 6 {
				t.Errorf("%v, client %s: its owner saw %d Kinesis records in the answers; want 6", wire, client.name, client.seen.Load())
			}
		}
	}
}

// withoutCBOR is an endpoint that does not know CBOR, in front of one that does.
type withoutCBOR struct {
	next           http.RoundTripper
	inCBOR, inJSON atomic.Int64 // GetRecords calls
}

func (e *withoutCBOR) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetRecords") {
		return e.next.RoundTrip(r)
	}
	if !strings.Contains(r.Header.Get("Content-Type"), "cbor") {
		e.inJSON.Add(1)
		return e.next.RoundTrip(r)
	}
	e.inCBOR.Add(1)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 400, Request: r, Body: io.NopCloser(strings.NewReader(`{"__type":"SerializationException"}`)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}}, nil
}

func TestAnEndpointWithoutCBORIsReadInJSON(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	mixture(t, server.Client())
	endpoint := &withoutCBOR{next: server.Transport()}
	client := server.Client(func(o *kinesis.Options) { o.HTTPClient = &http.Client{Transport: endpoint} })
	n := 0
	for _, err := range consumer.Read(t.Context(), client, "orders", consumer.StopAtTip(), fast, quiet, func(o *consumer.Options) { o.Wire, o.MaxRecords = kinesisprotocol.CBOR, 2 }) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 84 || endpoint.inCBOR.Load() != 1 || endpoint.inJSON.Load() < 3 {
		t.Errorf("%d records in %d calls in CBOR and %d in JSON; want 84, one in CBOR and the rest in JSON", n, endpoint.inCBOR.Load(), endpoint.inJSON.Load())
	}
}

func TestAnUnknownWireIsRefused(t *testing.T) {
	t.Parallel()
	for _, err := range consumer.Read(t.Context(), newFakeStream(1), "orders", func(o *consumer.Options) { o.Wire = 9 }) {
		if err == nil || !strings.Contains(err.Error(), "Options.Wire is Wire(9)") {
			t.Errorf("Read in form 9: %v; want a refusal", err)
		}
	}
}
