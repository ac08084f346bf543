package localkinesis_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// strict is a server that enforces limits, at an instant that stands still.
func strict(t *testing.T, shards int) *localkinesis.Server {
	t.Helper()
	s := inProcess(t, withStream("orders", shards), func(o *localkinesis.Options) { o.Strict = true })
	s.Clock().Freeze()
	return s
}

// entries is a PutRecords of so many records of so many bytes, on shard 0 of
// one.
func entries(records, bytes int) string {
	entry := `{"PartitionKey":"k","Data":"` + strings.Repeat("AAAA", bytes/3) + `"}`
	return `{"StreamName":"orders","Records":[` + strings.TrimSuffix(strings.Repeat(entry+",", records), ",") + `]}`
}

func TestAShardTakesAThousandRecordsASecond(t *testing.T) {
	t.Parallel()
	s := strict(t, 1)
	failed := func() string {
		body := mustSend(t, s, "PutRecords", entries(500, 0))
		return body[:strings.Index(body, ",")]
	}
	for i, want := range []int{0, 0, 500} {
		if got := failed(); got != fmt.Sprintf(`{"FailedRecordCount":%d`, want) {
			t.Errorf("500 records, the %d. time: %s; want %d failed", i+1, got, want)
		}
	}
	if code, message := refusal(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":""}`); code != "ProvisionedThroughputExceededException" ||
		message != "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000." {
		t.Errorf("one more record: %s %q", code, message)
	}
	s.Clock().Advance(100 * time.Millisecond)
	if got := failed(); got != `{"FailedRecordCount":400` {
		t.Errorf("a tenth of a second later: %s; want 100 of 500 stored", got)
	}
}

func TestAShardTakesAMebibyteASecond(t *testing.T) {
	t.Parallel()
	s := strict(t, 1)
	body := mustSend(t, s, "PutRecords", entries(12, 99_999))
	if !strings.HasPrefix(body, `{"FailedRecordCount":2,`) || !strings.Contains(body, `"ErrorMessage":"Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000."`) {
		t.Errorf("12 records of 100,000 bytes: %.120s; want 10 of them stored, 2 failed", body)
	}
	records, err := s.Records("orders", "")
	if got := len(must(t, records, err)); got != 10 {
		t.Errorf("%d records stored; want 10", got)
	}
}

func TestAShardServesFiveReadsAndTwoMebibytesASecond(t *testing.T) {
	t.Parallel()
	s := strict(t, 1)
	iterator := mustSend(t, s, "GetShardIterator", `{"StreamName":"orders","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`)
	for range 5 {
		mustSend(t, s, "GetRecords", iterator)
	}
	if code, message := refusal(t, s, "GetRecords", iterator); code != "ProvisionedThroughputExceededException" || !strings.Contains(message, "shardId-000000000000") {
		t.Errorf("the sixth read in a second: %s %q", code, message)
	}
	for range 10 {
		s.Clock().Advance(time.Second)
		mustSend(t, s, "PutRecords", entries(10, 99_999))
	}
	mustSend(t, s, "GetRecords", iterator) // everything, 10 MB at once
	for i, want := range []bool{false, false, false, false, true} {
		r := send(t, s, "GetRecords", iterator)
		if got := r.status == 200; got != want {
			t.Errorf("%d s after 10 MB were read: %d %.100s; want it served: %t", i, r.status, r.body, want)
		}
		s.Clock().Advance(time.Second)
	}
}

func TestOperationsHaveTheirRates(t *testing.T) {
	t.Parallel()
	s := strict(t, 2)
	served := func(operation, body string) (n int) {
		for range 30 {
			r := send(t, s, operation, body)
			if r.status == 200 {
				n++
			} else if code := r.members(t)["__type"]; code != "LimitExceededException" || !strings.Contains(string(r.body), "Rate exceeded for ") {
				t.Errorf("%s: %s", operation, r.body)
			}
		}
		return n
	}
	for _, tt := range []struct {
		operation, body string
		want            int
	}{
		{"DescribeLimits", `{}`, 1},
		{"ListStreams", `{}`, 5},
		{"DescribeStream", `{"StreamName":"orders"}`, 10},
		{"DescribeStreamSummary", `{"StreamName":"orders"}`, 20},
		{"ListShards", `{"StreamName":"orders"}`, 30},
		{"GetShardIterator", `{"StreamName":"orders","ShardId":"shardId-000000000000","ShardIteratorType":"LATEST"}`, 5},
		{"GetShardIterator", `{"StreamName":"orders","ShardId":"shardId-000000000001","ShardIteratorType":"LATEST"}`, 5},
	} {
		if got := served(tt.operation, tt.body); got != tt.want {
			t.Errorf("%s %s: %d of 30 served; want %d", tt.operation, tt.body, got, tt.want)
		}
	}
	s.Clock().Advance(time.Second)
	if got := served("ListStreams", `{}`); got != 5 {
		t.Errorf("ListStreams in the next second: %d of 30 served; want 5", got)
	}
}

func TestUpdateShardCountGoesToDoubleOrHalfTenTimesADay(t *testing.T) {
	t.Parallel()
	s := strict(t, 2)
	update := func(target int) string {
		r := send(t, s, "UpdateShardCount", fmt.Sprintf(`{"StreamName":"orders","TargetShardCount":%d,"ScalingType":"UNIFORM_SCALING"}`, target))
		if r.status == 200 {
			return ""
		}
		return fmt.Sprint(r.members(t)["__type"], " ", r.members(t)["message"])
	}
	if got := update(5); got != "LimitExceededException UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 2, Target shard count: 5" {
		t.Errorf("2 to 5 shards: %s", got)
	}
	for i := range 10 {
		s.Clock().Advance(time.Hour)
		if got := update(4 - i%2); got != "" {
			t.Errorf("update %d: %s", i, got)
		}
	}
	s.Clock().Advance(13 * time.Hour)
	if got := update(4); !strings.Contains(got, "more than 10 times per rolling 24 hour period") {
		t.Errorf("the 11th update in a day: %s", got)
	}
	s.Clock().Advance(2 * time.Hour)
	if got := update(1); !strings.HasPrefix(got, "LimitExceededException UpdateShardCount cannot scale down below half") {
		t.Errorf("3 to 1 shards: %s", got)
	}
	if got := update(2); got != "" {
		t.Errorf("after a day: %s", got)
	}
}

func TestAServerThatIsNotStrictHasNoLimits(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	s.Clock().Freeze()
	for range 5 {
		if body := mustSend(t, s, "PutRecords", entries(500, 0)); !strings.HasPrefix(body, `{"FailedRecordCount":0`) {
			t.Errorf("500 records: %.100s", body)
		}
		mustSend(t, s, "DescribeLimits", `{}`)
	}
	mustSend(t, s, "UpdateShardCount", `{"StreamName":"orders","TargetShardCount":7,"ScalingType":"UNIFORM_SCALING"}`)
}

func TestEncryptionAndModeChangeSoOftenADay(t *testing.T) {
	t.Parallel()
	const stream = `{"StreamARN":"` + arnOfOrders + `",`
	mode := func(i int) string {
		return stream + `"StreamModeDetails":{"StreamMode":"` + []string{"ON_DEMAND", "PROVISIONED"}[i%2] + `"}}`
	}
	key := func(int) string { return stream + `"EncryptionType":"KMS","KeyId":"k"}` }
	for _, tt := range []struct {
		operation string
		body      func(i int) string
		want      int
	}{
		{"StartStreamEncryption", key, 25},
		{"StopStreamEncryption", key, 25},
		{"UpdateStreamMode", mode, 2},
	} {
		s := strict(t, 1)
		for i := range tt.want {
			mustSend(t, s, tt.operation, tt.body(i))
			s.Clock().Advance(time.Minute)
		}
		if code, message := refusal(t, s, tt.operation, tt.body(tt.want)); code != "LimitExceededException" ||
			message != fmt.Sprintf("%s cannot be called more than %d times per rolling 24 hour period for stream orders under account 000000000000", tt.operation, tt.want) {
			t.Errorf("%s once more: %s %q", tt.operation, code, message)
		}
		s.Clock().Advance(24*time.Hour - time.Duration(tt.want)*time.Minute) // a day behind the first
		mustSend(t, s, tt.operation, tt.body(tt.want))
		refusal(t, s, tt.operation, tt.body(tt.want+1))
	}
	s := strict(t, 1)
	for range 3 {
		mustSend(t, s, "UpdateStreamMode", mode(1)) // which it has: no change
	}
}

func TestAShardIsSubscribedToOnceASecondByEachConsumer(t *testing.T) {
	t.Parallel()
	s := strict(t, 2)
	s.Clock().Set(at(t, "2023-11-14T09:31:26Z"))
	withConsumer(t, s)
	mustSend(t, s, "RegisterStreamConsumer", `{"StreamARN":"`+arnOfOrders+`","ConsumerName":"audit"}`)
	missing := strings.Replace(subscribeBody, "TRIM_HORIZON", "AT_SEQUENCE_NUMBER", 1) // refused, but counted
	code := func(body string) string {
		t.Helper()
		code, _ := refusal(t, s, "SubscribeToShard", body)
		return code
	}
	for _, tt := range []struct{ what, body, want string }{
		{"the first call", missing, "InvalidArgumentException"},
		{"the second", missing, "LimitExceededException"},
		{"one of another consumer", strings.Replace(missing, "reports", "audit", 1), "InvalidArgumentException"},
		{"one for another shard", strings.Replace(missing, "000001", "000000", 1), "InvalidArgumentException"},
	} {
		if got := code(tt.body); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.what, got, tt.want)
		}
	}
	s.Clock().Advance(time.Second)
	if got := code(missing); got != "InvalidArgumentException" {
		t.Errorf("the next second: %s; want it looked at", got)
	}
}

func TestASubscriptionIsSentTwoMebibytesASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := strict(t, 2)
		s.Clock().Set(at(t, "2023-11-14T09:31:26Z"))
		withConsumer(t, s)
		for range 8 { // eight seconds' worth to write, four to read
			mustSend(t, s, "PutRecords", entries(10, 99_999))
			s.Clock().Advance(time.Second)
		}
		events, err := subscribe(t, s, fromTrimHorizon)
		must(t, events, err)
		records := 0
		go func() {
			for e := range events.Events() {
				records += len(e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value.Records)
			}
		}()
		// An event is at most 2 MiB: 20 records. What exceeds the allowance waits.
		for second, want := range []int{40, 60, 80, 80} {
			synctest.Wait()
			if records != want {
				t.Errorf("after %d seconds %d records; want %d", second, records, want)
			}
			s.Clock().Advance(time.Second)
		}
		must(t, 0, s.Close())
	})
}

func TestFiveStreamsAndFiveConsumersAreCreatedAtOnce(t *testing.T) {
	t.Parallel()
	s := inProcess(t, func(o *localkinesis.Options) { o.Strict, o.CreateDelay = true, 10*time.Second })
	s.Clock().Freeze()
	s.Clock().Set(at(t, "2023-11-14T09:31:26Z"))
	stream := func(i int) string { return fmt.Sprintf(`{"StreamName":"s%d","ShardCount":1}`, i) }
	for i := range 5 {
		mustSend(t, s, "CreateStream", stream(i))
	}
	s.Clock().Advance(time.Second)
	if code, message := refusal(t, s, "CreateStream", stream(5)); code != "LimitExceededException" || !strings.Contains(message, "5 streams that are CREATING") {
		t.Errorf("the sixth stream: %s %q", code, message)
	}
	s.Clock().Advance(9 * time.Second)
	mustSend(t, s, "CreateStream", stream(5))

	consumer := func(i int) string {
		return fmt.Sprintf(`{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s0","ConsumerName":"c%d"}`, i)
	}
	for i := range 5 {
		mustSend(t, s, "RegisterStreamConsumer", consumer(i))
	}
	s.Clock().Advance(time.Second)
	if code, message := refusal(t, s, "RegisterStreamConsumer", consumer(5)); code != "LimitExceededException" || !strings.Contains(message, "5 consumers that are CREATING") {
		t.Errorf("the sixth consumer: %s %q", code, message)
	}
	s.Clock().Advance(9 * time.Second)
	mustSend(t, s, "RegisterStreamConsumer", consumer(5))
}
