package fault

import "slices"

// operations are those of the service's API, in alphabetical order.
var operations = []string{
	"AddTagsToStream",
	"CreateChannel",
	"CreateStream",
	"DecreaseStreamRetentionPeriod",
	"DeleteChannel",
	"DeleteResourcePolicy",
	"DeleteStream",
	"DeregisterStreamConsumer",
	"DescribeAccountSettings",
	"DescribeChannel",
	"DescribeLimits",
	"DescribeStream",
	"DescribeStreamConsumer",
	"DescribeStreamSummary",
	"DisableEnhancedMonitoring",
	"EnableEnhancedMonitoring",
	"GetRecords",
	"GetResourcePolicy",
	"GetShardIterator",
	"IncreaseStreamRetentionPeriod",
	"ListChannels",
	"ListShards",
	"ListStreamConsumers",
	"ListStreams",
	"ListTagsForResource",
	"ListTagsForStream",
	"MergeShards",
	"PutRecord",
	"PutRecords",
	"PutResourcePolicy",
	"RegisterStreamConsumer",
	"RemoveTagsFromStream",
	"SplitShard",
	"StartStreamEncryption",
	"StopStreamEncryption",
	"SubscribeToShard",
	"TagResource",
	"UntagResource",
	"UpdateAccountSettings",
	"UpdateChannel",
	"UpdateMaxRecordSize",
	"UpdateShardCount",
	"UpdateStreamMode",
	"UpdateStreamRecordDistributionStrategy",
	"UpdateStreamWarmThroughput",
}

// isOperation reports whether the service has an operation of this name, in
// these letters.
func isOperation(name string) bool {
	_, found := slices.BinarySearch(operations, name)
	return found
}
