package localkinesis

import "time"

type describeStreamSummaryInput struct {
	streamRef
}

type describeStreamSummaryOutput struct {
	StreamDescriptionSummary streamDescriptionSummary
}

type streamDescriptionSummary struct {
	StreamName                 string
	StreamARN                  string
	StreamStatus               string
	StreamModeDetails          modeDetails
	RetentionPeriodHours       int
	StreamCreationTimestamp    time.Time
	EnhancedMonitoring         []enhancedMetrics
	EncryptionType             string
	KeyId                      *string
	OpenShardCount             int
	ConsumerCount              int
	ChannelCount               int
	WarmThroughput             *warmThroughput
	MaxRecordSizeInKiB         int
	RecordDistributionStrategy *string
}

var describeStreamSummary = define("DescribeStreamSummary", func(c *call, in *describeStreamSummaryInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	out := &describeStreamSummaryOutput{StreamDescriptionSummary: streamDescriptionSummary{
		StreamName:              stream.Name,
		StreamARN:               stream.ARN(),
		StreamStatus:            string(stream.Status()),
		StreamModeDetails:       modeOf(stream),
		RetentionPeriodHours:    int(stream.Retention() / time.Hour),
		StreamCreationTimestamp: stream.Created,
		EnhancedMonitoring:      enhancedMonitoring(stream),
		ConsumerCount:           len(stream.Consumers()),
		ChannelCount:            stream.ChannelCount(),
		OpenShardCount:          len(stream.OpenShards()),
		MaxRecordSizeInKiB:      stream.MaxRecordBytes() >> 10,
	}}
	summary := &out.StreamDescriptionSummary
	summary.EncryptionType, summary.KeyId = encryptionOf(stream)
	if stream.OnDemand() {
		strategy := distributeByKey
		if stream.AutoDistribute() {
			strategy = distributeAuto
		}
		summary.RecordDistributionStrategy = &strategy
		summary.WarmThroughput = warmThroughputOf(stream)
	}
	return out, nil
})
