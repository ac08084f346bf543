package localkinesis

import "slices"

// monitoringInput is the input of EnableEnhancedMonitoring and of
// DisableEnhancedMonitoring.
type monitoringInput struct {
	streamRef
	ShardLevelMetrics []string `shape:"MetricsNameList,required"`
}

type monitoringOutput struct {
	StreamName               string
	CurrentShardLevelMetrics []string
	DesiredShardLevelMetrics []string
	StreamARN                string
}

// everyMetric is what ALL stands for.
var everyMetric = []string{
	"IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords",
	"WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds",
}

// metrics are those an input names.
func (in *monitoringInput) metrics() []string {
	if slices.Contains(in.ShardLevelMetrics, "ALL") {
		return everyMetric
	}
	return in.ShardLevelMetrics
}

// monitor changes the metrics of a stream.
func (c *call) monitor(in *monitoringInput, add, remove []string) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	before, after, err := stream.ChangeMetrics(add, remove)
	if err != nil {
		return nil, err
	}
	return &monitoringOutput{
		StreamName:               stream.Name,
		CurrentShardLevelMetrics: append([]string{}, before...),
		DesiredShardLevelMetrics: append([]string{}, after...),
		StreamARN:                stream.ARN(),
	}, nil
}

var enableEnhancedMonitoring = define("EnableEnhancedMonitoring", func(c *call, in *monitoringInput) (any, error) {
	return c.monitor(in, in.metrics(), nil)
})
