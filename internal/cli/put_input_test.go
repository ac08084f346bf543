package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// keptOf is what of a record of tail -o json survives being put again. Its hash
// key does, too, but as a plain record it cannot be seen.
func keptOf(record map[string]any) string {
	headers := slices.DeleteFunc(slices.Clone(record["headers"].([]any)), func(header any) bool {
		name := header.(map[string]any)["name"]
		return name == "traceparent" || name == "tracestate" // in the stored key before
	})
	return fmt.Sprint(record["partition_key"], headers, record["traceparent"], record["tracestate"], record["data"], record["data_encoding"])
}

func TestPutOfWhatTailPrintsCopiesKeysHeadersTracesAndData(t *testing.T) {
	t.Parallel()
	server, flags := frozenServer(t)
	create(t, server.Client(), "copy", 1)
	run(t, "\xff\n", with(flags, "put", "orders", "-k", "user-9", "--explicit-hash-key", "0")...)
	printed := succeed(t, with(flags, "tail", "orders", "--no-follow", "-o", "json")...)
	put := run(t, printed, with(flags, "put", "copy", "--input", "json")...)
	if put.code != exitOK || put.stderr != "" {
		t.Fatalf("put --input json: %+v; want exit code 0 and silence on stderr", put)
	}
	source, copied := tailed(t, flags, "orders"), tailed(t, flags, "copy")
	if len(copied) != len(source) || len(source) < 4 {
		t.Fatalf("the copy holds %d records; want the %d of the source", len(copied), len(source))
	}
	// Records of several keys are put at once; each is there.
	var want, got []string
	for i := range source {
		want, got = append(want, keptOf(source[i])), append(got, keptOf(copied[i]))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the copy holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLinesInJSONSayWhatFlagsDoNot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, line string
		args       []string
		want       map[string]any
	}{
		{"nothing but data", `{"data": "x"}`, []string{"-k", "user-1"},
			map[string]any{"partition_key": "user-1", "stored_partition_key": "user-1", "data": "x", "headers": []any{}, "trace_id": testTraceID}},
		{"a key", `{"partition_key": "user-2", "data": ""}`, []string{"-k", "user-1"}, map[string]any{"partition_key": "user-2", "data": ""}},
		{"no key of its own", `{"partition_key": "", "data": "x"}`, []string{"-k", "user-1"}, map[string]any{"partition_key": "user-1"}},
		{"a hash key", `{"partition_key": "a", "explicit_hash_key": "340282366920938463463374607431768211455", "data": "x"}`, nil,
			map[string]any{"shard_id": shardID(1)}},
		{"data that is no text", `{"data": "/w==", "data_encoding": "base64"}`, nil, map[string]any{"data": "/w==", "data_encoding": "base64"}},
		{"another trace", `{"data": "x", "traceparent": "00-11111111111111111111111111111111-2222222222222222-01", "tracestate": "v=1"}`, nil,
			map[string]any{"trace_id": "11111111111111111111111111111111", "span_id": "2222222222222222", "tracestate": "v=1"}},
		{"a key carrier", `{"partition_key": "user-2", "data": "x"}`, []string{"--carrier", "lossless"},
			map[string]any{"partition_key": "user-2", "stored_partition_key": testParent + "-k1=user-2"}},
		{"places of another stream", `{"shard_id": "shardId-000000000007", "sequence_number": "1", "arrived_at": "then", "partition_key": "user-1", "data": "x"}`,
			nil, map[string]any{"shard_id": shardID(1)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, flags := localServer(t)
			env := map[string]string{"TRACEPARENT": testParent}
			put := runWith(t.Context(), tt.line+"\n", env, with(flags, append([]string{"put", "orders", "--input", "json"}, tt.args...)...)...)
			if put.code != exitOK || put.stderr != "" {
				t.Fatalf("put of %s: %+v; want exit code 0 and silence on stderr", tt.line, put)
			}
			got := tailed(t, flags, "orders")[0]
			if tt.name == "nothing but data" { // the trace lies in headers
				got["headers"] = []any{}
				tt.want["stored_partition_key"] = got["stored_partition_key"]
			}
			for name, want := range tt.want {
				if fmt.Sprint(got[name]) != fmt.Sprint(want) {
					t.Errorf("put of %s with %q: %s is %v; want %v", tt.line, tt.args, name, got[name], want)
				}
			}
		})
	}
}

func TestHeadersOfALineStandBehindThoseOfTheFlags(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	const lines = `{"data": "x", "headers": [{"name": "shop", "value": "3"}]}` + "\n" + `{"data": "y"}` + "\n"
	put := run(t, lines, with(flags, "put", "orders", "-k", "user-1", "--input", "json", "-H", "from=test")...)
	if put.code != exitOK {
		t.Fatalf("put: %+v; want exit code 0", put)
	}
	for i, want := range []string{`[{"name":"from","value":"test"},{"name":"shop","value":"3"}]`, `[{"name":"from","value":"test"}]`} {
		if got, _ := json.Marshal(tailed(t, flags, "orders")[i]["headers"]); string(got) != want {
			t.Errorf("the headers of line %d are %s; want %s", i+1, got, want)
		}
	}
}

func TestALineThatIsNoRecordIsNamedWithItsReason(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	const fields = "\n--input json takes an object in each line, with the fields that \"tail -o json\" writes.\n"
	for text, want := range map[string]string{
		`hello`:                          `it is no record in JSON: invalid character 'h' looking for beginning of value` + fields,
		``:                               `it is no record in JSON: it is empty` + fields,
		`{"data":`:                       `it is no record in JSON: it ends too early` + fields,
		`"x"`:                            `it is no record in JSON: it is a string` + fields,
		`{"data": 7}`:                    `it is no record in JSON: its data is a number` + fields,
		`{"data": "x"} {"data": "y"}`:    `it is no record in JSON: more stands behind the object` + fields,
		`{"data": "x", "key": "user-1"}`: `it is no record in JSON: unknown field "key"` + fields,
		`{"partition_key": "user-1"}`:    "it has no data\n",
		`{"data": "x", "partition_key": "` + strings.Repeat("k", 257) + `"}`: "its partition_key: a partition key has at most 256 characters, this one has 257\n",
		`{"data": "x", "explicit_hash_key": "ff"}`:                           "its explicit_hash_key is no decimal number from 0 to 340282366920938463463374607431768211455\n",
		`{"data": "*", "data_encoding": "base64"}`:                           "its data is no base64\n",
		`{"data": "x", "data_encoding": "hex"}`:                              "its data_encoding is \"hex\"; it can be base64\n",
		`{"data": "x", "traceparent": "00-abc"}`:                             "its traceparent \"00-abc\" is no W3C traceparent\n",
		`{"data": "x", "headers": [{"name": "shop", "value": "\u0033"}]}`:    "it has headers, which --carrier off cannot carry\n",
	} {
		got := run(t, "{\"data\": \"first\"}\n"+text+"\n", with(flags, "put", "orders", "-k", "user-1", "--input", "json", "--carrier", "off")...)
		reason, rest, _ := strings.Cut(want, "\n")
		want := "kinetrail: line 2 was not put: " + reason + "; 1 record was accepted and is in the stream\n" + rest
		if got.code != exitFailure || got.stderr != want {
			t.Errorf("put of the line %s: exit code %d, stderr\n%s\nwant %d and\n%s", text, got.code, got.stderr, exitFailure, want)
		}
	}
	const both = "kinetrail: --input json reads stdin, so DATA is too much\nRun \"kinetrail put --help\" for how to use it.\n"
	if got := run(t, "", with(flags, "put", "orders", "data", "--input", "json")...); got != (ran{code: exitUsage, stderr: both}) {
		t.Errorf("put of DATA with --input json: %+v; want exit code 2 and %q", got, both)
	}
}
