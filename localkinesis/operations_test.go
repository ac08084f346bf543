package localkinesis_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// check is what every operation is tried with: a request that is served, one
// that breaks a constraint, one that names something that does not exist, and
// another operation that shows the effect.
type check struct {
	operation string
	prepare   func(t *testing.T, s *localkinesis.Server)

	valid string // body
	want  string // in the answer

	invalid string
	reason  string // in the message of its ValidationException

	missing string // body; empty: the operation names nothing that could be missing
	absent  string // in the message of its ResourceNotFoundException

	readWith string // operation
	readBody string
	readWant string // in the answer
}

const arnOfOrders = "arn:aws:kinesis:us-east-1:000000000000:stream/orders"

// checks hold for a server on which the stream orders has two shards.
var checks = []check{
	{
		operation: "AddTagsToStream",
		valid:     `{"StreamName":"orders","Tags":{"team":"blue"}}`,
		invalid:   `{"StreamName":"orders","Tags":{}}`,
		reason:    "Value '{}' at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1",
		missing:   `{"StreamName":"none","Tags":{"team":"blue"}}`,
		absent:    "Stream none under account 000000000000 not found.",
		readWith:  "ListTagsForStream", readBody: `{"StreamName":"orders"}`,
		readWant: `{"Tags":[{"Key":"team","Value":"blue"}],"HasMoreTags":false}`,
	},
	{
		operation: "CreateStream",
		valid:     `{"StreamName":"fresh","ShardCount":3}`,
		invalid:   `{"StreamName":"two words","ShardCount":0}`,
		reason: "2 validation errors detected: Value 'two words' at 'streamName' failed to satisfy constraint: " +
			"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; " +
			"Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1",
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"fresh"}`,
		readWant: `"OpenShardCount":3`,
	},
	{
		operation: "DeleteStream",
		valid:     `{"StreamName":"orders"}`,
		invalid:   `{"StreamName":""}`,
		reason:    "Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1",
		missing:   `{"StreamName":"none"}`,
		absent:    "Stream none under account 000000000000 not found.",
		readWith:  "ListStreams", readBody: `{}`,
		readWant: `"StreamNames":[]`,
	},
	{
		operation: "DescribeStream",
		valid:     `{"StreamARN":"` + arnOfOrders + `"}`,
		want:      `"ShardId":"shardId-000000000001"`,
		invalid:   `{"StreamName":"orders","Limit":10001}`,
		reason:    "Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000",
		missing:   `{"StreamARN":"` + arnOfOrders + `2"}`,
		absent:    "Stream orders2 under account 000000000000 not found.",
		readWith:  "ListShards", readBody: `{"StreamName":"orders"}`,
		readWant: `"ShardId":"shardId-000000000001"`,
	},
	{
		operation: "DescribeStreamSummary",
		valid:     `{"StreamName":"orders","StreamARN":"` + arnOfOrders + `"}`,
		want:      `"OpenShardCount":2`,
		invalid:   `{"StreamARN":"orders"}`,
		reason:    `Value 'orders' at 'streamARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+`,
		missing:   `{"StreamName":"none"}`,
		absent:    "Stream none under account 000000000000 not found.",
		readWith:  "ListStreams", readBody: `{}`,
		readWant: `"StreamARN":"` + arnOfOrders + `"`,
	},
	{
		operation: "GetShardIterator",
		valid:     `{"StreamName":"orders","ShardId":"shardId-000000000000","ShardIteratorType":"LATEST"}`,
		want:      `{"ShardIterator":"AAAAAAAAAA`,
		invalid:   `{"StreamName":"orders","ShardIteratorType":"FIRST"}`,
		reason: "2 validation errors detected: Value null at 'shardId' failed to satisfy constraint: Member must not be null; " +
			"Value 'FIRST' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: " +
			"[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
		missing:  `{"StreamName":"orders","ShardId":"shardId-000000000002","ShardIteratorType":"LATEST"}`,
		absent:   "Shard shardId-000000000002 in stream orders under account 000000000000 does not exist",
		readWith: "DescribeStream", readBody: `{"StreamName":"orders"}`,
		readWant: `"ShardId":"shardId-000000000000"`,
	},
	{
		operation: "ListShards",
		valid:     `{"StreamName":"orders","ShardFilter":{"Type":"AT_LATEST"}}`,
		want:      `"ShardId":"shardId-000000000001"`,
		invalid:   `{"StreamName":"orders","ShardFilter":{}}`,
		reason:    "Value null at 'shardFilter.type' failed to satisfy constraint: Member must not be null",
		missing:   `{"StreamName":"none"}`,
		absent:    "Stream none under account 000000000000 not found.",
		readWith:  "DescribeStream", readBody: `{"StreamName":"orders"}`,
		readWant: `"ShardId":"shardId-000000000001"`,
	},
	{
		operation: "ListStreams",
		valid:     `{}`,
		want:      `"StreamNames":["orders"],"HasMoreStreams":false`,
		invalid:   `{"Limit":0}`,
		reason:    "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
		readWith:  "DescribeStreamSummary", readBody: `{"StreamName":"orders"}`,
		readWant: `"StreamName":"orders"`,
	},
	{
		operation: "ListTagsForStream",
		prepare:   tagged,
		valid:     `{"StreamName":"orders","Limit":1}`,
		want:      `{"Tags":[{"Key":"a","Value":"1"}],"HasMoreTags":true}`,
		invalid:   `{"StreamName":"orders","Limit":51}`,
		reason:    "Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
		missing:   `{"StreamName":"none"}`,
		absent:    "Stream none under account 000000000000 not found.",
		readWith:  "ListTagsForResource", readBody: `{"ResourceARN":"` + arnOfOrders + `"}`,
		readWant: `{"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
	},
	{
		operation: "MergeShards",
		valid:     `{"StreamName":"orders","ShardToMerge":"shardId-000000000000","AdjacentShardToMerge":"shardId-000000000001"}`,
		invalid:   `{"StreamName":"orders","ShardToMerge":"shardId-000000000000"}`,
		reason:    "Value null at 'adjacentShardToMerge' failed to satisfy constraint: Member must not be null",
		missing:   `{"StreamName":"orders","ShardToMerge":"shardId-000000000001","AdjacentShardToMerge":"shardId-000000000002"}`,
		absent:    "Could not find shard shardId-000000000002 in stream orders under account 000000000000.",
		readWith:  "ListShards", readBody: `{"StreamName":"orders","ShardFilter":{"Type":"AT_LATEST"}}`,
		readWant: `{"ShardId":"shardId-000000000002","ParentShardId":"shardId-000000000000","AdjacentParentShardId":"shardId-000000000001"`,
	},
	{
		operation: "PutRecord",
		valid:     `{"StreamName":"orders","PartitionKey":"k","Data":"aGVsbG8="}`,
		want:      `"ShardId":"shardId-000000000001","SequenceNumber":"49`,
		invalid:   `{"StreamName":"orders","PartitionKey":"` + strings.Repeat("k", 257) + `","ExplicitHashKey":"-1"}`,
		reason: "3 validation errors detected: Value null at 'data' failed to satisfy constraint: Member must not be null; " +
			"Value '" + strings.Repeat("k", 257) + "' at 'partitionKey' failed to satisfy constraint: Member must have length less than or equal to 256; " +
			"Value '-1' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})",
		missing:  `{"StreamName":"none","PartitionKey":"k","Data":""}`,
		absent:   "Stream none under account 000000000000 not found.",
		readWith: "GetRecords", readWant: `"Data":"aGVsbG8=","PartitionKey":"k"}]`,
	},
	{
		operation: "PutRecords",
		valid:     `{"StreamName":"orders","Records":[{"PartitionKey":"k","Data":"aGVsbG8="},{"PartitionKey":"a","Data":""}]}`,
		want:      `"FailedRecordCount":0`,
		invalid:   `{"StreamName":"orders","Records":[{"Data":"AAAA"},{"PartitionKey":"k"}]}`,
		reason: "2 validation errors detected: Value null at 'records.1.member.partitionKey' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'records.2.member.data' failed to satisfy constraint: Member must not be null",
		missing:  `{"StreamName":"none","Records":[{"PartitionKey":"k","Data":""}]}`,
		absent:   "Stream none under account 000000000000 not found.",
		readWith: "GetRecords", readWant: `"Data":"aGVsbG8=","PartitionKey":"k"}]`,
	},
	{
		operation: "RemoveTagsFromStream",
		prepare:   tagged,
		valid:     `{"StreamName":"orders","TagKeys":["a","c"]}`,
		invalid:   `{"StreamName":"orders","TagKeys":[""]}`,
		reason: "Value '[]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: " +
			"[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]",
		missing:  `{"StreamName":"none","TagKeys":["a"]}`,
		absent:   "Stream none under account 000000000000 not found.",
		readWith: "ListTagsForStream", readBody: `{"StreamName":"orders"}`,
		readWant: `{"Tags":[{"Key":"b","Value":"2"}],"HasMoreTags":false}`,
	},
	{
		operation: "SplitShard",
		valid:     `{"StreamName":"orders","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"100"}`,
		invalid:   `{"StreamName":"orders","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"01"}`,
		reason:    `Value '01' at 'newStartingHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})`,
		missing:   `{"StreamName":"orders","ShardToSplit":"seven","NewStartingHashKey":"100"}`,
		absent:    "Could not find shard seven in stream orders under account 000000000000.",
		readWith:  "ListShards", readBody: `{"StreamName":"orders","ExclusiveStartShardId":"shardId-000000000001"}`,
		readWant: `{"StartingHashKey":"0","EndingHashKey":"99"}`,
	},
	{
		operation: "UpdateShardCount",
		valid:     `{"StreamName":"orders","TargetShardCount":4,"ScalingType":"UNIFORM_SCALING"}`,
		want:      `{"StreamName":"orders","CurrentShardCount":2,"TargetShardCount":4,"StreamARN":"` + arnOfOrders + `"}`,
		invalid:   `{"StreamName":"orders","TargetShardCount":4,"ScalingType":"OTHER"}`,
		reason:    "Value 'OTHER' at 'scalingType' failed to satisfy constraint: Member must satisfy enum value set: [UNIFORM_SCALING]",
		missing:   `{"StreamName":"none","TargetShardCount":4,"ScalingType":"UNIFORM_SCALING"}`,
		absent:    "Stream none under account 000000000000 not found.",
		readWith:  "DescribeStreamSummary", readBody: `{"StreamName":"orders"}`,
		readWant: `"OpenShardCount":4`,
	},
	{
		operation: "GetRecords",
		prepare:   closedWithARecord,
		want:      `"Data":"aGVsbG8=","PartitionKey":"k"}],"NextShardIterator":null,`,
		invalid:   `{"Limit":0}`,
		reason:    "Value null at 'shardIterator' failed to satisfy constraint: Member must not be null; Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
		missing:   `{"ShardIterator":"` + lostIterator + `"}`,
		absent:    "Shard shardId-000000000000 in stream gone under account 000000000000 does not exist",
		readWith:  "SubscribeToShard", readBody: subscribeBody,
		readWant: `"Data":"aGVsbG8=","PartitionKey":"k"}]`,
	},
}

// subscribing is the check of SubscribeToShard, whose answer is in no codec. It
// ends by itself, because the shard is closed.
var subscribing = check{
	operation: "SubscribeToShard",
	prepare:   closedWithARecord,
	valid:     subscribeBody,
	want:      `"Data":"aGVsbG8=","PartitionKey":"k"}]`,
	invalid:   `{"ConsumerARN":"` + arnOfReports + `","StartingPosition":{"Type":"LATEST"}}`,
	reason:    "Value null at 'shardId' failed to satisfy constraint: Member must not be null",
	missing:   strings.Replace(subscribeBody, "reports", "none", 1),
	absent:    "Consumer none, stream orders under account 000000000000 not found.",
	readWith:  "GetRecords", readWant: `"Data":"aGVsbG8=","PartitionKey":"k"}]`,
}

// allChecks are those of every operation.
func allChecks() []check { return append(slices.Clone(checks), subscribing) }

// closedWithARecord leaves one record on shard 1, and closes it.
func closedWithARecord(t *testing.T, s *localkinesis.Server) {
	withConsumer(t, s)
	mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"aGVsbG8="}`)
	mustSend(t, s, "SplitShard", `{"StreamName":"orders","ShardToSplit":"shardId-000000000001","NewStartingHashKey":"270141183460469231731687303715884105728"}`)
}

// lostIterator stands for an iterator of a stream that was deleted.
const lostIterator = "LOST_ITERATOR"

// iteratorOfLost makes such an iterator.
func iteratorOfLost(t *testing.T, s *localkinesis.Server) string {
	t.Helper()
	mustSend(t, s, "CreateStream", `{"StreamName":"gone","ShardCount":1}`)
	answer := mustSend(t, s, "GetShardIterator", `{"StreamName":"gone","ShardId":"0","ShardIteratorType":"LATEST"}`)
	mustSend(t, s, "DeleteStream", `{"StreamName":"gone"}`)
	return strings.TrimSuffix(strings.TrimPrefix(answer, `{"ShardIterator":"`), `"}`)
}

// tabled is the server the checks hold for, frozen at 1699954286.
func tabled(t *testing.T) *localkinesis.Server {
	t.Helper()
	s := inProcess(t)
	s.Clock().Freeze()
	s.Clock().Set(at(t, "2023-11-14T09:31:26Z"))
	mustSend(t, s, "CreateStream", `{"StreamName":"orders","ShardCount":2}`)
	return s
}

// prepared is a check whose requests name what was prepared.
func (c check) prepared(t *testing.T, s *localkinesis.Server) check {
	t.Helper()
	if c.prepare != nil {
		c.prepare(t, s)
		c.valid, c.invalid, c.missing = prepared(t, s, c.valid), prepared(t, s, c.invalid), prepared(t, s, c.missing)
	}
	return c
}

func tagged(t *testing.T, s *localkinesis.Server) {
	mustSend(t, s, "AddTagsToStream", `{"StreamName":"orders","Tags":{"b":"2","a":"1"}}`)
}

// iteratorOfShard1 is a GetShardIterator, whose answer has the member that a
// GetRecords wants.
const iteratorOfShard1 = `{"StreamName":"orders","ShardId":"shardId-000000000001","ShardIteratorType":"TRIM_HORIZON"}`

// mustSend returns the body of an answer that has to be a success.
func mustSend(t *testing.T, s *localkinesis.Server, operation, body string) string {
	t.Helper()
	if operation == "GetRecords" && body == "" {
		body = mustSend(t, s, "GetShardIterator", iteratorOfShard1)
	}
	r := send(t, s, operation, body)
	if r.status != 200 {
		t.Fatalf("%s %s: %d %s", operation, body, r.status, r.body)
	}
	return string(r.body)
}

// refusal is what a refused request was answered with.
func refusal(t *testing.T, s *localkinesis.Server, operation, body string) (code, message string) {
	t.Helper()
	r := send(t, s, operation, body)
	if r.status == 200 {
		t.Fatalf("%s %s: %s; want a refusal", operation, body, r.body)
	}
	m := r.members(t)
	code, _ = m["__type"].(string)
	message, _ = m["message"].(string)
	if header := r.header.Get("X-Amzn-Errortype"); header != code {
		t.Errorf("%s %s: x-amzn-ErrorType is %q, __type %q", operation, body, header, code)
	}
	return code, message
}

// outcome is what trying an operation came to.
type outcome struct {
	served   bool
	invalid  bool // what breaks a constraint is refused
	missing  bool // what is not there is refused
	readBack bool // another operation shows the effect
}

// try sends the requests of a check to a server of its own.
func (c check) try(t *testing.T) (o outcome) {
	t.Helper()
	s := tabled(t)
	c = c.prepared(t, s)
	if c.invalid != "" {
		code, message := refusal(t, s, c.operation, c.invalid)
		if o.invalid = code == "ValidationException" && strings.Contains(message, c.reason); !o.invalid {
			t.Errorf("%s: %s %q; want ValidationException %q", c.invalid, code, message, c.reason)
		}
	}
	if c.missing != "" {
		code, message := refusal(t, s, c.operation, c.missing)
		if o.missing = code == "ResourceNotFoundException" && message == c.absent; !o.missing {
			t.Errorf("%s: %s %q; want ResourceNotFoundException %q", c.missing, code, message, c.absent)
		}
	}
	got := mustSend(t, s, c.operation, c.valid)
	if o.served = strings.Contains(got, c.want) && (c.want == "") == (got == ""); !o.served {
		t.Errorf("%s %s: %q; want %q in it", c.operation, c.valid, got, c.want)
	}
	got = mustSend(t, s, c.readWith, prepared(t, s, c.readBody))
	if o.readBack = strings.Contains(got, c.readWant) && c.readWith != c.operation; !o.readBack {
		t.Errorf("after it, %s %s: %s; want %s in it", c.readWith, c.readBody, got, c.readWant)
	}
	return o
}

// The operations that have no members to be wrong, and those that name nothing
// that could be missing.
var (
	withoutMembers = []string{"DescribeAccountSettings", "DescribeLimits"}
	withoutNames   = []string{"CreateStream", "DescribeAccountSettings", "DescribeLimits", "ListChannels", "ListStreams", "UpdateAccountSettings"}
)

func TestEveryOperationIsServedRefusedAndReadBack(t *testing.T) {
	t.Parallel()
	for _, c := range allChecks() {
		t.Run(c.operation, func(t *testing.T) {
			t.Parallel()
			want := outcome{
				served:   true,
				invalid:  !slices.Contains(withoutMembers, c.operation),
				missing:  !slices.Contains(withoutNames, c.operation),
				readBack: true,
			}
			if got := c.try(t); got != want {
				t.Errorf("%s: %+v; want %+v", c.operation, got, want)
			}
		})
	}
}

func TestEveryOperationHasACheck(t *testing.T) {
	t.Parallel()
	var tested []string
	for _, c := range allChecks() {
		tested = append(tested, c.operation)
	}
	slices.Sort(tested)
	if want := slices.Sorted(maps.Keys(localkinesis.Operations())); !slices.Equal(tested, want) {
		t.Errorf("tested %v; the server has %v", tested, want)
	}
}

func TestListsBeginAndEndWhereTheyAreTold(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	tagged(t, s)
	withChannel(t, s)
	for _, tt := range []struct{ operation, body, want string }{
		{"DescribeStream", `{"StreamName":"orders","Limit":1}`, `"HasMoreShards":true`},
		{"DescribeStream", `{"StreamName":"orders","ExclusiveStartShardId":"shardId-000000000000"}`, `"Shards":[{"ShardId":"shardId-000000000001"`},
		{"ListShards", `{"StreamName":"orders","ExclusiveStartShardId":"shardId-000000000001"}`, `{"Shards":[]}`},
		{"ListStreams", `{"ExclusiveStartStreamName":"ondemand"}`, `"StreamNames":["orders"]`},
		{"ListTagsForStream", `{"StreamName":"orders","ExclusiveStartTagKey":"a"}`, `{"Tags":[{"Key":"b","Value":"2"}],"HasMoreTags":false}`},
		{"ListChannels", `{"StreamFilter":[{"StreamARN":"` + arnOfOrders + `"}]}`, `{"ChannelSummaries":[]}`},
	} {
		if got := mustSend(t, s, tt.operation, tt.body); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %s; want %s in it", tt.operation, tt.body, got, tt.want)
		}
	}
}

func TestRefusalsBeyondTheConstraintsOfSingleMembers(t *testing.T) {
	t.Parallel()
	const shard0 = `"StreamName":"orders","ShardId":"shardId-000000000000"`
	for _, tt := range []struct{ operation, body, code, message string }{
		{"CreateStream", `{"StreamName":"orders","ShardCount":1}`, "ResourceInUseException", "Stream orders under account 000000000000 already exists."},
		{"CreateStream", `{"StreamName":"new"}`, "ValidationException", "Value null at 'shardCount'"},
		{"CreateStream", `{"StreamName":"new","ShardCount":20000}`, "LimitExceededException", "Current shard count for the account: 2. Limit: 20000."},
		{"CreateStream", `{"StreamName":"new","ShardCount":1,"RecordDistributionStrategy":"AUTO"}`, "InvalidArgumentException", "on-demand"},
		{"DescribeStream", `{}`, "InvalidArgumentException", "Missing StreamARN or StreamName."},
		{"DescribeStream", `{"StreamName":"other","StreamARN":"` + arnOfOrders + `"}`, "InvalidArgumentException", "do not match"},
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"","ExplicitHashKey":"340282366920938463463374607431768211456"}`,
			"InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was 340282366920938463463374607431768211456"},
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"","SequenceNumberForOrdering":"2"}`,
			"InvalidArgumentException", "ExclusiveMinimumSequenceNumber 2 used in PutRecord on stream orders under account 000000000000 is invalid."},
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"` + strings.Repeat("A", 4*350_000) + `"}`,
			"ValidationException", "Value 'java.nio.HeapByteBuffer[pos=0 lim=1050000 cap=1050000]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576"},
		{"PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"","DryRun":true}`, "DryRunOperationException", ""},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"AT_SEQUENCE_NUMBER"}`, "InvalidArgumentException", "Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"LATEST","StartingSequenceNumber":"2"}`, "InvalidArgumentException", "Request specified LATEST and also a StartingSequenceNumber."},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"AFTER_SEQUENCE_NUMBER","StartingSequenceNumber":"2"}`, "InvalidArgumentException",
			"StartingSequenceNumber 2 used in GetShardIterator on shard shardId-000000000000 in stream orders under account 000000000000 is invalid."},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"49646421980547103939760847417424498210407245995680202786"}`,
			"InvalidArgumentException", "Invalid StartingSequenceNumber. It encodes shardId-000000000002, while it was used in a call to a shard with shardId-000000000000"},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"49646421264737784557324905820411013094940000525450477570"}`,
			"InvalidArgumentException", "because it did not come from this stream."},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"AT_TIMESTAMP"}`, "InvalidArgumentException", "timestamp"},
		{"GetShardIterator", `{` + shard0 + `,"ShardIteratorType":"AT_TIMESTAMP","Timestamp":99999999999}`, "InvalidArgumentException", "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis."},
		{"GetShardIterator", `{"StreamName":"none","ShardId":"x-7","ShardIteratorType":"LATEST"}`,
			"ResourceNotFoundException", "Shard shardId-000000000007 in stream none under account 000000000000 does not exist"},
		{"GetShardIterator", `{"StreamName":"none","ShardId":"seven","ShardIteratorType":"LATEST"}`,
			"ResourceNotFoundException", "Could not find shard seven in stream none under account 000000000000."},
		{"GetRecords", `{"ShardIterator":"AAAAAAAAAAE="}`, "InvalidArgumentException", "Invalid ShardIterator."},
		{"ListShards", `{"NextToken":"AAAA"}`, "InvalidArgumentException", "Invalid NextToken."},
		{"SplitShard", `{"StreamName":"orders","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"1"}`, "InvalidArgumentException",
			"NewStartingHashKey 1 used in SplitShard() on shard shardId-000000000000 in stream orders under account 000000000000 is not both greater than one plus the shard's StartingHashKey 0 " +
				"and less than the shard's EndingHashKey 170141183460469231731687303715884105727."},
		{"MergeShards", `{"StreamName":"orders","ShardToMerge":"shardId-000000000001","AdjacentShardToMerge":"shardId-000000000000"}`, "InvalidArgumentException",
			"Shards shardId-000000000001 and shardId-000000000000 in stream orders under account 000000000000 are not an adjacent pair of shards eligible for merging"},
		{"UpdateShardCount", `{"StreamName":"orders","TargetShardCount":20001,"ScalingType":"UNIFORM_SCALING"}`, "LimitExceededException", "Number of additional shards"},
	} {
		t.Run(tt.operation, func(t *testing.T) {
			t.Parallel()
			s := inProcess(t, withStream("orders", 2))
			if code, message := refusal(t, s, tt.operation, tt.body); code != tt.code || !strings.Contains(message, tt.message) {
				t.Errorf("%.200s: %s %q; want %s %q", tt.body, code, message, tt.code, tt.message)
			}
		})
	}
}

func TestValuesOfTheWrongTypeAreRefusedInTheServicesWords(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 2))
	for _, tt := range []struct{ operation, body, want string }{
		{"DescribeStream", `{"StreamName":true}`, "class java.lang.Boolean can not be converted to an String"},
		{"DescribeStream", `{"StreamName":1.5}`, "class java.math.BigDecimal can not be converted to an String"},
		{"DescribeStream", `{"StreamName":[]}`, "Start of list found where not expected"},
		{"DescribeStream", `{"StreamName":{}}`, "Start of structure or map found where not expected."},
		{"DescribeStream", `{"Limit":"1"}`, "class java.lang.String can not be converted to an Integer"},
		{"PutRecord", `{"Data":"abc"}`, "'abc' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3"},
		{"PutRecord", `{"Data":"ab*d"}`, "'ab*d' can not be converted to a Blob: Invalid Base64 character: '*'"},
		{"PutRecord", `{"Data":"=abc"}`, "'=abc' can not be converted to a Blob: Invalid Base64 character: '='"},
		{"PutRecord", `{"Data":"ab=="}`, "'ab==' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"},
		{"PutRecord", `{"Data":7}`, "class java.math.BigDecimal can not be converted to a Blob"},
		{"PutRecords", `{"Records":"x"}`, "Expected list or null"},
		{"PutRecords", `{"Records":{}}`, "Start of structure or map found where not expected."},
		{"PutRecords", `{"Records":["x"]}`, "Expected null"},
		{"AddTagsToStream", `{"Tags":[]}`, "Start of list found where not expected"},
		{"AddTagsToStream", `{"Tags":"x"}`, "Expected map or null"},
		{"DeleteStream", `{"EnforceConsumerDeletion":"maybe"}`, "'MAYBE' can not be converted to an Boolean"},
		{"GetShardIterator", `{"Timestamp":"now"}`, "class java.lang.String can not be converted to milliseconds since epoch"},
	} {
		r := send(t, s, tt.operation, tt.body)
		m := r.members(t)
		if r.status != 400 || m["__type"] != "SerializationException" || m["Message"] != tt.want {
			t.Errorf("%s %s: %d %s; want SerializationException, Message %q", tt.operation, tt.body, r.status, r.body, tt.want)
		}
	}
}

func TestUnknownMembersAndNullsAreIgnored(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 2))
	mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":"","Fresh":{"deep":[1]},"ExplicitHashKey":null,"StreamId":null}`)
	mustSend(t, s, "DescribeStream", ` {"StreamName" : "orders", "Fresh": [] } `)
}
