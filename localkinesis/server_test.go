package localkinesis_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/goleak"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswersCarryTheServicesHeaders(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	for _, r := range []reply{send(t, s, "ListStreams", `{}`), send(t, s, "DescribeStream", `{"StreamName":"none"}`), send(t, s, "Nothing", `{}`)} {
		if id := r.header.Get("x-amzn-RequestId"); len(id) != 36 || strings.Count(id, "-") != 4 {
			t.Errorf("x-amzn-RequestId = %q; want a UUID", id)
		}
		if id := r.header.Get("x-amz-id-2"); len(id) != 96 {
			t.Errorf("x-amz-id-2 = %q; want 72 bytes in base64", id)
		}
		if date := r.header.Get("Date"); date != "Tue, 14 Nov 2023 09:31:26 GMT" {
			t.Errorf("Date = %q; want the time of the server's clock", date)
		}
		if length := r.header.Get("Content-Length"); length != fmt.Sprint(len(r.body)) {
			t.Errorf("Content-Length = %s for %d bytes", length, len(r.body))
		}
	}
}

func TestChecksBeforeTheOperationComeInTheServicesOrder(t *testing.T) {
	t.Parallel()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	unsigned := func(r *http.Request) { r.Header.Del("Authorization") }
	plain := header("Content-Type", "application/json")
	s := inProcess(t, func(o *localkinesis.Options) { o.MaxBodyBytes = 100 })
	for _, tt := range []struct {
		what            string
		operation, body string
		edit            []func(*http.Request)
		status          int
		want            string
	}{
		{"a body that is too large", "ListStreams", strings.Repeat(" ", 101), nil, 413, ""},
		{"another method", "ListStreams", `{}`, []func(*http.Request){func(r *http.Request) { r.Method = http.MethodGet }}, 403,
			"<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"},
		{"no body", "ListStreams", ``, nil, 400, `{"__type":"SerializationException"}`},
		{"no body, no such operation", "Nothing", ``, nil, 400, `{"__type":"UnknownOperationException"}`},
		{"another content type", "ListStreams", `{}`, []func(*http.Request){header("Content-Type", "text/plain")}, 404, "<UnknownOperationException/>\n"},
		{"another content type, no target", "", `{}`, []func(*http.Request){header("Content-Type", "text/plain")}, 403, "<AccessDeniedException>"},
		{"plain JSON", "ListStreams", `{}`, []func(*http.Request){plain}, 200,
			`{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException","message":null},"Version":"1.0"}`},
		{"plain JSON that is none", "ListStreams", `{`, []func(*http.Request){plain}, 200,
			`{"Output":{"__type":"com.amazon.coral.service#SerializationException","Message":null},"Version":"1.0"}`},
		{"no JSON, before the operation is looked for", "Nothing", `{`, nil, 400, `{"__type":"SerializationException"}`},
		{"no object", "ListStreams", `null`, nil, 400, `{"__type":"SerializationException"}`},
		{"two documents", "ListStreams", `{}{}`, nil, 400, `{"__type":"SerializationException"}`},
		{"no JSON, before the signature is looked for", "ListStreams", `{`, []func(*http.Request){unsigned}, 400, `{"__type":"SerializationException"}`},
		{"no such operation, before the signature is looked for", "Nothing", `{}`, []func(*http.Request){unsigned}, 400, `{"__type":"UnknownOperationException"}`},
		{"another service", "ListStreams", `{}`, []func(*http.Request){header("X-Amz-Target", "DynamoDB_20120810.ListStreams")}, 400, `{"__type":"UnknownOperationException"}`},
		{"no signature, before the types", "ListStreams", `{"Limit":"x"}`, []func(*http.Request){unsigned}, 400,
			`{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}`},
		{"two signatures", "ListStreams", `{}`, []func(*http.Request){func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=x" }}, 400, "InvalidSignatureException"},
		{"half a signature", "ListStreams", `{}`, []func(*http.Request){header("Authorization", "AWS4-HMAC-SHA256 Credential=a"), header("X-Amz-Date", "")}, 400,
			`{"__type":"IncompleteSignatureException","message":"Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. ` +
				`Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=a"}`},
		{"half a signature in the query", "ListStreams", `{}`, []func(*http.Request){unsigned, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=x&X-Amz-Date=y&X-Amz-Signature=z" }}, 400,
			"AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."},
		{"types before constraints", "ListStreams", `{"Limit":0,"NextToken":7}`, nil, 400, `{"__type":"SerializationException","Message":"class java.math.BigDecimal can not be converted to an String"}`},
		{"constraints before existence", "DescribeStream", `{"StreamName":"none","Limit":0}`, nil, 400, "ValidationException"},
		{"a preflight", "", ``, []func(*http.Request){header("Origin", "http://x"), func(r *http.Request) { r.Method = http.MethodOptions }}, 200, ""},
		{"a call from a browser", "ListStreams", `{}`, []func(*http.Request){header("Origin", "http://x")}, 200, "StreamNames"},
	} {
		r := send(t, s, tt.operation, tt.body, tt.edit...)
		if r.status != tt.status || !strings.Contains(string(r.body), tt.want) || tt.want == "" && len(r.body) > 0 {
			t.Errorf("%s: %d %s; want %d %s", tt.what, r.status, r.body, tt.status, tt.want)
		}
	}
}

func TestOptionsThatCannotWorkAreRefusedByTheirNames(t *testing.T) {
	t.Parallel()
	_, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Account, o.Region, o.MaxBodyBytes, o.KeepCalls, o.CreateDelay = "12", "", 0, -1, -1
		o.Streams = map[string]int{"a": 0}
	})
	for _, want := range []string{
		`Account is "12", not twelve digits`, `Region is "", not a name`, "MaxBodyBytes is 0", "KeepCalls is -1", "CreateDelay is -1ns", `Streams has 0 shards for "a"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v; want %q in it", err, want)
		}
	}
	if s, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"a": 30_000} }); err == nil {
		t.Errorf("New with more shards than the limit = %v; want an error", s)
	}
}

func TestAClosedServerAnswersNobodyAndListensNoMore(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withStream("orders", 1))
	network, direct := s.Client(once), s.Transport()
	if err := putOne(network, "k"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := putOne(network, "k"); err == nil {
		t.Error("a put over the network after Close succeeded")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localkinesis.internal/", nil)
	must(t, r, err)
	if _, err := direct.RoundTrip(r); err == nil {
		t.Error("a request in the same process after Close succeeded")
	}
	if err := s.Listen("127.0.0.1:0"); err == nil {
		t.Error("Listen after Close succeeded")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestHTTP2IsServedByPriorKnowledge(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withStream("orders", 1))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	var proto string
	client := s.Client(func(o *kinesis.Options) {
		o.HTTPClient = roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := transport.RoundTrip(r)
			if err == nil {
				proto = response.Proto
			}
			return response, err
		})
	})
	if err := putOne(client, "k"); err != nil || proto != "HTTP/2.0" {
		t.Errorf("put over HTTP/2: %v, protocol %s", err, proto)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestLargeAnswersArriveWholeAtTheServersOwnClient(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withStream("orders", 1))
	client := s.Client(once)
	in := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
	for i := range 500 {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: make([]byte, 100)})
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := client.PutRecords(t.Context(), in); err != nil {
					t.Errorf("PutRecords: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestServeReturnsNilAfterClose(t *testing.T) {
	t.Parallel()
	s := inProcess(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, l, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	response, err := http.Get("http://" + l.Addr().String()) //nolint:noctx // one request
	must(t, response, err)
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	must(t, 0, s.Close())
	if err := <-done; err != nil {
		t.Errorf("Serve = %v after Close; want nil", err)
	}
}

func TestConcurrentPutsOverReshardsAreAllStoredOnce(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 2))
	client := s.Client()
	const writers, each = 4, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := putOne(client, fmt.Sprint(w, "/", i)); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	for _, target := range []int32{3, 1, 4, 2} {
		_, err := client.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
			StreamName: aws.String("orders"), TargetShardCount: aws.Int32(target), ScalingType: "UNIFORM_SCALING",
		})
		must(t, 0, err)
	}
	wg.Wait()
	records, err := s.Records("orders", "")
	seen := make(map[string]bool)
	for _, r := range must(t, records, err) {
		seen[r.PartitionKey] = true
	}
	if len(records) != writers*each || len(seen) != writers*each {
		t.Errorf("%d records stored, %d keys; want %d of both", len(records), len(seen), writers*each)
	}
	shards, err := s.Shards("orders")
	must(t, shards, err)
	for _, shard := range shards {
		var last localkinesis.Record
		onShard, err := s.Records("orders", shard.ID)
		for _, r := range must(t, onShard, err) {
			if r.Number.Compare(last.Number) <= 0 || r.Number.Compare(shard.Start) <= 0 || shard.Closed && r.Number.Compare(shard.End) >= 0 {
				t.Fatalf("%s: number %s after %s, outside of %s to %s", shard.ID, r.Number, last.Number, shard.Start, shard.End)
			}
			last = r
		}
	}
}

func TestABrokenBodyIsRefused(t *testing.T) {
	t.Parallel()
	s := inProcess(t)
	r := send(t, s, "ListStreams", `{}`, func(r *http.Request) {
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte(`{`)), brokenReader{}))
		r.ContentLength = 10
	})
	if r.status != 400 {
		t.Errorf("a body that breaks off: %d; want 400", r.status)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, context.DeadlineExceeded }

// dialled is a connection to the server, closed with the test.
func dialled(t *testing.T, s *localkinesis.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "http://"))
	must(t, conn, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// settle returns when every connection dialled before is accepted: they are in
// the order of their dialling.
func settle(t *testing.T, s *localkinesis.Server) {
	t.Helper()
	must(t, 0, putOne(s.Client(once), "k"))
}

func TestCloseDoesNotWaitForConnectionsWithoutARequest(t *testing.T) {
	t.Parallel()
	for what, sent := range map[string]string{
		"nothing":        "",
		"half a head":    "POST / HTTP/1.1\r\nHost:",
		"half a body":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
		"a preface only": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := localkinesis.Start(t, withStream("orders", 1))
			conn := dialled(t, s)
			_, err := io.WriteString(conn, sent)
			must(t, 0, err)
			settle(t, s)
			// Close gives up after five seconds, with an error.
			if err := s.Close(); err != nil {
				t.Errorf("Close = %v; want nil", err)
			}
		})
	}
}
