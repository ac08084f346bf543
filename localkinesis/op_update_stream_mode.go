package localkinesis

type updateStreamModeInput struct {
	StreamARN           *string            `shape:"StreamARN,required"`
	StreamId            *string            `shape:"StreamId"`
	StreamModeDetails   *streamModeDetails `shape:"Structure,required"`
	WarmThroughputMiBps *int64             `shape:"NaturalInteger"`
}

func (in *updateStreamModeInput) aim(c *call) aim {
	return (&streamRef{StreamARN: in.StreamARN}).aim(c)
}

var updateStreamMode = define("UpdateStreamMode", func(c *call, in *updateStreamModeInput) (any, error) {
	stream, err := c.streamByARN(*in.StreamARN)
	if err != nil {
		return nil, err
	}
	return nil, stream.SetMode(in.StreamModeDetails.onDemand(), limitOr(in.WarmThroughputMiBps, 0))
})
