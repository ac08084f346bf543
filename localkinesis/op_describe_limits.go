package localkinesis

type describeLimitsInput struct{}

type describeLimitsOutput struct {
	ShardLimit               int
	OpenShardCount           int
	OnDemandStreamCount      int
	OnDemandStreamCountLimit int
	ChannelCount             int
}

// onDemandStreamLimit is how many on-demand streams an account can have
// (developer guide, "Quotas and limits"). The server does not enforce it.
const onDemandStreamLimit = 50

var describeLimits = define("DescribeLimits", func(c *call, _ *describeLimitsInput) (any, error) {
	open, onDemand := c.region.Limits()
	return &describeLimitsOutput{
		ShardLimit:               c.server.options.ShardLimit,
		OpenShardCount:           open,
		OnDemandStreamCount:      onDemand,
		OnDemandStreamCountLimit: onDemandStreamLimit,
		ChannelCount:             len(c.region.Channels()),
	}, nil
})
