package cli

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func TestServeSpeaksHTTPSToItsOwnCommandsAndSaysHowToOthers(t *testing.T) {
	t.Parallel()
	s := startServe(t, "--tls", "--stream", "orders:2")
	if !strings.HasPrefix(s.url, "https://") || !strings.Contains(s.greeting, "aws --region us-east-1 --endpoint-url "+s.url+" --no-verify-ssl kinesis list-streams\n") {
		t.Errorf("the greeting of serve --tls:\n%s", s.greeting)
	}
	succeed(t, s.flags("put", "orders", "hello")...)
	s.stop()
}

func TestServeTakesACertificateFromFilesWhichACABundleMakesTrusted(t *testing.T) {
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	own, err := localkinesis.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certificate, "CERTIFICATE", own.Certificate[0])
	writePEM(t, key, "PRIVATE KEY", private)

	s := startServe(t, "--tls-cert", certificate, "--tls-key", key)
	if !strings.HasPrefix(s.url, "https://") || strings.Contains(s.greeting, "--no-verify-ssl") {
		t.Errorf("the greeting of serve --tls-cert:\n%s", s.greeting)
	}
	succeed(t, s.flags("list")...)
	t.Setenv("AWS_ACCESS_KEY_ID", "anybody")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "anything")
	list := []string{"--endpoint-url", s.url, "--region", "us-east-1", "list"}
	if got := run(t, "", list...); got.code != exitFailure || !strings.Contains(got.stderr, "certificate signed by unknown authority") {
		t.Errorf("list without --local: %+v; want that the certificate is not trusted", got)
	}
	t.Setenv("AWS_CA_BUNDLE", certificate)
	succeed(t, list...)
	s.stop()

	if got := run(t, "", "serve", "--tls-cert", certificate); got.code != exitUsage || !strings.HasPrefix(got.stderr, "kinetrail: --tls-cert and --tls-key need each other\n") {
		t.Errorf("serve with half a pair: %+v", got)
	}
	if got := run(t, "", "serve", "--tls-cert", key, "--tls-key", key); got.code != exitFailure || !strings.HasPrefix(got.stderr, "kinetrail: read the certificate and its key: ") {
		t.Errorf("serve with a certificate that is none: %+v", got)
	}
}

func writePEM(t *testing.T, file, kind string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestServeEnforcesLimitsAndSignaturesAndTakesItsTimeWhereToldTo(t *testing.T) {
	t.Parallel()
	s := startServe(t, "--strict", "--delay", "1h", "--stream", "orders:2")
	if got := succeed(t, s.flags("describe", "orders")...); !strings.Contains(got, "CREATING") {
		t.Errorf("describe on a server with a delay printed %q; want CREATING", got)
	}
	s.stop()

	signed := startServe(t, "--access-key", "AKIDEXAMPLE:secret", "--stream", "orders:2")
	if !strings.Contains(signed.greeting, "  kinetrail --endpoint-url "+signed.url+" list\n") || !strings.Contains(signed.greeting, "takes what is signed with AKIDEXAMPLE.") {
		t.Errorf("the greeting of serve --access-key:\n%s", signed.greeting)
	}
	if got := run(t, "", signed.flags("list")...); got.code != exitFailure || !strings.Contains(got.stderr, "UnrecognizedClientException") {
		t.Errorf("list with throw-away credentials: %+v; want UnrecognizedClientException", got)
	}
	signed.stop()

	for _, args := range [][]string{{"--delay", "-1s"}, {"--delay", "soon"}, {"--access-key", "AKIDEXAMPLE"}, {"--access-key", ":secret"}} {
		if got := run(t, "", with([]string{"serve"}, args...)...); got.code != exitUsage {
			t.Errorf("serve %v: %+v; want exit code %d", args, got, exitUsage)
		}
	}
}

func TestRulesOfFaultsChangeWhileServeRuns(t *testing.T) {
	t.Parallel()
	s := startServe(t, "--control", "--stream", "orders:2", "--fault", "ListStreams error=AccessDeniedException")
	change := func(method, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+localkinesis.ControlPath, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got, want := change("GET", ""), "ListStreams error=AccessDeniedException # matched 0, struck 0\n"; got != want {
		t.Errorf("the rules are %q; want %q", got, want)
	}
	change("PUT", "PutRecords error=LimitExceededException")
	succeed(t, s.flags("list")...)
	if got := run(t, "", s.flags("put", "orders", "hello")...); !strings.Contains(got.stderr, "LimitExceededException") {
		t.Errorf("put under the new rule: %+v; want LimitExceededException", got)
	}
	change("DELETE", "")
	succeed(t, s.flags("put", "orders", "hello")...)
	s.stop()
}
