package diskstore_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
)

const (
	arnOf    = "arn:aws:kinesis:us-east-1:000000000000:stream/"
	policy   = `{\"Version\":\"2012-10-17\"}`
	aQuarter = "85070591730234615865843651857942052864" // 2^126, a quarter of the hash keys
	reports  = arnOf + "orders/consumer/reports:1699963200"
	lakeARN  = `arn:aws:kinesis:us-east-1:000000000000:channel/lake:[0-9a-f-]+`
	channels = `{"ChannelName":"lake","ServiceExecutionRoleARN":"arn:aws:iam::000000000000:role/r",
		"StreamConfigurationList":[{"StreamARN":"` + arnOf + `ondemand","RecordConfiguration":{"RecordFormatType":"JSON"}}],
		"S3DestinationConfiguration":{"StorageConfiguration":{"BucketARN":"arn:aws:s3:::b","ExpectedBucketOwner":"000000000000","CompressionType":"GZIP"}},
		"Tags":{"kind":"lake"}}`
)

// whatStreamsHave gives two streams everything a stream can have.
func whatStreamsHave(s *session) {
	for _, r := range [][2]string{
		{"CreateStream", `{"StreamName":"orders","ShardCount":2,"Tags":{"team":"blue","gone":"soon"}}`},
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"before the reshard","Data":"YQ=="}`},
		{"SplitShard", `{"StreamName":"orders","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"1000"}`},
		{"MergeShards", `{"StreamName":"orders","ShardToMerge":"shardId-000000000003","AdjacentShardToMerge":"shardId-000000000001"}`},
		{"UpdateShardCount", `{"StreamName":"orders","TargetShardCount":3,"ScalingType":"UNIFORM_SCALING"}`},
		{"PutRecords", `{"StreamName":"orders","Records":[{"PartitionKey":"a","Data":"Yg=="},{"PartitionKey":"b","ExplicitHashKey":"` + aQuarter + `","Data":""}]}`},
		{"StartStreamEncryption", `{"StreamName":"orders","EncryptionType":"KMS","KeyId":"alias/orders"}`},
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"encrypted","Data":"Yw=="}`},
		{"IncreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":48}`},
		{"RemoveTagsFromStream", `{"StreamName":"orders","TagKeys":["gone"]}`},
		{"AddTagsToStream", `{"StreamName":"orders","Tags":{"tier":"one"}}`},
		{"PutResourcePolicy", `{"ResourceARN":"` + arnOf + `orders","Policy":"` + policy + `"}`},
		{"EnableEnhancedMonitoring", `{"StreamName":"orders","ShardLevelMetrics":["IncomingBytes","OutgoingBytes"]}`},
		{"UpdateMaxRecordSize", `{"StreamARN":"` + arnOf + `orders","MaxRecordSizeInKiB":2048}`},
		{"RegisterStreamConsumer", `{"StreamARN":"` + arnOf + `orders","ConsumerName":"reports","Tags":{"for":"reports"}}`},
		{"PutResourcePolicy", `{"ResourceARN":"` + reports + `","Policy":"` + policy + `"}`},
		{"RegisterStreamConsumer", `{"StreamARN":"` + arnOf + `orders","ConsumerName":"audit"}`},
		{"DeregisterStreamConsumer", `{"StreamARN":"` + arnOf + `orders","ConsumerName":"audit"}`},
		{"UpdateAccountSettings", `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}`},
		{"CreateStream", `{"StreamName":"ondemand","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`},
		{"UpdateStreamWarmThroughput", `{"StreamName":"ondemand","WarmThroughputMiBps":100}`},
		{"UpdateStreamRecordDistributionStrategy", `{"StreamARN":"` + arnOf + `ondemand","RecordDistributionStrategy":"AUTO"}`},
		{"CreateChannel", channels},
		{"CreateStream", `{"StreamName":"changed","ShardCount":1}`},
		{"UpdateStreamMode", `{"StreamARN":"` + arnOf + `changed","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`},
		{"CreateStream", `{"StreamName":"deleted","ShardCount":1}`},
		{"PutRecord", `{"StreamName":"deleted","PartitionKey":"a","Data":"YQ=="}`},
		{"DeleteStream", `{"StreamName":"deleted"}`},
	} {
		s.must(r[0], r[1])
	}
}

// readBacks are the requests that together show everything.
func readBacks(s *session) [][2]string {
	requests := [][2]string{
		{"ListStreams", `{}`},
		{"DescribeLimits", `{}`},
		{"DescribeAccountSettings", `{}`},
		{"ListStreamConsumers", `{"StreamARN":"` + arnOf + `orders"}`},
		{"DescribeStreamConsumer", `{"ConsumerARN":"` + reports + `"}`},
		{"ListTagsForResource", `{"ResourceARN":"` + reports + `"}`},
		{"GetResourcePolicy", `{"ResourceARN":"` + reports + `"}`},
		{"GetResourcePolicy", `{"ResourceARN":"` + arnOf + `orders"}`},
		{"ListChannels", `{}`},
	}
	for _, stream := range []string{"orders", "ondemand", "changed"} {
		for _, operation := range []string{"DescribeStream", "DescribeStreamSummary", "ListShards", "ListTagsForStream"} {
			requests = append(requests, [2]string{operation, `{"StreamName":"` + stream + `"}`})
		}
	}
	lake := regexp.MustCompile(lakeARN).FindString(s.must("ListChannels", `{}`))
	return append(requests, [2]string{"DescribeChannel", `{"ChannelARN":"` + lake + `"}`})
}

func TestEveryPieceOfStateComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	whatStreamsHave(s)
	before, records := s.answers(readBacks(s)), s.records("orders")
	s.end()

	// The state must be there to come back.
	all := strings.Join(before, "\n")
	for _, want := range []string{
		`"RetentionPeriodHours":48`, `"KeyId":"alias/orders"`, `"tier"`, `"team"`, `"MaxRecordSizeInKiB":2048`, `"IncomingBytes"`,
		`"reports"`, `2012-10-17`, `"Status":"ENABLED"`, `"WarmThroughput":{"TargetMiBps":100`, `"AUTO"`, `"lake"`, `"GZIP"`,
		`"AdjacentParentShardId"`, `"EndingSequenceNumber"`, `"ON_DEMAND"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("before the restart, no answer has %s:\n%s", want, all)
		}
	}
	if strings.Contains(all, `"deleted"`) || strings.Contains(all, `"gone"`) || strings.Contains(all, `"audit"`) {
		t.Errorf("before the restart, something that was removed is there:\n%s", all)
	}
	if len(records) != 4 {
		t.Errorf("before the restart there are %d records, want 4", len(records))
	}

	for restart := range 2 {
		s = start(t, dir)
		mustEqual(t, fmt.Sprint("answers after restart ", restart+1), s.answers(readBacks(s)), before)
		mustEqual(t, fmt.Sprint("records after restart ", restart+1), s.records("orders"), records)
		if left := len(s.Calls()); restart == 0 && left == 0 {
			t.Error("the server saw no calls; the answers came from elsewhere")
		}
		s.end()
	}
}

func TestRecordsComeBackByGetRecordsWithTheirEncryptionAndGoOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"plain","Data":"YQ=="}`)
	s.must("StartStreamEncryption", `{"StreamName":"orders","EncryptionType":"KMS","KeyId":"k"}`)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"encrypted","Data":"Yg=="}`)
	read := func(s *session) []string {
		iterator := s.member(s.must("GetShardIterator", `{"StreamName":"orders","ShardId":"0","ShardIteratorType":"TRIM_HORIZON"}`), "ShardIterator")
		return s.answers([][2]string{{"GetRecords", `{"ShardIterator":"` + iterator + `"}`}})
	}
	before := read(s)
	if !strings.Contains(before[0], `"EncryptionType":"KMS"`) {
		t.Fatalf("no record is encrypted: %s", before[0])
	}
	s.end()

	s = start(t, dir)
	mustEqual(t, "page after the restart", read(s), before)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"third","Data":"Yw=="}`)
	records := s.records("orders")
	if len(records) != 3 || !strings.Contains(records[2], " third ") || records[2] <= records[1] {
		t.Errorf("records after one more put: %q; want the third behind the other two", records)
	}
}

func TestIteratorsAndTokensAreValidAcrossARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":3}`)
	s.must("UpdateShardCount", `{"StreamName":"orders","TargetShardCount":1,"ScalingType":"UNIFORM_SCALING"}`)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
	iterator := s.member(s.must("GetShardIterator", `{"StreamName":"orders","ShardId":"4","ShardIteratorType":"LATEST"}`), "ShardIterator")
	token := s.member(s.must("ListShards", `{"StreamName":"orders","MaxResults":2}`), "NextToken")
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"b","Data":"Yg=="}`)
	s.end()

	s = start(t, dir)
	if page := s.must("GetRecords", `{"ShardIterator":"`+iterator+`"}`); !strings.Contains(page, `"Data":"Yg=="`) || strings.Contains(page, `"Data":"YQ=="`) {
		t.Errorf("GetRecords with the iterator answered %s; want the second record alone", page)
	}
	if page := s.must("ListShards", `{"NextToken":"`+token+`"}`); !strings.Contains(page, `"ShardId":"shardId-000000000002"`) || strings.Contains(page, `"ShardId":"shardId-000000000001"`) {
		t.Errorf("ListShards with the token answered %s; want the shards from the third on", page)
	}
	s.Clock().Advance(6 * time.Minute)
	if status, answer := s.send("GetRecords", `{"ShardIterator":"`+iterator+`"}`); status == 200 || !strings.Contains(answer, "ExpiredIteratorException") {
		t.Errorf("GetRecords with an iterator of six minutes answered %d %s; want ExpiredIteratorException", status, answer)
	}
}

func TestAPendingChangeIsMadeAfterARestart(t *testing.T) {
	t.Parallel()
	delays := func(o *localkinesis.Options) {
		o.CreateDelay, o.UpdateDelay, o.DeleteDelay = time.Minute, time.Minute, time.Minute
	}
	const (
		orders = `{"StreamName":"orders"}`
		arn    = `"StreamARN":"` + arnOf + `orders"`
	)
	for _, tt := range []struct {
		name      string
		onDemand  bool
		change    [2]string
		meanwhile string // status until the minute is over
		read      string // operation that shows the change
		want      string // in its answer
		gone      bool
	}{
		{name: "create", change: [2]string{"ListStreams", `{}`}, meanwhile: "ACTIVE", read: "DescribeStream", want: `"StreamStatus":"ACTIVE"`},
		{name: "split", change: [2]string{"SplitShard", `{"StreamName":"orders","ShardToSplit":"0","NewStartingHashKey":"` + aQuarter + `"}`},
			meanwhile: "UPDATING", read: "ListShards", want: `"ParentShardId":"shardId-000000000000"`},
		{name: "merge", change: [2]string{"MergeShards", `{"StreamName":"orders","ShardToMerge":"0","AdjacentShardToMerge":"1"}`},
			meanwhile: "UPDATING", read: "ListShards", want: `"AdjacentParentShardId":"shardId-000000000001"`},
		{name: "count", change: [2]string{"UpdateShardCount", `{"StreamName":"orders","TargetShardCount":5,"ScalingType":"UNIFORM_SCALING"}`},
			meanwhile: "UPDATING", read: "DescribeStreamSummary", want: `"OpenShardCount":5`},
		{name: "retention", change: [2]string{"IncreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":30}`},
			meanwhile: "UPDATING", read: "DescribeStreamSummary", want: `"RetentionPeriodHours":30`},
		{name: "encryption", change: [2]string{"StartStreamEncryption", `{"StreamName":"orders","EncryptionType":"KMS","KeyId":"k"}`},
			meanwhile: "UPDATING", read: "DescribeStreamSummary", want: `"KeyId":"k"`},
		{name: "mode", change: [2]string{"UpdateStreamMode", `{` + arn + `,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`},
			meanwhile: "UPDATING", read: "DescribeStreamSummary", want: `"StreamMode":"ON_DEMAND"`},
		{name: "record size", change: [2]string{"UpdateMaxRecordSize", `{` + arn + `,"MaxRecordSizeInKiB":4096}`},
			meanwhile: "UPDATING", read: "DescribeStreamSummary", want: `"MaxRecordSizeInKiB":4096`},
		{name: "delete", change: [2]string{"DeleteStream", orders}, meanwhile: "DELETING", gone: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, dir, delays)
			s.must("CreateStream", `{"StreamName":"orders","ShardCount":2}`)
			s.end()

			s = start(t, dir, delays)
			if answer := s.must("DescribeStream", orders); !strings.Contains(answer, `"StreamStatus":"CREATING"`) {
				t.Fatalf("a stream that was being created is not any more: %s", answer)
			}
			s.Clock().Advance(time.Minute)
			s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
			s.must(tt.change[0], tt.change[1])
			s.end()

			s = start(t, dir, delays)
			s.Clock().Advance(time.Minute)
			if answer := s.must("DescribeStream", orders); !strings.Contains(answer, `"StreamStatus":"`+tt.meanwhile+`"`) {
				t.Errorf("before the time of the change: %s; want %s", answer, tt.meanwhile)
			}
			s.Clock().Advance(time.Minute)
			if tt.gone {
				if status, answer := s.send("DescribeStream", orders); !strings.Contains(answer, "ResourceNotFoundException") {
					t.Errorf("after its time a deleted stream is described: %d %s", status, answer)
				}
				s.end()
				s = start(t, dir, delays)
				if names := s.must("ListStreams", `{}`); strings.Contains(names, "orders") {
					t.Errorf("after another restart the stream is back: %s", names)
				}
				return
			}
			if answer := s.must(tt.read, orders); !strings.Contains(answer, tt.want) {
				t.Errorf("after its time %s answered %s; want %s", tt.read, answer, tt.want)
			}
			s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"b","Data":"Yg=="}`)
			after, records := s.must("ListShards", orders), s.records("orders")
			if len(records) != 2 {
				t.Errorf("there are %d records, want 2", len(records))
			}
			s.end()

			// The clock begins at noon again, before the change was due.
			s = start(t, dir, delays)
			mustEqual(t, "shards after another restart", []string{s.must("ListShards", orders)}, []string{after})
			mustEqual(t, "records after another restart", s.records("orders"), records)
		})
	}
}

func TestFirstStreamsAreMadeOnceAndNewOnesAreAdded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := func(streams map[string]int) func(*localkinesis.Options) {
		return func(o *localkinesis.Options) { o.Streams = streams }
	}
	s := start(t, dir, first(map[string]int{"orders": 2}))
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
	s.end()

	s = start(t, dir, first(map[string]int{"orders": 7, "audit": 1}))
	var got []string
	for _, stream := range s.Streams() {
		shards, err := s.Shards(stream.Name)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(stream.Name, " ", len(shards)))
	}
	mustEqual(t, "streams and shards", got, []string{"audit 1", "orders 2"})
	if n := len(s.records("orders")); n != 1 {
		t.Errorf("the stream that was there has %d records, want 1", n)
	}
}

func TestRegionsComeBackApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there := func(o *localkinesis.Options) { o.Region = "eu-west-1" }
	s := start(t, dir)
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.end()
	s = start(t, dir, there)
	if _, err := s.Shards("orders"); err == nil {
		t.Error("the stream of one region is in another")
	}
	streams := s.Streams()
	if len(streams) != 1 || streams[0].Region != "us-east-1" || streams[0].ARN != arnOf+"orders" {
		t.Errorf("streams are %v; want orders in us-east-1 alone", streams)
	}
}

func TestAStreamOfTheSameNameBeginsEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	for range 3 {
		s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
		s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"a","Data":"YQ=="}`)
		s.must("DeleteStream", `{"StreamName":"orders"}`)
	}
	s.must("CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	s.must("PutRecord", `{"StreamName":"orders","PartitionKey":"the only one","Data":"YQ=="}`)
	s.end()
	s = start(t, dir)
	if records := s.records("orders"); len(records) != 1 || !strings.Contains(records[0], "the only one") {
		t.Errorf("records are %q; want the one of the last stream", records)
	}
	if names := mustDirs(t, dir); len(names) != 1 {
		t.Errorf("there are records of the streams %q; want those of one", names)
	}
}

func TestAnotherAccountIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir).end()
	_, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Account = "111111111111"
		o.Store = openStore(t, dir)
	})
	if err == nil || !strings.Contains(err.Error(), "belongs to account 000000000000, not to 111111111111") {
		t.Errorf("New with another account: %v; want a sentence that names both", err)
	}
	start(t, dir).end() // the directory was let go of
}
