package localkinesis

type deleteChannelInput struct {
	channelRef
}

var deleteChannel = define("DeleteChannel", func(c *call, in *deleteChannelInput) (any, error) {
	ch, err := c.region.Channel(*in.ChannelARN)
	if err != nil {
		return nil, err
	}
	return nil, ch.Delete()
})
