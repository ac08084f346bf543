package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/shardmap"
)

// replayServer has a stream "orders" of two shards and empty ones to copy to.
func replayServer(t *testing.T) (server *localkinesis.Server, flags []string) {
	t.Helper()
	server = localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2, "copy": 2, "wide": 4} })
	return server, []string{"--local", "--endpoint-url", server.URL()}
}

func putAs(t *testing.T, server *localkinesis.Server, key, hashKey string, data []byte) {
	t.Helper()
	in := &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: data}
	if hashKey != "" {
		in.ExplicitHashKey = &hashKey
	}
	if _, err := server.Client().PutRecord(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// container has a record for each key, with a header.
func container(keys ...string) []byte {
	var b aggregate.Builder
	for _, key := range keys {
		b.Add(&aggregate.UserRecord{PartitionKey: key, Data: []byte("of " + key), Headers: []kinetrail.Header{{Name: "shop", Value: key}}})
	}
	return b.AppendTo(nil)
}

// storedRecords are the Kinesis records of a stream as "key=data", by shard.
func storedRecords(t *testing.T, server *localkinesis.Server, stream string) map[string][]string {
	t.Helper()
	records, err := server.Records(stream, "")
	if err != nil {
		t.Fatal(err)
	}
	stored := make(map[string][]string)
	for _, r := range records {
		stored[r.ShardID] = append(stored[r.ShardID], r.PartitionKey+"="+string(r.Data))
	}
	return stored
}

func TestReplayCopiesEveryKindOfRecordToTheShardOfItsKeyInOrder(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	second := shardmap.Uniform(2)[1].Start.String()
	lossless := testParent + "-k1=user-1" // user-1 belongs to the second shard
	for i := range 3 {
		putAs(t, server, "user-1", "", fmt.Appendf(nil, "plain %d", i))
		putAs(t, server, lossless, shardmap.HashKeyOf("user-1").String(), fmt.Appendf(nil, "traced %d", i))
		putAs(t, server, "user-2", second, fmt.Appendf(nil, "elsewhere %d", i)) // its key belongs to the first
		putAs(t, server, testParent, second, fmt.Appendf(nil, "of an unknown key %d", i))
		putAs(t, server, "a", "0", container("user-2", "user-3")) // both belong to the first
	}
	got := succeed(t, with(flags, "replay", "orders", "copy")...)
	if want := regexp.MustCompile(`^Copied 18 records of orders to copy, in 15 Kinesis records, \d+ bytes in .+\.\n$`); !want.MatchString(got) {
		t.Errorf("replay printed %q; want %s", got, want)
	}
	source, copied := storedRecords(t, server, "orders"), storedRecords(t, server, "copy")
	for shard, all := range source {
		// Records of user-1 keep their order, those of an unknown key with all.
		for _, only := range []string{"user-1=", "user-2=", "a="} {
			among := func(records []string) []string {
				return slices.DeleteFunc(slices.Clone(records), func(r string) bool { return !strings.Contains(r, only) && !strings.Contains(r, "unknown") })
			}
			if got, want := among(copied[shard]), among(all); !slices.Equal(got, want) {
				t.Errorf("%s holds of %s\n%q\nwant what the source has there, in its order\n%q", shard, only, got, want)
			}
		}
		if len(copied[shard]) != len(all) {
			t.Errorf("%s holds %d records; want the %d of the source", shard, len(copied[shard]), len(all))
		}
	}
}

func TestAStreamThatPlacesRecordsByItselfIsPutToAndReplayed(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	client := server.Client()
	_, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{
		StreamName:                 aws.String("spread"),
		StreamModeDetails:          &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
		RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{[]byte("without a key"), container("user-1", "user-2")} {
		if _, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("spread"), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, with(flags, "put", "spread", "of user-3", "-k", "user-3")...)
	got := succeed(t, with(flags, "replay", "spread", "copy")...)
	if want := "Copied 4 records of spread to copy, in 3 Kinesis records, "; !strings.HasPrefix(got, want) {
		t.Errorf("replay printed %q; want %s…", got, want)
	}
	var copied []string
	for _, record := range tailed(t, flags, "copy") {
		copied = append(copied, record["data"].(string))
	}
	slices.Sort(copied)
	if want := []string{"of user-1", "of user-2", "of user-3", "without a key"}; !slices.Equal(copied, want) {
		t.Errorf("the copy holds %q; want %q", copied, want)
	}
}

func TestReplayDividesAContainerWhoseRecordsBelongToSeveralShards(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	keys := []string{"user-1", "user-2", "user-3", "user-4", "user-5", "user-6"}
	putAs(t, server, "a", "0", container(keys...))
	var result replayResult
	if err := json.Unmarshal([]byte(succeed(t, with(flags, "replay", "orders", "wide", "-o", "json")...)), &result); err != nil {
		t.Fatal(err)
	}
	if result.Copied != len(keys) || result.Kinesis != 1 || result.Divided != 1 {
		t.Errorf("replay -o json printed %+v; want %d records in one Kinesis record, divided", result, len(keys))
	}
	var found []string
	for _, record := range tailed(t, flags, "wide") {
		key := record["partition_key"].(string)
		found = append(found, key)
		if want := strings.Fields(succeed(t, "hashkey", "--shards", "4", "-o", "tsv", key))[3]; record["shard_id"] != want {
			t.Errorf("the record of %s is on %s; want %s", key, record["shard_id"], want)
		}
		if headers := fmt.Sprint(record["headers"]); record["data"] != "of "+key || headers != "[map[name:shop value:"+key+"]]" {
			t.Errorf("the record of %s holds %q and the headers %s; want what was put", key, record["data"], headers)
		}
	}
	slices.Sort(found)
	if !slices.Equal(found, keys) {
		t.Errorf("the copy has the keys %q; want each of %q once", found, keys)
	}
}

func TestReplayKeepsToItsRangeAndShardAndFollowsReshards(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	server.Clock().Freeze()
	start := time.Date(2023, 11, 14, 9, 0, 0, 0, time.UTC)
	for minute := range 4 {
		server.Clock().Set(start.Add(time.Duration(minute) * time.Minute))
		for _, key := range []string{"user-1", "user-2"} {
			putAs(t, server, key, "", fmt.Appendf(nil, "%d", minute))
		}
		if minute == 1 {
			succeed(t, with(flags, "reshard", "orders", "--shards", "4")...)
		}
	}
	tests := []struct {
		into string
		args []string
		want string // what user-1 and user-2 said
	}{
		{"copy", nil, "0123 0123"},
		{"a", []string{"--from", "2023-11-14T09:01:00Z"}, "123 123"},
		{"b", []string{"--from", "2023-11-14T09:01:00Z", "--to", "2023-11-14T09:03:00Z", "--rate", "1000"}, "12 12"},
		{"c", []string{"--to", "2023-11-14T09:01:00Z"}, "0 0"},
		{"d", []string{"--shard", "shardId-000000000001"}, "01 "},
	}
	for _, tt := range tests {
		if tt.into != "copy" {
			create(t, server.Client(), tt.into, 3)
		}
		succeed(t, with(flags, append([]string{"replay", "orders", tt.into}, tt.args...)...)...)
		said := map[string]string{}
		records, err := server.Records(tt.into, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			said[r.PartitionKey] += string(r.Data)
		}
		if got := said["user-1"] + " " + said["user-2"]; got != tt.want {
			t.Errorf("replay %q copied %q; want %q", tt.args, got, tt.want)
		}
	}
}

func TestReplayRepeatsWhatIsThrottledWithoutDisturbingTheOrder(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	for i := range 40 {
		putAs(t, server, fmt.Sprintf("user-%d", i%4), "", fmt.Appendf(nil, "%d", i))
	}
	addFault(t, server, "PutRecords p=0.3 seed=7 times=6 records=1")
	addFault(t, server, "PutRecords nth=3 error=ProvisionedThroughputExceededException")
	succeed(t, with(flags, "replay", "orders", "copy")...)
	source, copied := storedRecords(t, server, "orders"), storedRecords(t, server, "copy")
	for shard := range source {
		for user := range 4 {
			key := fmt.Sprintf("user-%d=", user)
			if got, want := withPrefix(copied[shard], key), withPrefix(source[shard], key); !slices.Equal(got, want) {
				t.Errorf("the records of %s in the copy are %q; want %q", key, got, want)
			}
		}
	}
}

func withPrefix(texts []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return !strings.HasPrefix(text, prefix) })
}

func addFault(t *testing.T, server *localkinesis.Server, text string) {
	t.Helper()
	rule, err := fault.Parse(text)
	if err == nil {
		err = server.Faults().Add(rule)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplayThatFailsSaysFromWhereItGoesOnAndThenLosesNothing(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	server.Clock().Freeze()
	start := time.Date(2023, 11, 14, 9, 0, 0, 0, time.UTC)
	for minute := range 10 {
		server.Clock().Set(start.Add(time.Duration(minute) * time.Minute))
		putAs(t, server, "user-1", "", fmt.Appendf(nil, "%d ", minute))
	}
	addFault(t, server, "PutRecords nth=5 error=AccessDeniedException")
	got := run(t, "", with(flags, "replay", "orders", "copy")...)
	const want = "; 4 records were copied, and --from 2023-11-14T09:04:00.000Z goes on\n"
	if got.code != exitFailure || got.stdout != "" || !strings.HasSuffix(got.stderr, want) {
		t.Fatalf("replay: %+v; want exit code 1 and at the end %q", got, want)
	}
	succeed(t, with(flags, "replay", "orders", "copy", "--from", "2023-11-14T09:04:00.000Z")...)
	said := succeed(t, with(flags, "tail", "copy", "--no-follow", "-o", "raw")...)
	if got, want := strings.Join(strings.Fields(said), " "), "0 1 2 3 4 5 6 7 8 9"; got != want {
		t.Errorf("after going on the copy says %q; want %q", got, want)
	}
}

func TestReplayThatIsInterruptedSaysFromWhereItGoesOn(t *testing.T) {
	t.Parallel()
	server, _ := replayServer(t)
	for i := range 5 {
		putAs(t, server, "user-1", "", fmt.Appendf(nil, "%d", i))
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	puts := 0
	flags := watched(t, server, func(operation string) {
		if operation == "PutRecords" { // one at a time
			if puts++; puts == 3 {
				interrupt()
			}
		}
	})
	var stdout, stderr bytes.Buffer
	code := Run(ctx, with(flags, "replay", "orders", "copy"), strings.NewReader(""), &stdout, &stderr, noVariables)
	want := regexp.MustCompile(`^kinetrail: interrupted: 3 records were copied, and --from \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z goes on\n$`)
	if code != exitInterrupted || !want.MatchString(stderr.String()) || stdout.Len() > 0 {
		t.Errorf("replay: exit code %d, stderr %q, stdout %q; want %d, %s, silence", code, stderr.String(), stdout.String(), exitInterrupted, want)
	}
}

func TestReplayIntoAnotherServerMayHaveTheSameStream(t *testing.T) {
	t.Parallel()
	server, flags := replayServer(t)
	other, _ := replayServer(t)
	putAs(t, server, "user-1", "", []byte("hello"))
	succeed(t, with(flags, "replay", "orders", "orders", "--dst-endpoint-url", other.URL())...)
	succeed(t, with(flags, "replay", "orders", "orders", "--dst-region", "eu-west-1")...)
	if got := storedRecords(t, other, "orders"); len(got) != 1 {
		t.Errorf("the other server holds %v; want one record", got)
	}
	elsewhere := with(flags, "--region", "eu-west-1", "tail", "orders", "--no-follow", "-o", "raw")
	if got := succeed(t, elsewhere...); got != "hello\n" {
		t.Errorf("the other region holds %q; want the record", got)
	}
}

func TestReplayBarIsAsLongAsWhatIsCopied(t *testing.T) {
	t.Parallel()
	from := time.Date(2023, 11, 14, 9, 0, 0, 0, time.UTC)
	for minutes, want := range map[int]string{
		-1: "····················   0 %", 0: "····················   0 %", 30: "██████████··········  50 %", 60: "████████████████████ 100 %", 90: "████████████████████ 100 %",
	} {
		if got := replayBar(from, from.Add(time.Duration(minutes)*time.Minute), from.Add(time.Hour)); got != want {
			t.Errorf("%d minutes of an hour are drawn as %q; want %q", minutes, got, want)
		}
	}
}
