package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// These tests change the environment of the process, which the AWS SDK reads,
// so they do not run beside others.

func TestTheVariablesOfTheAWSSDKAreHeard(t *testing.T) {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL_KINESIS", server.URL())
	if got := succeed(t, "list", "-o", "json"); !strings.Contains(got, "arn:aws:kinesis:eu-west-1:") {
		t.Errorf("list printed %s; want a stream of eu-west-1", got)
	}
	if got := succeed(t, "--region", "us-west-2", "list", "-o", "json"); !strings.Contains(got, "arn:aws:kinesis:us-west-2:") {
		t.Errorf("list --region us-west-2 printed %s; want a stream of us-west-2", got)
	}
	t.Setenv("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:1")
	if got := succeed(t, "--endpoint-url", server.URL(), "list", "-o", "tsv"); !strings.HasPrefix(got, "orders\t") {
		t.Errorf("list --endpoint-url printed %q; want the stream of that endpoint", got)
	}
}

func TestAProfileIsHeard(t *testing.T) {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	path := filepath.Join(t.TempDir(), "config")
	config := fmt.Sprintf("[profile staging]\nregion = ap-south-1\nendpoint_url = %s\naws_access_key_id = id\naws_secret_access_key = secret\n", server.URL())
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", path)
	t.Setenv("AWS_PROFILE", "staging")
	if got := succeed(t, "list", "-o", "json"); !strings.Contains(got, "arn:aws:kinesis:ap-south-1:") {
		t.Errorf("list printed %s; want a stream of ap-south-1", got)
	}
	t.Setenv("AWS_PROFILE", "nosuch")
	got := run(t, "", "list")
	if want := "kinetrail: read the AWS configuration: failed to get shared config profile, nosuch\n"; got.code != exitFailure || got.stderr != want {
		t.Errorf("list with an unknown profile: exit code %d, stderr %q; want 1, %q", got.code, got.stderr, want)
	}
}

func TestTheCarrierOfTheEnvironmentIsStrongerThanTheFlag(t *testing.T) {
	_, flags := localServer(t)
	t.Setenv("KINETRAIL_PROPAGATION", "off")
	env := map[string]string{"TRACEPARENT": testParent}
	put := runWith(t.Context(), "", env, with(flags, "put", "orders", "hello", "-k", "user-1", "--carrier", "lossless")...)
	if put.code != exitOK {
		t.Fatalf("put: %+v; want exit code 0", put)
	}
	if got := tailed(t, flags, "orders")[0]["stored_partition_key"]; got != "user-1" {
		t.Errorf("the stored key is %v; want user-1", got)
	}
	t.Setenv("KINETRAIL_PROPAGATION", "pigeon")
	put = runWith(t.Context(), "", env, with(flags, "put", "orders", "hello", "-k", "user-1")...)
	if put.code != exitFailure || !strings.Contains(put.stderr, `KINETRAIL_PROPAGATION is "pigeon", it can be off, traceparent or lossless`) {
		t.Errorf("put with a bad variable: %+v; want exit code 1 and the values it can have", put)
	}
}
