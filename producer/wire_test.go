package producer

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// onlyJSON is an endpoint that does not know CBOR, in front of one that does.
type onlyJSON struct {
	next http.RoundTripper

	mu       sync.Mutex
	inCBOR   int
	requests int
}

func (o *onlyJSON) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutRecords") {
		return o.next.RoundTrip(r)
	}
	o.mu.Lock()
	o.requests++
	refuse := strings.Contains(r.Header.Get("Content-Type"), "cbor")
	if refuse {
		o.inCBOR++
	}
	o.mu.Unlock()
	if !refuse {
		return o.next.RoundTrip(r)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 400, Request: r, Body: io.NopCloser(strings.NewReader(`{"__type":"SerializationException"}`)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}}, nil
}

// TestAnEndpointWithoutCBORGetsJSON allows one attempt: finding out what the
// endpoint speaks is none.
func TestAnEndpointWithoutCBORGetsJSON(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} })
	endpoint := &onlyJSON{next: server.Transport()}
	client := server.Client(func(o *kinesis.Options) { o.HTTPClient = &http.Client{Transport: endpoint} })
	p, err := New(client, "orders", func(o *Options) { o.Wire, o.MaxAttempts, o.Linger = kinesisprotocol.CBOR, 1, 0 })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		result, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: fmt.Sprint(i), Data: []byte("data")})
		if err != nil || len(result.Attempts) != 1 {
			t.Errorf("record %d: attempts %v, error %v; want one attempt and no error", i, result.Attempts, err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, err := server.Records("orders", "")
	if err != nil || len(records) != 3 {
		t.Errorf("the stream has %d records, error %v; want 3", len(records), err)
	}
	if endpoint.inCBOR != 1 || endpoint.requests != 4 {
		t.Errorf("%d requests, %d of them in CBOR; want 4 and 1", endpoint.requests, endpoint.inCBOR)
	}
}

func TestAnUnknownWireIsRefused(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if _, err := New(server.Client(), "orders", func(o *Options) { o.Wire = 9 }); err == nil || !strings.Contains(err.Error(), "Wire(9)") {
		t.Errorf("New with wire 9: %v; want it refused", err)
	}
}
