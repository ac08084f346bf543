package localkinesis

type updateMaxRecordSizeInput struct {
	StreamARN          *string `shape:"StreamARN"`
	StreamId           *string `shape:"StreamId"`
	MaxRecordSizeInKiB *int64  `shape:"MaxRecordSize,required"`
}

func (in *updateMaxRecordSizeInput) aim(c *call) aim {
	return (&streamRef{StreamARN: in.StreamARN}).aim(c)
}

var updateMaxRecordSize = define("UpdateMaxRecordSize", func(c *call, in *updateMaxRecordSizeInput) (any, error) {
	stream, err := c.stream(streamRef{StreamARN: in.StreamARN})
	if err != nil {
		return nil, err
	}
	return nil, stream.SetMaxRecordBytes(int(*in.MaxRecordSizeInKiB) << 10)
})
