package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/pflag"
)

const (
	// localAddr is where serve listens and --local looks.
	localAddr   = "127.0.0.1:4567"
	localRegion = "us-east-1"
)

// A person waits for the answer. An endpoint that cannot be dialled or says
// nothing is reported at once; only what an endpoint itself asks to repeat,
// such as throttling, is repeated.
const (
	dialTimeout   = 3 * time.Second
	answerTimeout = 5 * time.Second
	maxAttempts   = 3
	maxBackoff    = time.Second
)

// connection is which Kinesis the command talks to, from the root command's
// flags.
type connection struct {
	local    bool
	endpoint endpointURL
	region   string
}

func (c *connection) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&c.local, "local", false, "the server of \"kinetrail serve\" on "+localAddr)
	flags.Var(&c.endpoint, "endpoint-url", "the Kinesis at this URL")
	flags.StringVar(&c.region, "region", "", "the AWS `region` (with --local: "+localRegion+")")
}

// endpointURL is a flag: an http or https URL.
type endpointURL string

func (e *endpointURL) String() string { return string(*e) }
func (e *endpointURL) Type() string   { return "URL" }
func (e *endpointURL) Set(text string) error {
	parsed, err := url.Parse(text)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return errors.New("it takes a URL such as http://" + localAddr)
	}
	*e = endpointURL(text)
	return nil
}

// client makes the SDK client. It fails where no credentials can be found,
// before any request.
func (c *connection) client(ctx context.Context) (*kinesis.Client, error) {
	cfg, err := c.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	if strings.Trim(cfg.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, &hintedError{
			err:  fmt.Errorf("%s is no AWS region", abbreviate(cfg.Region)),
			hint: "A region is a name such as eu-west-1, from --region, AWS_REGION or the profile.",
		}
	}
	cfg.HTTPClient = newHTTPClient(c.baseClient(cfg), dialTimeout, answerTimeout)
	cfg.Retryer = newRetryer
	return kinesis.NewFromConfig(cfg), nil
}

// baseClient is the configuration's own HTTP client, which has AWS_CA_BUNDLE.
// The certificate of a local server is nobody's business but this machine's.
func (c *connection) baseClient(cfg aws.Config) *awshttp.BuildableClient {
	base, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	endpoint, err := url.Parse(string(c.endpoint))
	if !c.local || err != nil || !isLoopback(endpoint.Hostname()) {
		return base
	}
	return base.WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig.InsecureSkipVerify = true })
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func newHTTPClient(base *awshttp.BuildableClient, dial, answer time.Duration) aws.HTTPClient {
	return &plainBodies{base.
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dial }).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answer })}
}

// plainBodies hides WriteTo of the SDK's request bodies. The SDK closes a
// body as soon as the answer begins; when a server on the same machine answers
// before net/http has looked for the body's end, WriteTo reports io.EOF as a
// failure, and net/http cuts the connection in the middle of the answer
// (aws-sdk-go-v2 issue 1825). Read ends cleanly in that case.
type plainBodies struct{ aws.HTTPClient }

func (c *plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}

func (c *connection) awsConfig(ctx context.Context) (aws.Config, error) {
	if c.local {
		endpoint := "http://" + localAddr
		if c.endpoint != "" {
			endpoint = string(c.endpoint)
		}
		region := localRegion
		if c.region != "" {
			region = c.region
		}
		return aws.Config{
			Region:       region,
			BaseEndpoint: &endpoint,
			Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		}, nil
	}
	options := []func(*config.LoadOptions) error{
		config.WithRegion(c.region),
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
	}
	if c.endpoint != "" {
		options = append(options, config.WithBaseEndpoint(string(c.endpoint)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, errNoRegion
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, &credentialsError{err}
	}
	return cfg, nil
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = maxBackoff
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(notIfUnreachable)}, o.Retryables...)
	})
}

func notIfUnreachable(err error) aws.Ternary {
	if isUnreachable(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// isUnreachable reports whether the endpoint could not be dialled, or took the
// connection and said nothing.
func isUnreachable(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
