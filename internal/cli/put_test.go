package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// localServer starts a server with one stream, "orders" of two shards, and
// returns the flags that lead to it.
func localServer(t *testing.T) (server *localkinesis.Server, flags []string) {
	t.Helper()
	server = localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} })
	return server, []string{"--local", "--endpoint-url", server.URL()}
}

// with puts the flags before a command.
func with(flags []string, command ...string) []string {
	return slices.Concat(flags, command)
}

// tailed reads a stream with tail -o json, one object per record.
func tailed(t *testing.T, flags []string, stream string) []map[string]any {
	t.Helper()
	var records []map[string]any
	for text := range strings.Lines(succeed(t, with(flags, "tail", stream, "--no-follow", "-o", "json")...)) {
		var record map[string]any
		if err := json.Unmarshal([]byte(text), &record); err != nil {
			t.Fatalf("tail -o json printed %q: %v", text, err)
		}
		records = append(records, record)
	}
	return records
}

func TestPutAndTailOfOneLineIsOneJSONObject(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	put := run(t, "hello\n", with(flags, "put", "s", "-k", "user-1", "--create")...)
	if put.code != exitOK || put.stderr != "" {
		t.Fatalf("put --create: %+v; want exit code 0 and silence on stderr", put)
	}
	shard, sequence, _ := strings.Cut(strings.TrimSpace(put.stdout), "  ")
	if shard != "shardId-000000000000" || len(sequence) != 56 {
		t.Errorf("put printed %q; want shard and sequence number", put.stdout)
	}

	got := succeed(t, with(flags, "tail", "s", "--from", "trim-horizon", "-n", "1", "-o", "json")...)
	var record map[string]any
	if err := json.Unmarshal([]byte(got), &record); err != nil || strings.Count(got, "\n") != 1 {
		t.Fatalf("tail printed %q (%v); want one JSON object on one line", got, err)
	}
	arrived, _ := record["arrived_at"].(string)
	if at, err := time.Parse(time.RFC3339, arrived); err != nil || time.Since(at) > time.Hour {
		t.Errorf("arrived_at is %q (%v); want a time of now", arrived, err)
	}
	delete(record, "arrived_at")
	want := map[string]any{
		"shard_id": shard, "sequence_number": sequence, "sub_sequence_number": 0.0,
		"partition_key": "user-1", "stored_partition_key": "user-1", "headers": []any{},
		"trace_id": nil, "span_id": nil, "data": "hello",
	}
	if fmt.Sprint(record) != fmt.Sprint(want) {
		t.Errorf("tail printed %v; want %v", record, want)
	}
}

func TestPutContinuesTheTraceOfTheEnvironmentWithEveryCarrier(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		args   []string
		key    string // as tail gives it back
		stored string
		traced bool
	}{
		{"by default", nil, "user-1", testParent + "-k1;s5:v=abc=user-1", true},
		{"lossless", []string{"--carrier", "lossless"}, "user-1", testParent + "-k1;s5:v=abc=user-1", true},
		{"traceparent", []string{"--carrier", "traceparent"}, testParent, testParent, true},
		{"partition-key", []string{"--carrier", "partition-key"}, testParent, testParent, true},
		{"headers", []string{"--carrier", "headers"}, "user-1", "user-1", true},
		{"with a header", []string{"-H", "n=1"}, "user-1", "user-1", true},
		{"off", []string{"--carrier", "off"}, "user-1", "user-1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, flags := localServer(t)
			env := map[string]string{"TRACEPARENT": testParent, "TRACESTATE": "v=abc"}
			put := runWith(t.Context(), "", env, with(flags, append([]string{"put", "orders", "hello", "-k", "user-1"}, tt.args...)...)...)
			if put.code != exitOK || put.stderr != "" {
				t.Fatalf("put: %+v; want exit code 0 and silence on stderr", put)
			}
			got := tailed(t, flags, "orders")[0]
			want := map[string]any{"partition_key": tt.key, "stored_partition_key": tt.stored, "trace_id": nil, "span_id": nil}
			if tt.traced {
				want["trace_id"], want["span_id"] = testTraceID, testSpanID
			}
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s is %v; want %v", name, got[name], value)
				}
			}
		})
	}
}

func TestPutCarriesHeadersInTheirOrder(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	succeed(t, with(flags, "put", "orders", "hello", "-k", "user-1", "-H", "b=2", "-H", "a=1=one", "-H", "b=")...)
	got, _ := json.Marshal(tailed(t, flags, "orders")[0]["headers"])
	const want = `[{"name":"b","value":"2"},{"name":"a","value":"1=one"},{"name":"b","value":""}]`
	if string(got) != want {
		t.Errorf("headers are %s; want %s", got, want)
	}
}

func TestPutSaysWhenTRACEPARENTIsNone(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	got := runWith(t.Context(), "", map[string]string{"TRACEPARENT": "00-abc"}, with(flags, "put", "orders", "hello", "-k", "user-1")...)
	const want = "kinetrail: no trace is carried: TRACEPARENT \"00-abc\" is no W3C traceparent\n"
	if got.code != exitOK || got.stderr != want {
		t.Errorf("put: exit code %d, stderr %q; want 0, %q", got.code, got.stderr, want)
	}
}

func TestPutSendsEveryLineAsItIs(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	put := run(t, "one\n\n\ttabs and \r\nno UTF-8 \xff\nlast, without line feed", with(flags, "put", "orders", "-k", "user-1")...)
	if put.code != exitOK {
		t.Fatalf("put: %+v; want exit code 0", put)
	}
	var got []string
	for _, record := range tailed(t, flags, "orders") {
		got = append(got, fmt.Sprint(record["data"], record["data_encoding"]))
	}
	want := []string{"one<nil>", "<nil>", "\ttabs and \r<nil>", "bm8gVVRGLTgg/w==base64", "last, without line feed<nil>"}
	if !slices.Equal(got, want) {
		t.Errorf("the stream holds %q; want %q", got, want)
	}
}

func TestPutPrintsResultsInTheOrderOfTheInput(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	const lines = 300 // to both shards, which answer when they like
	var input strings.Builder
	for i := range lines {
		fmt.Fprintln(&input, i)
	}
	put := run(t, input.String(), with(flags, "put", "orders", "-o", "tsv")...)
	if put.code != exitOK {
		t.Fatalf("put: exit code %d, stderr %q; want 0", put.code, put.stderr)
	}
	printed := strings.Split(strings.TrimSuffix(put.stdout, "\n"), "\n")
	places := make(map[string]string) // of each line's data, as the stream has it
	for _, record := range tailed(t, flags, "orders") {
		places[record["data"].(string)] = fmt.Sprint(record["shard_id"], "\t", record["sequence_number"])
	}
	for i := range lines {
		if want := places[fmt.Sprint(i)]; i >= len(printed) || printed[i] != want {
			t.Fatalf("put printed %d lines, of record %d: want %q among\n%s", len(printed), i, want, put.stdout)
		}
	}
}

func TestPutOfEmptyStdinSaysThatThereAreNoRecords(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	if got, want := run(t, "", with(flags, "put", "orders")...), (ran{stderr: "no records: stdin was empty\n"}); got != want {
		t.Errorf("put of nothing: %+v; want %+v", got, want)
	}
}

func TestPutHonoursTheExplicitHashKey(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	for hashKey, shard := range map[string]string{
		"0": "shardId-000000000000",
		"340282366920938463463374607431768211455": "shardId-000000000001",
	} {
		var got putRecord
		if err := json.Unmarshal([]byte(succeed(t, with(flags, "put", "orders", "x", "-k", "a", "--explicit-hash-key", hashKey, "-o", "json")...)), &got); err != nil {
			t.Fatal(err)
		}
		if got.ShardID != shard || len(got.SequenceNumber) != 56 {
			t.Errorf("put --explicit-hash-key %s = %+v; want shard %s", hashKey, got, shard)
		}
	}
}

func TestPutRetriesWhatPassesAndStopsAtWhatDoesNot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fault string
		want        ran
	}{
		{"throttling passes", "PutRecords nth=2 records=1", ran{}},
		{"a denied permission does not", "PutRecords nth=2 error=AccessDeniedException", ran{
			code:   exitFailure,
			stderr: "kinetrail: line 2 was not put: PutRecords: MESSAGE (AccessDeniedException); 1 record was accepted and is in the stream\n",
		}},
	}
	message := regexp.MustCompile(`PutRecords: .* \(`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, flags := localServer(t)
			rule, err := fault.Parse(tt.fault)
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Faults().Add(rule); err != nil {
				t.Fatal(err)
			}
			// One key is one record per request, so the second request is the
			// second line.
			got := run(t, "one\ntwo\n", with(flags, "put", "orders", "-k", "user-1")...)
			got.stdout = ""
			got.stderr = message.ReplaceAllString(got.stderr, "PutRecords: MESSAGE (")
			if got != tt.want {
				t.Errorf("put with fault %q: %+v; want %+v", tt.fault, got, tt.want)
			}
		})
	}
}

func TestPutStopsWhenItsOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	endless := strings.NewReader(strings.Repeat("line\n", 100_000))
	var stderr bytes.Buffer
	code := Run(t.Context(), with(flags, "put", "orders", "-k", "user-1"), endless, brokenOutput{}, &stderr, noVariables)
	records, err := server.Records("orders", "")
	if err != nil {
		t.Fatal(err)
	}
	if code != exitFailure || !strings.Contains(stderr.String(), "no space left on device") || len(records) == 100_000 {
		t.Errorf("put: exit code %d, stderr %q, %d records; want 1, the reason, and not all of them", code, stderr.String(), len(records))
	}
}

func TestPutCountsWhatWasAcceptedWhenItsReaderGoesAway(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	put := exec.CommandContext(t.Context(), os.Args[0], with(flags, "put", "orders", "-k", "user-1")...)
	put.Env = append(os.Environ(), asProgram+"=1")
	put.Stdin = strings.NewReader(strings.Repeat("line\n", 100_000))
	var stderr bytes.Buffer
	put.Stderr = &stderr
	printed, err := put.StdoutPipe() // of which nothing is read
	if err == nil {
		err = put.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	printed.Close()
	_ = put.Wait() // the exit code tells
	records, err := server.Records("orders", "")
	if err != nil {
		t.Fatal(err)
	}
	accepted := strings.Replace(fmt.Sprintf("; %d records were accepted and are in the stream\n", len(records)), "; 1 records were", "; 1 record was", 1)
	if put.ProcessState.ExitCode() != exitFailure || !strings.HasSuffix(stderr.String(), accepted) {
		t.Errorf("put whose output nobody reads: exit code %d, stderr %q; want %d and at the end %q", put.ProcessState.ExitCode(), stderr.String(), exitFailure, accepted)
	}
}

func TestTailFieldsAreThePromisedOnes(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	run(t, "\xff\n", with(flags, "put", "orders", "-k", "user-1")...)
	got := slices.Sorted(maps.Keys(tailed(t, flags, "orders")[0]))
	want := []string{"arrived_at", "data", "data_encoding", "headers", "partition_key", "sequence_number",
		"shard_id", "span_id", "stored_partition_key", "sub_sequence_number", "trace_id"}
	if !slices.Equal(got, want) {
		t.Errorf("tail -o json has the fields %q; want %q", got, want)
	}
}
