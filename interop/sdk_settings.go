package main

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// settings are what a stream can be told besides its shards.
func settings(t *talk) {
	orders := create(t, "orders", 1)

	ask[kinesis.StartStreamEncryptionOutput](t, kinesis.StartStreamEncryptionInput{StreamName: orders, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")})
	encrypted := summary(t, "orders")
	t.expect("the encryption", encrypted.EncryptionType, types.EncryptionTypeKms)
	t.expect("the key", aws.ToString(encrypted.KeyId), "alias/aws/kinesis")
	ask[kinesis.StopStreamEncryptionOutput](t, kinesis.StopStreamEncryptionInput{StreamName: orders, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")})
	t.expect("the encryption after its end", summary(t, "orders").EncryptionType, types.EncryptionTypeNone)

	incoming := []types.MetricsName{types.MetricsNameIncomingBytes}
	monitored := ask[kinesis.EnableEnhancedMonitoringOutput](t, kinesis.EnableEnhancedMonitoringInput{StreamName: orders, ShardLevelMetrics: incoming})
	t.expect("the metrics", monitored.DesiredShardLevelMetrics, incoming)
	plain := ask[kinesis.DisableEnhancedMonitoringOutput](t, kinesis.DisableEnhancedMonitoringInput{StreamName: orders, ShardLevelMetrics: incoming})
	t.expect("the metrics that were on", plain.CurrentShardLevelMetrics, incoming)
	t.expect("the metrics that stay on", len(plain.DesiredShardLevelMetrics), 0)

	const policy = `{"Version":"2012-10-17","Statement":[]}`
	ask[kinesis.PutResourcePolicyOutput](t, kinesis.PutResourcePolicyInput{ResourceARN: arn("orders"), Policy: aws.String(policy)})
	t.expect("the policy", aws.ToString(ask[kinesis.GetResourcePolicyOutput](t, kinesis.GetResourcePolicyInput{ResourceARN: arn("orders")}).Policy), policy)
	ask[kinesis.DeleteResourcePolicyOutput](t, kinesis.DeleteResourcePolicyInput{ResourceARN: arn("orders")})
	t.refused(kinesis.GetResourcePolicyInput{ResourceARN: arn("orders")},
		apiError{"ResourceNotFoundException", "No resource policy found for resource ARN " + *arn("orders"), 400})

	if t.sdk.has("UpdateMaxRecordSize") {
		ask[kinesis.UpdateMaxRecordSizeOutput](t, kinesis.UpdateMaxRecordSizeInput{StreamARN: arn("orders"), MaxRecordSizeInKiB: aws.Int32(2048)})
		t.expect("the largest record", aws.ToInt32(summary(t, "orders").MaxRecordSizeInKiB), int32(2048))
	}
}

// onDemand makes an on-demand stream.
func onDemand(t *talk, stream string) {
	ask[kinesis.CreateStreamOutput](t, kinesis.CreateStreamInput{StreamName: &stream, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}})
}

func warmThroughput(t *talk) {
	onDemand(t, "warm")
	enabled := &types.MinimumThroughputBillingCommitmentInput{Status: types.MinimumThroughputBillingCommitmentInputStatusEnabled}
	ask[kinesis.UpdateAccountSettingsOutput](t, kinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: enabled})
	account := ask[kinesis.DescribeAccountSettingsOutput](t, kinesis.DescribeAccountSettingsInput{}).MinimumThroughputBillingCommitment
	t.expect("the account has a commitment", account != nil && account.Status == types.MinimumThroughputBillingCommitmentOutputStatusEnabled, true)

	ask[kinesis.UpdateStreamWarmThroughputOutput](t, kinesis.UpdateStreamWarmThroughputInput{StreamName: aws.String("warm"), WarmThroughputMiBps: aws.Int32(20)})
	if warm := summary(t, "warm").WarmThroughput; warm == nil || aws.ToInt32(warm.CurrentMiBps) != 20 {
		t.expect("the warm throughput", warm, "20 MiB/s")
	}
}

func distribution(t *talk) {
	onDemand(t, "spread")
	ask[kinesis.UpdateStreamRecordDistributionStrategyOutput](t, kinesis.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: arn("spread"), RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
	})
	t.expect("the strategy", summary(t, "spread").RecordDistributionStrategy, types.RecordDistributionStrategyAuto)
}

func channels(t *talk) {
	onDemand(t, "lake")
	made := ask[kinesis.CreateChannelOutput](t, kinesis.CreateChannelInput{
		ChannelName:             aws.String("archive"),
		ServiceExecutionRoleARN: aws.String("arn:aws:iam::000000000000:role/archive"),
		StreamConfigurationList: []types.ChannelStreamConfiguration{{
			StreamARN:           arn("lake"),
			RecordConfiguration: &types.RecordConfiguration{RecordFormatType: types.RecordFormatTypeJson},
		}},
		S3DestinationConfiguration: &types.S3DestinationConfiguration{StorageConfiguration: &types.S3StorageConfiguration{
			BucketARN:           aws.String("arn:aws:s3:::archive"),
			ExpectedBucketOwner: aws.String("000000000000"),
			CompressionType:     types.S3CompressionTypeGzip,
		}},
	})
	if made.ChannelDescription == nil {
		made.ChannelDescription = &types.ChannelDescription{}
	}
	channel := made.ChannelDescription.ChannelARN
	t.expect("the channels", len(ask[kinesis.ListChannelsOutput](t, kinesis.ListChannelsInput{}).ChannelSummaries), 1)
	ask[kinesis.UpdateChannelOutput](t, kinesis.UpdateChannelInput{ChannelARN: channel, S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(60)}})
	described := ask[kinesis.DescribeChannelOutput](t, kinesis.DescribeChannelInput{ChannelARN: channel}).ChannelDescription
	if described == nil || described.S3DestinationConfiguration == nil {
		t.expect("the channel", described, "one that delivers to S3")
	} else {
		t.expect("the channel's name", aws.ToString(described.ChannelName), "archive")
		t.expect("the channel's freshness", aws.ToInt32(described.S3DestinationConfiguration.DataFreshnessInSeconds), int32(60))
	}
	ask[kinesis.DeleteChannelOutput](t, kinesis.DeleteChannelInput{ChannelARN: channel})
	t.refused(kinesis.DescribeChannelInput{ChannelARN: channel},
		apiError{"ResourceNotFoundException", "Channel " + aws.ToString(channel) + " under account 000000000000 not found.", 400})
}
