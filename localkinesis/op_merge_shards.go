package localkinesis

type mergeShardsInput struct {
	streamRef
	ShardToMerge         *string `shape:"ShardId,required"`
	AdjacentShardToMerge *string `shape:"ShardId,required"`
}

func (in *mergeShardsInput) aim(c *call) aim {
	a := in.streamRef.aim(c)
	a.shards = []string{*in.ShardToMerge, *in.AdjacentShardToMerge}
	return a
}

var mergeShards = define("MergeShards", func(c *call, in *mergeShardsInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	return nil, stream.Merge(*in.ShardToMerge, *in.AdjacentShardToMerge)
})
