package localkinesis_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/shardmap"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// reader reads a shard to where it ends or waits.
type reader struct {
	t      tester
	client *kinesis.Client
}

func (r reader) iterator(in *kinesis.GetShardIteratorInput) *string {
	r.t.Helper()
	in.StreamName = aws.String("orders")
	out, err := r.client.GetShardIterator(background, in)
	if err != nil {
		r.t.Fatalf("GetShardIterator %v: %v", in, err)
	}
	return out.ShardIterator
}

// drain returns the payloads from an iterator on, and the last answer.
func (r reader) drain(iterator *string, limit int32) (payloads []string, last *kinesis.GetRecordsOutput) {
	r.t.Helper()
	for iterator != nil {
		out, err := r.client.GetRecords(background, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(limit)})
		if err != nil {
			r.t.Fatalf("GetRecords: %v", err)
		}
		if len(out.Records) > int(limit) {
			r.t.Fatalf("GetRecords gave %d records; the limit was %d", len(out.Records), limit)
		}
		for _, record := range out.Records {
			payloads = append(payloads, string(record.Data))
		}
		last, iterator = out, out.NextShardIterator
		if len(out.Records) == 0 && *out.MillisBehindLatest == 0 {
			break
		}
	}
	return payloads, last
}

func serverFor(t tester, opts ...func(*localkinesis.Options)) (*localkinesis.Server, *kinesis.Client) {
	t.Helper()
	s, err := localkinesis.New(opts...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s, s.Client(once)
}

func TestEveryIteratorTypeBeginsWhereItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, client := serverFor(t, withStream("orders", 1))
		defer s.Close()
		s.Clock().Freeze()
		r := reader{t, client}
		shard := aws.String("shardId-000000000000")

		type put struct {
			payload string
			number  string
			at      time.Time
		}
		var puts []put
		payloadsFrom := func(first int) []string {
			var list []string
			for _, p := range puts[first:] {
				list = append(list, p.payload)
			}
			return list
		}
		store := func(n int) {
			for range n {
				payload := fmt.Sprint(len(puts))
				out, err := client.PutRecord(background, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte(payload)})
				if err != nil {
					t.Fatalf("PutRecord: %v", err)
				}
				puts = append(puts, put{payload, *out.SequenceNumber, s.Clock().Now()})
				s.Clock().Advance(time.Duration(rapid.IntRange(0, 3000).Draw(t, "pause")) * time.Millisecond)
			}
		}
		store(rapid.IntRange(0, 8).Draw(t, "before"))
		latest := r.iterator(&kinesis.GetShardIteratorInput{ShardId: shard, ShardIteratorType: types.ShardIteratorTypeLatest})
		behindLatest := len(puts)
		store(rapid.IntRange(1, 8).Draw(t, "after"))

		limit := int32(rapid.IntRange(1, 20).Draw(t, "limit"))
		check := func(what string, iterator *string, first int) {
			if got, _ := r.drain(iterator, limit); !slices.Equal(got, payloadsFrom(first)) {
				t.Fatalf("%s gave %v; want %v", what, got, payloadsFrom(first))
			}
		}
		i := rapid.IntRange(0, len(puts)-1).Draw(t, "record")
		if rapid.Bool().Draw(t, "closed") {
			if _, err := client.UpdateShardCount(background, &kinesis.UpdateShardCountInput{
				StreamName: aws.String("orders"), TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling,
			}); err != nil {
				t.Fatalf("UpdateShardCount: %v", err)
			}
		}
		check("LATEST", latest, behindLatest)
		check("TRIM_HORIZON", r.iterator(&kinesis.GetShardIteratorInput{ShardId: shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}), 0)
		check("AT_SEQUENCE_NUMBER", r.iterator(&kinesis.GetShardIteratorInput{
			ShardId: shard, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &puts[i].number,
		}), i)
		check("AFTER_SEQUENCE_NUMBER", r.iterator(&kinesis.GetShardIteratorInput{
			ShardId: shard, ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &puts[i].number,
		}), i+1)
		shards, err := s.Shards("orders")
		if err != nil {
			t.Fatalf("%v", err)
		}
		check("AT_SEQUENCE_NUMBER of the shard's start", r.iterator(&kinesis.GetShardIteratorInput{
			ShardId: shard, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: aws.String(shards[0].Start.String()),
		}), 0)
		instant := puts[i].at.Truncate(time.Millisecond)
		first := slices.IndexFunc(puts, func(p put) bool { return !p.at.Truncate(time.Millisecond).Before(instant) })
		check("AT_TIMESTAMP", r.iterator(&kinesis.GetShardIteratorInput{
			ShardId: shard, ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &instant,
		}), first)
	})
}

func TestIteratorsExpireAfterFiveMinutesOfTheServersClock(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	client := s.Client(once)
	s.Clock().Freeze()
	iterator := reader{t, client}.iterator(&kinesis.GetShardIteratorInput{
		ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	s.Clock().Advance(5 * time.Minute)
	out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator})
	must(t, out, err)
	s.Clock().Advance(time.Millisecond)
	if _, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator}); !isA[*types.ExpiredIteratorException](err) {
		t.Errorf("after 5 minutes and a millisecond: %v; want ExpiredIteratorException", err)
	}
	out, err = client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: out.NextShardIterator})
	must(t, out, err)
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestIteratorsAreRefusedByAnotherServerAndWhenTheyWereChanged(t *testing.T) {
	t.Parallel()
	s, other := inProcess(t, withStream("orders", 1)), inProcess(t, withStream("orders", 1))
	iterator := *reader{t, s.Client()}.iterator(&kinesis.GetShardIteratorInput{
		ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	changed := []byte(iterator)
	changed[len(changed)/2] ^= 1
	for server, text := range map[*localkinesis.Server]string{other: iterator, s: string(changed)} {
		if code, message := refusal(t, server, "GetRecords", `{"ShardIterator":"`+text+`"}`); code != "InvalidArgumentException" || message != "Invalid ShardIterator." {
			t.Errorf("GetRecords(%s): %s %q; want InvalidArgumentException", text, code, message)
		}
	}
}

func TestMillisBehindLatestIsTheAgeOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	client := s.Client(once)
	s.Clock().Freeze()
	for range 3 {
		mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":""}`)
		s.Clock().Advance(time.Second)
	}
	iterator := reader{t, client}.iterator(&kinesis.GetShardIteratorInput{
		ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	for i, want := range []int64{2000, 1000, 0, 0} {
		out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(1)})
		if got := *must(t, out, err).MillisBehindLatest; got != want {
			t.Errorf("page %d: MillisBehindLatest = %d; want %d", i, got, want)
		}
		iterator = out.NextShardIterator
	}
}

func TestRecordsExpireWithTheRetentionPeriod(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	s.Clock().Freeze()
	mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"old","Data":""}`)
	s.Clock().Advance(23 * time.Hour)
	mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"new","Data":""}`)
	s.Clock().Advance(time.Hour + time.Millisecond)
	records, err := s.Records("orders", "")
	if must(t, records, err); len(records) != 1 || records[0].PartitionKey != "new" {
		t.Errorf("after a day there are %v; want the new record only", records)
	}
}

func TestAPageHoldsAtMostTenMebibytesButAtLeastOneRecord(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	client := s.Client(once)
	for range 11 {
		out, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: make([]byte, 1<<20-1)})
		must(t, out, err)
	}
	iterator := reader{t, client}.iterator(&kinesis.GetShardIteratorInput{
		ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	for i, want := range []int{10, 1} {
		out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator})
		if got := len(must(t, out, err).Records); got != want {
			t.Errorf("page %d has %d records; want %d", i, got, want)
		}
		iterator = out.NextShardIterator
	}
}

func TestListsContinueWithTheirTokens(t *testing.T) {
	t.Parallel()
	s := inProcess(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"a": 5, "b": 1, "c": 1} })
	client := s.Client(once)
	var ids []string
	in := &kinesis.ListShardsInput{StreamName: aws.String("a"), MaxResults: aws.Int32(2)}
	for {
		out, err := client.ListShards(t.Context(), in)
		for _, shard := range must(t, out, err).Shards {
			ids = append(ids, *shard.ShardId)
		}
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken, MaxResults: aws.Int32(2)}
	}
	if want := []string{"shardId-000000000000", "shardId-000000000001", "shardId-000000000002", "shardId-000000000003", "shardId-000000000004"}; !slices.Equal(ids, want) {
		t.Errorf("ListShards page by page: %v; want %v", ids, want)
	}
	var names []string
	for pages := kinesis.NewListStreamsPaginator(client, &kinesis.ListStreamsInput{Limit: aws.Int32(1)}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		names = append(names, must(t, out, err).StreamNames...)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("ListStreams page by page: %v; want %v", names, want)
	}

	s.Clock().Freeze()
	out, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("a"), MaxResults: aws.Int32(2)})
	token := must(t, out, err).NextToken
	s.Clock().Advance(5*time.Minute + time.Millisecond)
	if _, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{NextToken: token}); !isA[*types.ExpiredNextTokenException](err) {
		t.Errorf("ListShards with an old token: %v; want ExpiredNextTokenException", err)
	}
}

func TestRecordsGoToTheShardThatOwnsTheirHashKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "shards")
		s, client := serverFor(t, withStream("orders", n))
		defer s.Close()
		ranges := shardmap.Uniform(n)
		for range 20 {
			key := rapid.StringN(1, 40, 256).Draw(t, "key")
			in := &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte{}}
			hash := shardmap.HashKeyOf(key)
			if rapid.Bool().Draw(t, "explicit") {
				r := ranges[rapid.IntRange(0, n-1).Draw(t, "range")]
				hash = rapid.SampledFrom([]shardmap.HashKey{r.Start, r.End}).Draw(t, "edge")
				in.ExplicitHashKey = aws.String(hash.String())
			}
			out, err := client.PutRecord(background, in)
			if err != nil {
				t.Fatalf("PutRecord %q: %v", key, err)
			}
			want := slices.IndexFunc(ranges, func(r shardmap.Range) bool { return r.Contains(hash) })
			if *out.ShardId != fmt.Sprintf("shardId-%012d", want) {
				t.Fatalf("key %q with hash key %s went to %s; want shard %d", key, hash, *out.ShardId, want)
			}
		}
	})
}
