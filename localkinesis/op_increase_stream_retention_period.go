package localkinesis

type increaseStreamRetentionPeriodInput struct {
	streamRef
	RetentionPeriodHours *int64 `shape:"Integer,required"`
}

var increaseStreamRetentionPeriod = define("IncreaseStreamRetentionPeriod", func(c *call, in *increaseStreamRetentionPeriodInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	return nil, stream.IncreaseRetention(*in.RetentionPeriodHours)
})
