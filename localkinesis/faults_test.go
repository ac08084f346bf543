package localkinesis_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// strike adds a rule in its text form.
func strike(t *testing.T, s *localkinesis.Server, text string) {
	t.Helper()
	rule, err := fault.Parse(text)
	must(t, rule, err)
	must(t, 0, s.Faults().Add(rule))
}

func putOne(client *kinesis.Client, key string) error {
	_, err := client.PutRecord(background, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(key)})
	return err
}

// everyWay runs a test over the network and in the same process.
func everyWay(t *testing.T, test func(t *testing.T, s *localkinesis.Server)) {
	t.Run("network", func(t *testing.T) {
		t.Parallel()
		test(t, localkinesis.Start(t, withStream("orders", 2)))
	})
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		test(t, inProcess(t, withStream("orders", 2)))
	})
}

func TestTheNthCallIsAnsweredWithTheErrorAndHasNoEffect(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, s *localkinesis.Server) {
		strike(t, s, "PutRecord nth=2 error=ProvisionedThroughputExceededException")
		client := s.Client(once)
		for i, wantError := range []bool{false, true, false} {
			err := putOne(client, "k")
			if isA[*types.ProvisionedThroughputExceededException](err) != wantError || (err != nil) != wantError {
				t.Errorf("put %d: %v; want an error: %t", i, err, wantError)
			}
		}
		records, err := s.Records("orders", "")
		if got := len(must(t, records, err)); got != 2 {
			t.Errorf("%d records were stored; want 2", got)
		}
		if hits := s.Faults().Hits(); hits[0].Matched != 3 || hits[0].Hits != 1 {
			t.Errorf("Hits() = %+v; want 3 matched, 1 hit", hits)
		}
	})
}

func TestADroppedConnectionLosesTheAnswerBeforeOrAfterTheEffect(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, s *localkinesis.Server) {
		client := s.Client(once)
		for _, tt := range []struct {
			drop string
			want int
		}{{"before", 0}, {"after", 1}} {
			strike(t, s, "PutRecord nth=1 drop="+tt.drop)
			if err := putOne(client, tt.drop); err == nil {
				t.Errorf("drop=%s: no error; want a broken connection", tt.drop)
			}
			records, err := s.Records("orders", "")
			stored := slices.DeleteFunc(must(t, records, err), func(r localkinesis.Record) bool { return r.PartitionKey != tt.drop })
			if len(stored) != tt.want {
				t.Errorf("drop=%s: %d records stored; want %d", tt.drop, len(stored), tt.want)
			}
		}
		calls := s.Calls()
		if last := calls[len(calls)-1]; last.Status != 0 || last.Operation != "PutRecord" {
			t.Errorf("the dropped call is kept as %+v; want status 0", last)
		}
	})
}

func TestSomeRecordsOfAPutFailAndTheOthersAreStored(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 2))
	client := s.Client(once)
	put := func() (failed []int) {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
		for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: []byte{}})
		}
		out, err := client.PutRecords(t.Context(), in)
		for i, r := range must(t, out, err).Records {
			if r.ErrorCode == nil {
				continue
			}
			failed = append(failed, i)
			if *r.ErrorCode != "ProvisionedThroughputExceededException" || !strings.Contains(*r.ErrorMessage, "Rate exceeded for shard shardId-00000000000") {
				t.Errorf("record %d: %s %q", i, *r.ErrorCode, *r.ErrorMessage)
			}
		}
		if int(*out.FailedRecordCount) != len(failed) {
			t.Errorf("FailedRecordCount = %d; %d records have an error", *out.FailedRecordCount, len(failed))
		}
		return failed
	}
	strike(t, s, "PutRecords nth=1 records=2")
	if got := put(); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("records=2 failed %v; want the first two", got)
	}
	strike(t, s, "PutRecords nth=1 records=6 shard=shardId-000000000000")
	onShard0 := put()
	records, err := s.Records("orders", "shardId-000000000000")
	if 2*len(must(t, records, err)) > 6 || len(onShard0) == 0 || len(onShard0) == 6 {
		t.Errorf("with a shard given, %v failed and %d records are on it", onShard0, len(records))
	}
	strike(t, s, "PutRecords nth=1 records=2 seed=9")
	first := put()
	s.Faults().Clear()
	strike(t, s, "PutRecords nth=1 records=2 seed=9")
	if again := put(); !slices.Equal(first, again) || len(first) != 2 {
		t.Errorf("seed 9 failed %v, then %v; want the same two", first, again)
	}
}

func TestChanceIsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	client := s.Client(once)
	run := func(seed string) (struck []bool) {
		s.Faults().Clear()
		strike(t, s, "PutRecord p=0.5 error=InternalFailure seed="+seed)
		for range 40 {
			struck = append(struck, putOne(client, "k") != nil)
		}
		return struck
	}
	first, again, other := run("1"), run("1"), run("2")
	if !slices.Equal(first, again) || slices.Equal(first, other) || !slices.Contains(first, true) || !slices.Contains(first, false) {
		t.Errorf("seed 1: %v, again %v; seed 2: %v", first, again, other)
	}
}

func TestAStaleShardListShowsTheShardsBeforeTheLatestReshard(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	for _, target := range []string{"2", "1"} {
		mustSend(t, s, "UpdateShardCount", `{"StreamName":"orders","TargetShardCount":`+target+`,"ScalingType":"UNIFORM_SCALING"}`)
	}
	strike(t, s, "ListShards nth=1 stale")
	out, err := s.Client().ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("orders")})
	var got []string
	for _, shard := range must(t, out, err).Shards {
		state := " open"
		if shard.SequenceNumberRange.EndingSequenceNumber != nil {
			state = " closed"
		}
		got = append(got, *shard.ShardId+state)
	}
	if want := []string{"shardId-000000000000 closed", "shardId-000000000001 open", "shardId-000000000002 open"}; !slices.Equal(got, want) {
		t.Errorf("stale list: %v; want %v", got, want)
	}
	out, err = s.Client().ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("orders")})
	if got := len(must(t, out, err).Shards); got != 4 {
		t.Errorf("the next list has %d shards; want 4", got)
	}
	strike(t, s, "DescribeStream nth=1 stale")
	for _, want := range []int{3, 4} {
		if got := strings.Count(mustSend(t, s, "DescribeStream", `{"StreamName":"orders"}`), `"ShardId"`); got != want {
			t.Errorf("DescribeStream shows %d shards; want %d", got, want)
		}
	}
}

func TestAnIteratorExpiresByRuleOrByAJumpOfTheClock(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"GetRecords nth=2 error=ExpiredIteratorException", "GetRecords nth=2 clock=6m"} {
		s := inProcess(t, withStream("orders", 1))
		strike(t, s, text)
		client := s.Client(once)
		iterator := reader{t, client}.iterator(&kinesis.GetShardIteratorInput{
			ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeLatest,
		})
		in := &kinesis.GetRecordsInput{ShardIterator: iterator}
		out, err := client.GetRecords(t.Context(), in)
		must(t, out, err)
		if _, err := client.GetRecords(t.Context(), in); !isA[*types.ExpiredIteratorException](err) {
			t.Errorf("%s: %v; want ExpiredIteratorException", text, err)
		}
	}
}

func TestADelayPassesOnTheServersClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inProcess(t, withStream("orders", 1))
		s.Clock().Freeze()
		strike(t, s, "PutRecord nth=1 delay=10m")
		client := s.Client(once)
		done := make(chan error, 1)
		go func() { done <- putOne(client, "k") }()
		synctest.Wait()
		s.Clock().Advance(10*time.Minute - 1)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("the put returned %v before its delay was over", err)
		default:
		}
		s.Clock().Advance(1)
		if err := <-done; err != nil {
			t.Errorf("the put after its delay: %v", err)
		}

		strike(t, s, "PutRecord times=1 delay=10m")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte{}})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; err == nil {
			t.Error("a cancelled put in its delay: no error")
		}
	})
}

func TestRulesOfAShardStrikeItsCallsOnly(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 2))
	client := s.Client(once)
	strike(t, s, "* shard=shardId-000000000001 error=LimitExceededException")
	for _, tt := range []struct {
		call string
		err  error
		want bool
	}{
		{"PutRecord on shard 1", putOne(client, "k"), true},
		{"PutRecord on shard 0", putOne(client, "a"), false},
		{"GetShardIterator of shard 1", iteratorError(client, "shardId-000000000001"), true},
		{"GetShardIterator of shard 0", iteratorError(client, "shardId-000000000000"), false},
	} {
		if isA[*types.LimitExceededException](tt.err) != tt.want {
			t.Errorf("%s: %v; want LimitExceededException: %t", tt.call, tt.err, tt.want)
		}
	}
}

func iteratorError(client *kinesis.Client, shard string) error {
	_, err := client.GetShardIterator(background, &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	return err
}
