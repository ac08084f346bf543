package localkinesis_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

const (
	arnOfReports  = arnOfOrders + "/consumer/reports:1699954286"
	arnOfOnDemand = "arn:aws:kinesis:us-east-1:000000000000:stream/ondemand"
	createChannel = `{"ChannelName":"lake","ServiceExecutionRoleARN":"arn:aws:iam::000000000000:role/r",
		"StreamConfigurationList":[{"StreamARN":"` + arnOfOnDemand + `","RecordConfiguration":{"RecordFormatType":"JSON"}}],
		"S3DestinationConfiguration":{"StorageConfiguration":{"BucketARN":"arn:aws:s3:::b","ExpectedBucketOwner":"000000000000","CompressionType":"GZIP"}},
		"Tags":{"a":"1"}}`
	noStream   = "Stream none under account 000000000000 not found."
	arnOfNone  = "arn:aws:kinesis:us-east-1:000000000000:stream/none"
	badARN     = `Value 'x' at 'resourceARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+`
	channelARN = "CHANNEL_ARN" // stands for the ARN of the channel that was prepared
)

var anyChannelARN = regexp.MustCompile(`arn:aws:kinesis:us-east-1:000000000000:channel/lake:[0-9a-f-]+`)

// prepared puts the ARN of the prepared channel, or a lost iterator, into a body.
func prepared(t *testing.T, s *localkinesis.Server, body string) string {
	t.Helper()
	if strings.Contains(body, lostIterator) {
		return strings.ReplaceAll(body, lostIterator, iteratorOfLost(t, s))
	}
	if !strings.Contains(body, channelARN) {
		return body
	}
	return strings.ReplaceAll(body, channelARN, anyChannelARN.FindString(mustSend(t, s, "ListChannels", `{}`)))
}

func withConsumer(t *testing.T, s *localkinesis.Server) {
	mustSend(t, s, "RegisterStreamConsumer", `{"StreamARN":"`+arnOfOrders+`","ConsumerName":"reports"}`)
}

func withPolicy(t *testing.T, s *localkinesis.Server) {
	mustSend(t, s, "PutResourcePolicy", `{"ResourceARN":"`+arnOfOrders+`","Policy":"{\"Version\":\"2012-10-17\"}"}`)
}

func onDemand(t *testing.T, s *localkinesis.Server) {
	mustSend(t, s, "CreateStream", `{"StreamName":"ondemand","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`)
}

func committed(t *testing.T, s *localkinesis.Server) {
	onDemand(t, s)
	mustSend(t, s, "UpdateAccountSettings", `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}`)
}

func withChannel(t *testing.T, s *localkinesis.Server) {
	onDemand(t, s)
	mustSend(t, s, "CreateChannel", createChannel)
}

func init() { checks = append(checks, controlChecks...) }

// controlChecks are those of consumers, policies, modes, settings and channels.
var controlChecks = []check{
	{
		operation: "IncreaseStreamRetentionPeriod",
		valid:     `{"StreamName":"orders","RetentionPeriodHours":8760}`,
		invalid:   `{"StreamName":"orders"}`,
		reason:    "Value null at 'retentionPeriodHours' failed to satisfy constraint: Member must not be null",
		missing:   `{"StreamName":"none","RetentionPeriodHours":25}`, absent: noStream,
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"orders"}`, readWant: `"RetentionPeriodHours":8760`,
	},
	{
		operation: "DecreaseStreamRetentionPeriod",
		prepare: func(t *testing.T, s *localkinesis.Server) {
			mustSend(t, s, "IncreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":48}`)
		},
		valid:   `{"StreamName":"orders","RetentionPeriodHours":25}`,
		invalid: `{"StreamName":"orders"}`,
		reason:  "Value null at 'retentionPeriodHours' failed to satisfy constraint: Member must not be null",
		missing: `{"StreamName":"none","RetentionPeriodHours":25}`, absent: noStream,
		readWith: "DescribeStream", readBody: `{"StreamName":"orders"}`, readWant: `"RetentionPeriodHours":25`,
	},
	{
		operation: "TagResource",
		prepare:   withConsumer,
		valid:     `{"ResourceARN":"` + arnOfReports + `","Tags":{"k":"v"}}`,
		invalid:   `{"ResourceARN":"x","Tags":{"":"v"}}`,
		reason:    badARN,
		missing:   `{"ResourceARN":"` + arnOfNone + `","Tags":{"k":"v"}}`, absent: noStream,
		readWith: "ListTagsForResource", readBody: `{"ResourceARN":"` + arnOfReports + `"}`, readWant: `{"Tags":[{"Key":"k","Value":"v"}]}`,
	},
	{
		operation: "UntagResource",
		prepare:   tagged,
		valid:     `{"ResourceARN":"` + arnOfOrders + `","TagKeys":["a"]}`,
		invalid:   `{"ResourceARN":"x","TagKeys":["a"]}`,
		reason:    badARN,
		missing:   `{"ResourceARN":"` + arnOfNone + `","TagKeys":["a"]}`, absent: noStream,
		readWith: "ListTagsForStream", readBody: `{"StreamName":"orders"}`, readWant: `{"Tags":[{"Key":"b","Value":"2"}]`,
	},
	{
		operation: "ListTagsForResource",
		prepare:   tagged,
		valid:     `{"ResourceARN":"` + arnOfOrders + `"}`,
		want:      `{"Tags":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`,
		invalid:   `{"ResourceARN":"x"}`,
		reason:    badARN,
		missing:   `{"ResourceARN":"` + arnOfReports + `"}`, absent: "Consumer reports, stream orders under account 000000000000 not found.",
		readWith: "ListTagsForStream", readBody: `{"StreamName":"orders"}`, readWant: `{"Key":"a","Value":"1"}`,
	},
	{
		operation: "PutResourcePolicy",
		valid:     `{"ResourceARN":"` + arnOfOrders + `","Policy":"{\"a\":1}"}`,
		invalid:   `{"ResourceARN":"x","Policy":"{}"}`,
		reason:    badARN,
		missing:   `{"ResourceARN":"` + arnOfNone + `","Policy":"{}"}`, absent: noStream,
		readWith: "GetResourcePolicy", readBody: `{"ResourceARN":"` + arnOfOrders + `"}`, readWant: `{"Policy":"{\"a\":1}"}`,
	},
	{
		operation: "GetResourcePolicy",
		prepare:   withPolicy,
		valid:     `{"ResourceARN":"` + arnOfOrders + `"}`,
		want:      `{"Policy":"{\"Version\":\"2012-10-17\"}"}`,
		invalid:   `{}`,
		reason:    "Value null at 'resourceARN' failed to satisfy constraint: Member must not be null",
		missing:   `{"ResourceARN":"` + arnOfNone + `"}`, absent: noStream,
		readWith: "DeleteResourcePolicy", readBody: `{"ResourceARN":"` + arnOfOrders + `"}`, // refused where there is none
	},
	{
		operation: "DeleteResourcePolicy",
		prepare: func(t *testing.T, s *localkinesis.Server) {
			withConsumer(t, s)
			mustSend(t, s, "PutResourcePolicy", `{"ResourceARN":"`+arnOfReports+`","Policy":"{}"}`)
			withPolicy(t, s)
		},
		valid:   `{"ResourceARN":"` + arnOfReports + `"}`,
		invalid: `{}`,
		reason:  "Value null at 'resourceARN' failed to satisfy constraint: Member must not be null",
		missing: `{"ResourceARN":"` + arnOfNone + `"}`, absent: noStream,
		readWith: "GetResourcePolicy", readBody: `{"ResourceARN":"` + arnOfOrders + `"}`, readWant: `2012-10-17`,
	},
	{
		operation: "StartStreamEncryption",
		valid:     `{"StreamName":"orders","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"}`,
		invalid:   `{"StreamName":"orders","EncryptionType":"X"}`,
		reason: "2 validation errors detected: Value 'X' at 'encryptionType' failed to satisfy constraint: Member must satisfy enum value set: [KMS, NONE]; " +
			"Value null at 'keyId' failed to satisfy constraint: Member must not be null",
		missing: `{"StreamName":"none","EncryptionType":"KMS","KeyId":"k"}`, absent: noStream,
		readWith: "PutRecord", readBody: `{"StreamName":"orders","PartitionKey":"k","Data":""}`, readWant: `"EncryptionType":"KMS"}`,
	},
	{
		operation: "StopStreamEncryption",
		prepare: func(t *testing.T, s *localkinesis.Server) {
			mustSend(t, s, "StartStreamEncryption", `{"StreamName":"orders","EncryptionType":"KMS","KeyId":"k"}`)
		},
		valid:   `{"StreamName":"orders","EncryptionType":"KMS","KeyId":"k"}`,
		invalid: `{"StreamName":"orders","EncryptionType":"KMS"}`,
		reason:  "Value null at 'keyId' failed to satisfy constraint: Member must not be null",
		missing: `{"StreamName":"none","EncryptionType":"KMS","KeyId":"k"}`, absent: noStream,
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"orders"}`, readWant: `"EncryptionType":"NONE"`,
	},
	{
		operation: "EnableEnhancedMonitoring",
		valid:     `{"StreamName":"orders","ShardLevelMetrics":["IncomingBytes","OutgoingBytes"]}`,
		want:      `{"StreamName":"orders","CurrentShardLevelMetrics":[],"DesiredShardLevelMetrics":["IncomingBytes","OutgoingBytes"],"StreamARN":"` + arnOfOrders + `"}`,
		invalid:   `{"StreamName":"orders","ShardLevelMetrics":["Mood"]}`,
		reason: "Value '[Mood]' at 'shardLevelMetrics' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: " +
			"[IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded, IteratorAgeMilliseconds, ALL]]",
		missing: `{"StreamName":"none","ShardLevelMetrics":["ALL"]}`, absent: noStream,
		readWith: "DescribeStream", readBody: `{"StreamName":"orders"}`, readWant: `"EnhancedMonitoring":[{"ShardLevelMetrics":["IncomingBytes","OutgoingBytes"]}]`,
	},
	{
		operation: "DisableEnhancedMonitoring",
		prepare: func(t *testing.T, s *localkinesis.Server) {
			mustSend(t, s, "EnableEnhancedMonitoring", `{"StreamName":"orders","ShardLevelMetrics":["ALL"]}`)
		},
		valid:   `{"StreamName":"orders","ShardLevelMetrics":["IncomingBytes","OutgoingBytes","IteratorAgeMilliseconds"]}`,
		want:    `"DesiredShardLevelMetrics":["IncomingRecords","OutgoingRecords","WriteProvisionedThroughputExceeded","ReadProvisionedThroughputExceeded"]`,
		invalid: `{"StreamName":"orders","ShardLevelMetrics":[]}`,
		reason:  "Value '[]' at 'shardLevelMetrics' failed to satisfy constraint: Member must have length greater than or equal to 1",
		missing: `{"StreamName":"none","ShardLevelMetrics":["ALL"]}`, absent: noStream,
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"orders"}`, readWant: `[{"ShardLevelMetrics":["IncomingRecords","OutgoingRecords",`,
	},
	{
		operation: "DescribeLimits",
		prepare:   withChannel,
		valid:     `{}`,
		want:      `{"ShardLimit":20000,"OpenShardCount":6,"OnDemandStreamCount":1,"OnDemandStreamCountLimit":50,"ChannelCount":1}`,
		readWith:  "DescribeStreamSummary", readBody: `{"StreamName":"ondemand"}`, readWant: `"OpenShardCount":4`,
	},
	{
		operation: "DescribeAccountSettings",
		prepare:   committed,
		valid:     `{}`,
		want:      `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED","StartedAt":1699954286,"EarliestAllowedEndAt":1700040686}}`,
		readWith:  "UpdateStreamWarmThroughput", readBody: `{"StreamName":"ondemand","WarmThroughputMiBps":1}`, readWant: `"TargetMiBps":1`, // refused without a commitment
	},
	{
		operation: "UpdateAccountSettings",
		valid:     `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}`,
		want:      `{"MinimumThroughputBillingCommitment":{"Status":"ENABLED","StartedAt":1699954286,"EarliestAllowedEndAt":1700040686}}`,
		invalid:   `{"MinimumThroughputBillingCommitment":{"Status":"MAYBE"}}`,
		reason:    "Value 'MAYBE' at 'minimumThroughputBillingCommitment.status' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]",
		readWith:  "DescribeAccountSettings", readBody: `{}`, readWant: `"Status":"ENABLED"`,
	},
	{
		operation: "UpdateMaxRecordSize",
		valid:     `{"StreamARN":"` + arnOfOrders + `","MaxRecordSizeInKiB":10240}`,
		invalid:   `{"StreamARN":"` + arnOfOrders + `","MaxRecordSizeInKiB":1023}`,
		reason:    "Value '1023' at 'maxRecordSizeInKiB' failed to satisfy constraint: Member must have value greater than or equal to 1024",
		missing:   `{"StreamARN":"` + arnOfNone + `","MaxRecordSizeInKiB":1024}`, absent: noStream,
		readWith: "PutRecord", readBody: `{"StreamName":"orders","PartitionKey":"k","Data":"` + strings.Repeat("AAAA", 3<<20) + `"}`, readWant: `"ShardId"`,
	},
	{
		operation: "UpdateStreamMode",
		valid:     `{"StreamARN":"` + arnOfOrders + `","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`,
		invalid:   `{"StreamARN":"` + arnOfOrders + `","StreamModeDetails":{"StreamMode":"X"}}`,
		reason:    "Value 'X' at 'streamModeDetails.streamMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]",
		missing:   `{"StreamARN":"` + arnOfNone + `","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`, absent: noStream,
		readWith: "DescribeStream", readBody: `{"StreamName":"orders"}`, readWant: `{"StreamMode":"ON_DEMAND"}`,
	},
	{
		operation: "UpdateStreamRecordDistributionStrategy",
		prepare:   onDemand,
		valid:     `{"StreamARN":"` + arnOfOnDemand + `","RecordDistributionStrategy":"AUTO"}`,
		invalid:   `{"StreamARN":"` + arnOfOnDemand + `","RecordDistributionStrategy":"X"}`,
		reason:    "Value 'X' at 'recordDistributionStrategy' failed to satisfy constraint: Member must satisfy enum value set: [AUTO, USER_PARTITION_KEY]",
		missing:   `{"StreamARN":"` + arnOfNone + `","RecordDistributionStrategy":"AUTO"}`, absent: noStream,
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"ondemand"}`, readWant: `"RecordDistributionStrategy":"AUTO"`,
	},
	{
		operation: "UpdateStreamWarmThroughput",
		prepare:   committed,
		valid:     `{"StreamName":"ondemand","WarmThroughputMiBps":100}`,
		want:      `{"StreamARN":"` + arnOfOnDemand + `","StreamName":"ondemand","WarmThroughput":{"TargetMiBps":100,"CurrentMiBps":100}}`,
		invalid:   `{"StreamName":"ondemand","WarmThroughputMiBps":-1}`,
		reason:    "Value '-1' at 'warmThroughputMiBps' failed to satisfy constraint: Member must have value greater than or equal to 0",
		missing:   `{"StreamName":"none","WarmThroughputMiBps":1}`, absent: noStream,
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"ondemand"}`, readWant: `"WarmThroughput":{"TargetMiBps":100,"CurrentMiBps":100}`,
	},
	{
		operation: "RegisterStreamConsumer",
		valid:     `{"StreamARN":"` + arnOfOrders + `","ConsumerName":"reports","Tags":{"k":"v"}}`,
		want:      `{"Consumer":{"ConsumerName":"reports","ConsumerARN":"` + arnOfReports + `","ConsumerStatus":"CREATING","ConsumerCreationTimestamp":1699954286}}`,
		invalid:   `{"StreamARN":"` + arnOfOrders + `","ConsumerName":"a b"}`,
		reason:    "Value 'a b' at 'consumerName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
		missing:   `{"StreamARN":"` + arnOfNone + `","ConsumerName":"reports"}`, absent: noStream,
		readWith: "ListTagsForResource", readBody: `{"ResourceARN":"` + arnOfReports + `"}`, readWant: `{"Tags":[{"Key":"k","Value":"v"}]}`,
	},
	{
		operation: "DescribeStreamConsumer",
		prepare:   withConsumer,
		valid:     `{"ConsumerARN":"` + arnOfReports + `"}`,
		want:      `{"ConsumerDescription":{"ConsumerName":"reports","ConsumerARN":"` + arnOfReports + `","ConsumerStatus":"ACTIVE","ConsumerCreationTimestamp":1699954286,"StreamARN":"` + arnOfOrders + `"}}`,
		invalid:   `{"StreamARN":"` + arnOfOrders + `","ConsumerName":""}`,
		reason:    "Value '' at 'consumerName' failed to satisfy constraint: Member must have length greater than or equal to 1",
		missing:   `{"StreamARN":"` + arnOfOrders + `","ConsumerName":"none"}`, absent: "Consumer none, stream orders under account 000000000000 not found.",
		readWith: "DescribeStreamSummary", readBody: `{"StreamName":"orders"}`, readWant: `"ConsumerCount":1`,
	},
	{
		operation: "DeregisterStreamConsumer",
		prepare:   withConsumer,
		valid:     `{"StreamARN":"` + arnOfOrders + `","ConsumerName":"reports"}`,
		invalid:   `{"ConsumerARN":"x"}`,
		reason:    `Value 'x' at 'consumerARN' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`,
		missing:   `{"ConsumerARN":"` + arnOfOrders + `/consumer/reports:1"}`, absent: "Consumer reports:1, stream orders under account 000000000000 not found.",
		readWith: "ListStreamConsumers", readBody: `{"StreamARN":"` + arnOfOrders + `"}`, readWant: `{"Consumers":[]}`,
	},
	{
		operation: "ListStreamConsumers",
		prepare: func(t *testing.T, s *localkinesis.Server) {
			withConsumer(t, s)
			mustSend(t, s, "RegisterStreamConsumer", `{"StreamARN":"`+arnOfOrders+`","ConsumerName":"audit"}`)
		},
		valid:   `{"StreamARN":"` + arnOfOrders + `","MaxResults":1}`,
		want:    `{"Consumers":[{"ConsumerName":"audit",`,
		invalid: `{"MaxResults":0}`,
		reason: "2 validation errors detected: Value null at 'streamARN' failed to satisfy constraint: Member must not be null; " +
			"Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
		missing: `{"StreamARN":"` + arnOfNone + `"}`, absent: noStream,
		readWith: "DescribeStreamConsumer", readBody: `{"ConsumerARN":"` + arnOfReports + `"}`, readWant: `"ConsumerName":"reports"`,
	},
	{
		operation: "CreateChannel",
		prepare:   onDemand,
		valid:     createChannel,
		want:      `"ChannelStatus":"CREATING"`,
		invalid:   `{"ChannelName":"lake","ServiceExecutionRoleARN":"arn:aws:iam::0:role/r","StreamConfigurationList":[{"RecordConfiguration":{"RecordFormatType":"XML"}}]}`,
		reason: "2 validation errors detected: Value null at 'streamConfigurationList.1.member.streamARN' failed to satisfy constraint: Member must not be null; " +
			"Value 'XML' at 'streamConfigurationList.1.member.recordConfiguration.recordFormatType' failed to satisfy constraint: Member must satisfy enum value set: [GSR_JSON, JSON, STRING, BYTE_ARRAY]",
		missing: strings.Replace(createChannel, "stream/ondemand", "stream/none", 1), absent: noStream,
		readWith: "DescribeChannel", readBody: `{"ChannelARN":"` + channelARN + `"}`, readWant: `"ChannelStatus":"ACTIVE"`,
	},
	{
		operation: "DescribeChannel",
		prepare:   withChannel,
		valid:     `{"ChannelARN":"` + channelARN + `"}`,
		want:      `"DataFreshnessInSeconds":300,"DeadLetterQueueS3Configuration":{"BucketARN":"arn:aws:s3:::b","ExpectedBucketOwner":"000000000000","ErrorOutputPrefix":"errors/"}`,
		invalid:   `{}`,
		reason:    "Value null at 'channelARN' failed to satisfy constraint: Member must not be null",
		missing:   `{"ChannelARN":"arn:aws:kinesis:us-east-1:000000000000:channel/lake:1"}`,
		absent:    "Channel arn:aws:kinesis:us-east-1:000000000000:channel/lake:1 under account 000000000000 not found.",
		readWith:  "DescribeStreamSummary", readBody: `{"StreamName":"ondemand"}`, readWant: `"ChannelCount":1`,
	},
	{
		operation: "UpdateChannel",
		prepare:   withChannel,
		valid:     `{"ChannelARN":"` + channelARN + `","S3DestinationConfiguration":{"DataFreshnessInSeconds":60},"LoggingConfiguration":{"CloudWatchLogs":{"Enabled":true}}}`,
		want:      `"ChannelStatus":"UPDATING"`,
		invalid:   `{"ChannelARN":"` + channelARN + `","S3DestinationConfiguration":{"DataFreshnessInSeconds":0}}`,
		reason:    "Value '0' at 's3DestinationConfiguration.dataFreshnessInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 1",
		missing:   `{"ChannelARN":"arn:aws:kinesis:us-east-1:000000000000:channel/none:1"}`,
		absent:    "Channel arn:aws:kinesis:us-east-1:000000000000:channel/none:1 under account 000000000000 not found.",
		readWith:  "DescribeChannel", readBody: `{"ChannelARN":"` + channelARN + `"}`, readWant: `"DataFreshnessInSeconds":60`,
	},
	{
		operation: "DeleteChannel",
		prepare:   withChannel,
		valid:     `{"ChannelARN":"` + channelARN + `"}`,
		invalid:   `{"ChannelARN":""}`,
		reason:    "Value '' at 'channelARN' failed to satisfy constraint: Member must have length greater than or equal to 1",
		missing:   `{"ChannelARN":"arn:aws:kinesis:us-east-1:000000000000:channel/none:1"}`,
		absent:    "Channel arn:aws:kinesis:us-east-1:000000000000:channel/none:1 under account 000000000000 not found.",
		readWith:  "ListChannels", readBody: `{}`, readWant: `{"ChannelSummaries":[]}`,
	},
	{
		operation: "ListChannels",
		prepare:   withChannel,
		valid:     `{"StreamFilter":[{"StreamARN":"` + arnOfOnDemand + `","StreamCreationTimestamp":1699954286}]}`,
		want:      `"ChannelDestinationType":"S3"`,
		invalid:   `{"MaxResults":0}`,
		reason:    "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
		readWith:  "DescribeChannel", readBody: `{"ChannelARN":"` + channelARN + `"}`, readWant: `"ChannelName":"lake"`,
	},
}

func TestRefusalsOfModesConsumersAndChannels(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		prepare                        func(t *testing.T, s *localkinesis.Server)
		operation, body, code, message string
	}{
		{nil, "IncreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":8761}`, "InvalidArgumentException", "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."},
		{nil, "IncreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":23}`, "InvalidArgumentException",
			"Requested retention period (23 hours) for stream orders can not be shorter than existing retention period (24 hours). Use DecreaseRetentionPeriod API."},
		{nil, "DecreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":23}`, "InvalidArgumentException", "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short."},
		{nil, "DecreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":25}`, "InvalidArgumentException",
			"Requested retention period (25 hours) for stream orders can not be longer than existing retention period (24 hours). Use IncreaseRetentionPeriod API."},
		{nil, "StartStreamEncryption", `{"StreamName":"orders","EncryptionType":"NONE","KeyId":"k"}`, "InvalidArgumentException", "EncryptionType must be KMS"},
		{nil, "PutResourcePolicy", `{"ResourceARN":"` + arnOfOrders + `","Policy":"no"}`, "InvalidArgumentException", "no JSON document"},
		{nil, "GetResourcePolicy", `{"ResourceARN":"` + arnOfOrders + `"}`, "ResourceNotFoundException", "No resource policy found for resource ARN " + arnOfOrders},
		{nil, "DeleteResourcePolicy", `{"ResourceARN":"` + arnOfOrders + `"}`, "ResourceNotFoundException", "No resource policy found"},
		{nil, "UpdateStreamWarmThroughput", `{"StreamName":"orders","WarmThroughputMiBps":1}`, "ValidationException", "Provisioned mode"},
		{onDemand, "UpdateStreamWarmThroughput", `{"StreamName":"ondemand","WarmThroughputMiBps":1}`, "ValidationException", "MinimumThroughputBillingCommitment"},
		{committed, "UpdateStreamWarmThroughput", `{"StreamName":"ondemand","WarmThroughputMiBps":10241}`, "LimitExceededException", "10240"},
		{nil, "CreateStream", `{"StreamName":"x","ShardCount":1,"WarmThroughputMiBps":1}`, "ValidationException", "ON_DEMAND"},
		{onDemand, "UpdateShardCount", `{"StreamName":"ondemand","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`, "ValidationException", "On-Demand mode"},
		{onDemand, "SplitShard", `{"StreamName":"ondemand","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"5"}`, "ValidationException", "On-Demand mode"},
		{onDemand, "MergeShards", `{"StreamName":"ondemand","ShardToMerge":"shardId-000000000000","AdjacentShardToMerge":"shardId-000000000001"}`, "ValidationException", "On-Demand mode"},
		{nil, "UpdateStreamRecordDistributionStrategy", `{"StreamARN":"` + arnOfOrders + `","RecordDistributionStrategy":"AUTO"}`, "InvalidArgumentException", "on-demand"},
		{withConsumer, "RegisterStreamConsumer", `{"StreamARN":"` + arnOfOrders + `","ConsumerName":"reports"}`, "ResourceInUseException", "Consumer reports under stream orders already exists for account 000000000000."},
		{twentyConsumers, "RegisterStreamConsumer", `{"StreamARN":"` + arnOfOrders + `","ConsumerName":"reports"}`, "LimitExceededException", "20 registered consumers"},
		{withConsumer, "DeleteStream", `{"StreamName":"orders"}`, "ResourceInUseException", "EnforceConsumerDeletion"},
		{withChannel, "DeleteStream", `{"StreamName":"ondemand"}`, "ResourceInUseException", "1 channels"},
		{nil, "DescribeStreamConsumer", `{"ConsumerName":"reports"}`, "InvalidArgumentException", "Missing ConsumerARN"},
		{withChannel, "CreateChannel", createChannel, "ResourceInUseException", "Channel lake under account 000000000000 already exists."},
		{nil, "CreateChannel", strings.Replace(createChannel, "stream/ondemand", "stream/orders", 1), "ValidationException", "Provisioned mode"},
		{onDemand, "CreateChannel", strings.Replace(createChannel, "S3DestinationConfiguration", "Nothing", 1), "InvalidArgumentException", "but not both"},
		{withChannel, "UpdateChannel", `{"ChannelARN":"` + channelARN + `","S3TablesDestinationConfiguration":{"DataFreshnessInSeconds":1}}`, "InvalidArgumentException", "streaming tables"},
		{nil, "DescribeStream", `{"StreamARN":"arn:aws:kinesis:us-east-1:111111111111:stream/orders"}`, "ResourceNotFoundException", "Stream orders under account 111111111111 not found."},
		{nil, "TagResource", `{"ResourceARN":"` + arnOfOrders + `","Tags":{` + manyTags + `}}`, "InvalidArgumentException", "more than 50 tags"},
	} {
		t.Run(tt.operation, func(t *testing.T) {
			t.Parallel()
			s := tabled(t)
			if tt.prepare != nil {
				tt.prepare(t, s)
			}
			if code, message := refusal(t, s, tt.operation, prepared(t, s, tt.body)); code != tt.code || !strings.Contains(message, tt.message) {
				t.Errorf("%s: %s %q; want %s %q", tt.body, code, message, tt.code, tt.message)
			}
		})
	}
}

// manyTags are 51.
var manyTags = func() string {
	var list []string
	for c := 'A'; len(list) < 51; c++ {
		list = append(list, `"`+strings.Replace(string(c), `\`, "x", 1)+`":""`)
	}
	return strings.Join(list, ",")
}()

func twentyConsumers(t *testing.T, s *localkinesis.Server) {
	for c := 'a'; c < 'a'+20; c++ {
		mustSend(t, s, "RegisterStreamConsumer", `{"StreamARN":"`+arnOfOrders+`","ConsumerName":"`+string(c)+`"}`)
	}
}

func TestExpiredRecordsDoNotComeBackWithALongerRetention(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	put := `{"StreamName":"orders","PartitionKey":"k","Data":""}`
	mustSend(t, s, "PutRecord", put)
	s.Clock().Advance(25 * 3600e9)
	mustSend(t, s, "PutRecord", put)
	mustSend(t, s, "IncreaseStreamRetentionPeriod", `{"StreamName":"orders","RetentionPeriodHours":48}`)
	s.Clock().Advance(25 * 3600e9)
	records, err := s.Records("orders", "")
	if must(t, records, err); len(records) != 1 {
		t.Errorf("%d records; want the second only", len(records))
	}
}

func TestAutoDistributionIgnoresKeysAndSpreadsRecords(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	onDemand(t, s)
	mustSend(t, s, "UpdateStreamRecordDistributionStrategy", `{"StreamARN":"`+arnOfOnDemand+`","RecordDistributionStrategy":"AUTO"}`)
	for range 8 {
		mustSend(t, s, "PutRecord", `{"StreamName":"ondemand","PartitionKey":"k","ExplicitHashKey":"0","Data":""}`)
	}
	shards, err := s.Shards("ondemand")
	for _, shard := range must(t, shards, err) {
		records, err := s.Records("ondemand", shard.ID)
		if got := len(must(t, records, err)); got != 2 {
			t.Errorf("%s has %d of 8 records; want 2 of 4 shards each", shard.ID, got)
		}
	}
}

func TestAPartitionKeyMayBeMissingUnderAutoDistributionOnly(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	onDemand(t, s)
	const (
		one   = `{"StreamName":"ondemand","Data":"b25l"}`
		batch = `{"StreamARN":"` + arnOfOnDemand + `","Records":[{"Data":"dHdv"},{"Data":"dGhyZWU=","PartitionKey":"k"}]}`
	)
	refused := func() {
		t.Helper()
		for _, tt := range []struct{ operation, body, member string }{
			{"PutRecord", one, "partitionKey"},
			{"PutRecords", batch, "records.1.member.partitionKey"},
		} {
			want := "1 validation error detected: Value null at '" + tt.member + "' failed to satisfy constraint: Member must not be null"
			if code, message := refusal(t, s, tt.operation, tt.body); code != "ValidationException" || message != want {
				t.Errorf("%s %s: %s %s; want ValidationException %s", tt.operation, tt.body, code, message, want)
			}
		}
	}
	distribute := func(strategy string) {
		mustSend(t, s, "UpdateStreamRecordDistributionStrategy", `{"StreamARN":"`+arnOfOnDemand+`","RecordDistributionStrategy":"`+strategy+`"}`)
	}

	refused()
	distribute("AUTO")
	mustSend(t, s, "PutRecord", one)
	mustSend(t, s, "PutRecords", batch)
	if code, _ := refusal(t, s, "PutRecord", `{"StreamName":"ondemand","Data":"","PartitionKey":""}`); code != "ValidationException" {
		t.Errorf("PutRecord with an empty key: %s; want ValidationException", code)
	}
	distribute("USER_PARTITION_KEY")
	refused()

	var all string
	shards, err := s.Shards("ondemand")
	for _, shard := range must(t, shards, err) {
		iterator := mustSend(t, s, "GetShardIterator", `{"StreamName":"ondemand","ShardId":"`+shard.ID+`","ShardIteratorType":"TRIM_HORIZON"}`)
		all += mustSend(t, s, "GetRecords", iterator)
	}
	for data, key := range map[string]string{"b25l": "", "dHdv": "", "dGhyZWU=": `,"PartitionKey":"k"`} {
		if want := `"Data":"` + data + `"` + key + "}"; !strings.Contains(all, want) {
			t.Errorf("the records are %s; want %s among them", all, want)
		}
	}
}

func TestACommitmentLastsADayAtLeast(t *testing.T) {
	t.Parallel()
	s := tabled(t)
	set := func(status string) string {
		return mustSend(t, s, "UpdateAccountSettings", `{"MinimumThroughputBillingCommitment":{"Status":"`+status+`"}}`)
	}
	set("ENABLED")
	s.Clock().Advance(3600e9)
	if got := set("DISABLED"); !strings.Contains(got, `"ENABLED_UNTIL_EARLIEST_ALLOWED_END"`) {
		t.Errorf("disabled after an hour: %s", got)
	}
	s.Clock().Advance(23 * 3600e9)
	if got := mustSend(t, s, "DescribeAccountSettings", `{}`); !strings.Contains(got, `"DISABLED"`) || !strings.Contains(got, `"EndedAt":1700040686`) {
		t.Errorf("after a day: %s", got)
	}
}
