package localkinesis_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func strictly(o *localkinesis.Options) {
	o.Secrets = map[string]string{"AKIDEXAMPLE": "secret"}
	o.Streams = map[string]int{"orders": 2}
}

// keys are the credentials of a client.
func keys(id, secret, session string) func(*kinesis.Options) {
	return func(o *kinesis.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, session)
	}
}

func TestSignaturesAreVerifiedWhereSecretsAreGiven(t *testing.T) {
	t.Parallel()
	for what, s := range map[string]*localkinesis.Server{"network": localkinesis.Start(t, strictly), "in process": inProcess(t, strictly)} {
		for _, tt := range []struct {
			what string
			keys func(*kinesis.Options)
			want string
		}{
			{"its own client", func(*kinesis.Options) {}, ""},
			{"the right secret", keys("AKIDEXAMPLE", "secret", ""), ""},
			{"a session token", keys("AKIDEXAMPLE", "secret", "token"), ""},
			{"another secret", keys("AKIDEXAMPLE", "guess", ""), "InvalidSignatureException: The request signature we calculated does not match the signature you provided."},
			{"another key", keys("AKIDOTHER", "secret", ""), "UnrecognizedClientException: The security token included in the request is invalid."},
		} {
			err := putOne(s.Client(once, tt.keys), "k")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v; want %q", what, tt.what, err, tt.want)
			}
		}
	}
}

// signed is a signed ListStreams, in its header or in its query.
func signed(t *testing.T, body string, at time.Time, inQuery bool) func(*http.Request) {
	t.Helper()
	hash := sha256.Sum256([]byte(body))
	pair := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}
	return func(r *http.Request) {
		r.Header.Del("Authorization")
		r.URL.RawQuery = "b=2&a=1&a=%20x"
		var err error
		if inQuery {
			r.Header.Del("X-Amz-Date")
			var uri string
			uri, _, err = v4.NewSigner().PresignHTTP(t.Context(), pair, r, hex.EncodeToString(hash[:]), "kinesis", "us-east-1", at)
			if err == nil {
				r.URL, err = r.URL.Parse(uri)
			}
		} else {
			err = v4.NewSigner().SignHTTP(t.Context(), pair, r, hex.EncodeToString(hash[:]), "kinesis", "us-east-1", at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSignaturesCoverBodyQueryAndDate(t *testing.T) {
	t.Parallel()
	s := inProcess(t, strictly)
	now := time.Now()
	for _, tt := range []struct {
		what string
		edit []func(*http.Request)
		want string
	}{
		{"header", []func(*http.Request){signed(t, `{}`, now, false)}, "StreamNames"},
		{"query", []func(*http.Request){signed(t, `{}`, now, true)}, "StreamNames"},
		{"another body", []func(*http.Request){signed(t, `{"Limit":1}`, now, false)}, "does not match"},
		{"another query", []func(*http.Request){signed(t, `{}`, now, false), func(r *http.Request) { r.URL.RawQuery += "&c=3" }}, "does not match"},
		{"another header", []func(*http.Request){signed(t, `{}`, now, false), func(r *http.Request) { r.Header.Set("X-Amz-Target", "Kinesis_20131202.DescribeLimits") }}, "does not match"},
		{"ten minutes old", []func(*http.Request){signed(t, `{}`, now.Add(-10*time.Minute), false)}, "Signature expired: "},
		{"ten minutes early", []func(*http.Request){signed(t, `{}`, now.Add(10*time.Minute), false)}, "Signature not yet current: "},
		{"another day", []func(*http.Request){signed(t, `{}`, now, false), func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }}, "on the day of the credential"},
		{"no date at all", []func(*http.Request){signed(t, `{}`, now, false), func(r *http.Request) { r.Header.Set("X-Amz-Date", "x") }}, "IncompleteSignatureException"},
		{"half a scope", []func(*http.Request){func(r *http.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114, SignedHeaders=host, Signature=00")
		}}, "five parts"},
	} {
		if r := send(t, s, "ListStreams", `{}`, tt.edit...); !strings.Contains(string(r.body), tt.want) {
			t.Errorf("%s: %s; want %q", tt.what, r.body, tt.want)
		}
	}
}
