package localkinesis

// channelRef names a channel.
type channelRef struct {
	ChannelARN *string `shape:"ARN,required"`
}

type describeChannelInput struct {
	channelRef
}

var describeChannel = define("DescribeChannel", func(c *call, in *describeChannelInput) (any, error) {
	ch, err := c.region.Channel(*in.ChannelARN)
	if err != nil {
		return nil, err
	}
	return describeOneChannel(ch), nil
})
