package localkinesis

type decreaseStreamRetentionPeriodInput struct {
	streamRef
	RetentionPeriodHours *int64 `shape:"Integer,required"`
}

var decreaseStreamRetentionPeriod = define("DecreaseStreamRetentionPeriod", func(c *call, in *decreaseStreamRetentionPeriodInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	return nil, stream.DecreaseRetention(*in.RetentionPeriodHours)
})
