package localkinesis

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Client returns an SDK client of this server with throw-away credentials:
// over HTTP when the server listens, in the same process otherwise.
func (s *Server) Client(opts ...func(*kinesis.Options)) *kinesis.Client {
	endpoint, transport := s.URL(), s.Transport()
	if endpoint == "" {
		endpoint = "http://localkinesis.internal"
	} else {
		transport = s.network()
	}
	options := kinesis.Options{
		Region:       s.options.Region,
		Credentials:  s.credentials(),
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   &http.Client{Transport: transport},
	}
	return kinesis.New(options, opts...)
}

// credentials are throw-away ones, or the first pair of Options.Secrets.
func (s *Server) credentials() aws.CredentialsProvider {
	id, secret := "localkinesis", "localkinesis"
	if ids := slices.Sorted(maps.Keys(s.options.Secrets)); len(ids) > 0 {
		id, secret = ids[0], s.options.Secrets[ids[0]]
	}
	return credentials.NewStaticCredentialsProvider(id, secret, "")
}

// network is a transport of our own, closed with the server.
func (s *Server) network() http.RoundTripper {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
		TLSClientConfig:     s.trust,
		ForceAttemptHTTP2:   true, // over TLS
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transports = append(s.transports, t)
	return wholeBody{t}
}
