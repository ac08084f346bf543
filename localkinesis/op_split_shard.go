package localkinesis

type splitShardInput struct {
	streamRef
	ShardToSplit       *string `shape:"ShardId,required"`
	NewStartingHashKey *string `shape:"HashKey,required"`
}

func (in *splitShardInput) aim(c *call) aim {
	a := in.streamRef.aim(c)
	a.shards = []string{*in.ShardToSplit}
	return a
}

var splitShard = define("SplitShard", func(c *call, in *splitShardInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	start, err := explicitHashKey(in.NewStartingHashKey)
	if err != nil {
		return nil, err
	}
	return nil, stream.Split(*in.ShardToSplit, *start)
})
