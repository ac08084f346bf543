package localkinesis

type updateShardCountInput struct {
	streamRef
	TargetShardCount *int64  `shape:"PositiveInteger,required"`
	ScalingType      *string `shape:"ScalingType,required"`
}

type updateShardCountOutput struct {
	StreamName        string
	CurrentShardCount int
	TargetShardCount  int
	StreamARN         string
}

var updateShardCount = define("UpdateShardCount", func(c *call, in *updateShardCountInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	target := int(*in.TargetShardCount)
	before, err := stream.UpdateShardCount(target)
	if err != nil {
		return nil, err
	}
	return &updateShardCountOutput{
		StreamName:        stream.Name,
		CurrentShardCount: before,
		TargetShardCount:  target,
		StreamARN:         stream.ARN(),
	}, nil
})
