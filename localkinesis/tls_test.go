package localkinesis_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// overTLS is a server with a certificate of its own, and a pool that has it.
func overTLS(t *testing.T) (*localkinesis.Server, *x509.CertPool) {
	t.Helper()
	certificate, err := localkinesis.SelfSigned("kinesis.test")
	must(t, certificate, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)
	s := localkinesis.Start(t, withStream("orders", 2), func(o *localkinesis.Options) { o.Certificate = certificate })
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Errorf("URL() = %s; want https", s.URL())
	}
	return s, pool
}

func TestHTTP1AndHTTP2AreServedOverTLS(t *testing.T) {
	t.Parallel()
	s, pool := overTLS(t)
	withConsumer(t, s)
	trusting := &tls.Config{RootCAs: pool}
	for _, tt := range []struct {
		client, proto string
		transport     *http.Transport
		scheme        string
		speak         func(p *http.Protocols)
	}{
		{"HTTP/1.1", "HTTP/1.1", &http.Transport{TLSClientConfig: trusting}, "https", func(p *http.Protocols) { p.SetHTTP1(true) }},
		{"HTTP/2, offered", "HTTP/2.0", &http.Transport{TLSClientConfig: trusting}, "https", func(p *http.Protocols) { p.SetHTTP2(true) }},
		{"HTTP/2, not offered", "HTTP/2.0", &http.Transport{DialContext: (&tls.Dialer{Config: trusting}).DialContext}, "http",
			func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }},
	} {
		tt.transport.Protocols = new(http.Protocols)
		tt.speak(tt.transport.Protocols)
		defer tt.transport.CloseIdleConnections()
		seen := make(map[string]int)
		client := s.Client(once, func(o *kinesis.Options) {
			o.HTTPClient = roundTripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.URL.Scheme = tt.scheme
				response, err := tt.transport.RoundTrip(r)
				if err == nil {
					seen[response.Proto]++
				}
				return response, err
			})
		})
		if err := putOne(client, onShard1); err != nil {
			t.Errorf("%s: put: %v", tt.client, err)
		}
		if got := readByFanOut(t, s, client); got != onShard1 {
			t.Errorf("%s: a subscription gave %q; want %q", tt.client, got, onShard1)
		}
		if seen[tt.proto] != 3 || len(seen) != 1 {
			t.Errorf("%s: answers by protocol: %v; want 3 of %s", tt.client, seen, tt.proto)
		}
		s.Clock().Advance(5e9) // the next subscription takes over
	}
}

// readByFanOut is the key of the first record that a subscription to shard 1
// gives.
func readByFanOut(t *testing.T, s *localkinesis.Server, client *kinesis.Client) string {
	t.Helper()
	listed, err := client.ListStreamConsumers(t.Context(), &kinesis.ListStreamConsumersInput{StreamARN: aws.String(arnOfOrders)})
	arn := must(t, listed, err).Consumers[0].ConsumerARN
	out, err := client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: arn, ShardId: aws.String("shardId-000000000001"), StartingPosition: &fromTrimHorizon,
	})
	events := must(t, out, err).GetStream()
	defer events.Close()
	first := next(events)
	if first == nil || len(first.Records) == 0 {
		t.Fatalf("the first event is %+v, %v; want a record", first, events.Err())
	}
	return *first.Records[0].PartitionKey
}

func TestAClientWithoutTLSIsToldThatTheServerSpeaksIt(t *testing.T) {
	t.Parallel()
	s, _ := overTLS(t)
	response, err := http.Post(strings.Replace(s.URL(), "https", "http", 1), "application/x-amz-json-1.1", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusBadRequest || string(text) != "This server speaks HTTPS.\n" || err != nil {
		t.Errorf("the answer is %s %q, %v; want 400 and that the server speaks HTTPS", response.Status, text, err)
	}
}

func TestTheServersOwnClientTrustsItsCertificate(t *testing.T) {
	t.Parallel()
	s, _ := overTLS(t)
	if err := putOne(s.Client(once), "k"); err != nil {
		t.Errorf("a put by the server's own client: %v", err)
	}
	client := s.Client(once, func(o *kinesis.Options) { o.HTTPClient = &http.Client{Transport: new(http.Transport)} })
	if err := putOne(client, "k"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a put by a client that trusts nobody: %v; want an error about the certificate", err)
	}
}

func TestASelfSignedCertificateIsForThisMachineAndTheNamesGiven(t *testing.T) {
	t.Parallel()
	certificate, err := localkinesis.SelfSigned("kinesis.test", "192.0.2.7")
	must(t, certificate, err)
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "kinesis.test": true, "192.0.2.7": true, "example.org": false} {
		if err := certificate.Leaf.VerifyHostname(host); (err == nil) != want {
			t.Errorf("the certificate is for %s: %v; want %t", host, err, want)
		}
	}
	if _, err := localkinesis.New(func(o *localkinesis.Options) { o.Certificate = new(tls.Certificate) }); err == nil || !strings.Contains(err.Error(), "Certificate is empty") {
		t.Errorf("New with an empty certificate = %v; want an error that says so", err)
	}
}
