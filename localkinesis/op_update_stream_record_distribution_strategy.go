package localkinesis

type updateStreamRecordDistributionStrategyInput struct {
	StreamARN                  *string `shape:"StreamARN,required"`
	StreamId                   *string `shape:"StreamId"`
	RecordDistributionStrategy *string `shape:"Distribution,required"`
}

func (in *updateStreamRecordDistributionStrategyInput) aim(c *call) aim {
	return (&streamRef{StreamARN: in.StreamARN}).aim(c)
}

var updateStreamRecordDistributionStrategy = define("UpdateStreamRecordDistributionStrategy", func(c *call, in *updateStreamRecordDistributionStrategyInput) (any, error) {
	stream, err := c.streamByARN(*in.StreamARN)
	if err != nil {
		return nil, err
	}
	return nil, stream.SetAutoDistribute(*in.RecordDistributionStrategy == distributeAuto)
})
