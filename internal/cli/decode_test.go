package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

const (
	testTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	testSpanID  = "00f067aa0ba902b7"
	testParent  = "00-" + testTraceID + "-" + testSpanID + "-01"
)

func TestDecodeTellsSecondAndShardOfASequenceNumber(t *testing.T) {
	t.Parallel()
	// The numbers of a stream that was split and merged on AWS.
	tests := []struct{ number, shard, created, issued, place string }{
		{"49646421264737784557324905820411013094940000525450477570", "shardId-000000000000", "2023-11-14T09:31:23Z", "2023-11-14T09:31:23Z", "start of the shard"},
		{"49646421264748934929924171131980572028256847859579617282", "shardId-000000000000", "2023-11-14T09:31:23Z", "2023-11-14T10:04:48Z", "end of the shard"},
		{"49646421980524803194562316794282962492134597634174222354", "shardId-000000000001", "2023-11-14T10:04:49Z", "2023-11-14T10:04:49Z", "start of the shard"},
		{"49646421980535953567161582105852521425451370064073719826", "shardId-000000000001", "2023-11-14T10:04:49Z", "2023-11-14T10:20:04Z", "end of the shard"},
		{"49646421980547103939760847417424498210407245995680202786", "shardId-000000000002", "2023-11-14T10:04:49Z", "2023-11-14T10:04:49Z", "start of the shard"},
		{"49646421980558254312360112728994057143724018425579700258", "shardId-000000000002", "2023-11-14T10:04:49Z", "2023-11-14T10:20:04Z", "end of the shard"},
		{"49646422307409126314624190802913520932614343535875850290", "shardId-000000000003", "2023-11-14T10:20:05Z", "2023-11-14T10:20:05Z", "start of the shard"},
		{"49646447835808079664180011482520906336196071965037953026", "shardId-000000000000", "2023-11-15T06:12:31Z", "2023-11-15T06:12:31Z", "start of the shard"},
		{"49646447835897282644974133975087049209286665411061874754", "shardId-000000000004", "2023-11-15T06:12:31Z", "2023-11-15T06:12:31Z", "start of the shard"},
	}
	for _, tt := range tests {
		var got decodedSequence
		if err := json.Unmarshal([]byte(succeed(t, "decode", tt.number, "-o", "json")), &got); err != nil {
			t.Fatal(err)
		}
		want := decodedSequence{
			SequenceNumber: tt.number, Version: 2, ShardID: tt.shard,
			ShardCreatedAt: tt.created, IssuedAt: tt.issued, Counter: got.Counter, Place: tt.place,
		}
		if got != want {
			t.Errorf("kinetrail decode %s = %+v; want %+v", tt.number, got, want)
		}
	}
	golden(t, "decode_sequence.txt", succeed(t, "decode", tests[1].number))
}

func TestDecodeGivesBackTheOriginalKeyOfEveryStoredForm(t *testing.T) {
	t.Parallel()
	trace := kinetrail.TraceContext{Parent: testParent, State: "vendor=abc", Baggage: "tenant=7"}
	lossless := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	extended, _, _ := lossless.Write("user-1", "", trace)
	escaped, _, _ := lossless.Write(extended, "", kinetrail.TraceContext{})
	tests := []struct {
		name, stored, form, carrier string
		key                         string
		traced                      bool
	}{
		{"plain", "user-1", "plain", "off", "user-1", false},
		{"a number", "20261120", "plain", "off", "20261120", false},
		{"a version and a date", "00-2026-11-20", "plain", "off", "00-2026-11-20", false},
		{"lossless", extended, "extended", "lossless", "user-1", true},
		{"escaped", escaped, "escaped", "lossless", extended, false},
		{"traceparent", testParent, "traceparent", "traceparent", "", true},
		{"later version", testParent + "-k2;x=user-1", "unknown_version", "lossless", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got decodedKey
			if err := json.Unmarshal([]byte(succeed(t, "decode", tt.stored, "-o", "json")), &got); err != nil {
				t.Fatal(err)
			}
			if got.StoredPartitionKey != tt.stored || got.Form != tt.form || got.Carrier != tt.carrier || textOrNone(got.PartitionKey) != tt.key {
				t.Errorf("kinetrail decode %q = %+v; want form %s, carrier %s, key %q", tt.stored, got, tt.form, tt.carrier, tt.key)
			}
			if tt.traced != (textOrNone(got.TraceID) == testTraceID) || tt.traced != (textOrNone(got.SpanID) == testSpanID) || tt.traced != got.Sampled {
				t.Errorf("kinetrail decode %q: trace %q, span %q, sampled %t; want the trace: %t",
					tt.stored, textOrNone(got.TraceID), textOrNone(got.SpanID), got.Sampled, tt.traced)
			}
		})
	}
	golden(t, "decode_key.txt", succeed(t, "decode", extended))
}

// testContainer holds three records: headers, a hash key of its own, and data
// that is no text.
func testContainer() []byte {
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "user-1", Data: []byte("hello"), Headers: []kinetrail.Header{{Name: "traceparent", Value: testParent}, {Name: "n", Value: "1"}, {Name: "n", Value: "2"}}})
	b.Add(&aggregate.UserRecord{PartitionKey: "漢字", ExplicitHashKey: "42", Data: []byte("two\nlines")})
	b.Add(&aggregate.UserRecord{PartitionKey: "user-1", Data: []byte{0xff, 0x00}})
	return b.AppendTo(nil)
}

func TestDecodeShowsTheRecordsOfAContainerFromFileAndStdin(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(path, testContainer(), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := succeed(t, "decode", path)
	golden(t, "decode_container.txt", fromFile)
	golden(t, "decode_container.json", succeed(t, "decode", path, "-o", "json"))
	for _, args := range [][]string{{"decode"}, {"decode", "-"}, {"decode", "--as", "record", "-"}} {
		if got := run(t, string(testContainer()), args...); got.code != exitOK || got.stdout != fromFile {
			t.Errorf("%v printed\n%s(exit code %d, stderr %q); want\n%s", args, got.stdout, got.code, got.stderr, fromFile)
		}
	}
	golden(t, "decode_plain.txt", run(t, "hello\x1b[2J", "decode").stdout)
}
