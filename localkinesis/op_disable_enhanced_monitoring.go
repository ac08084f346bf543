package localkinesis

var disableEnhancedMonitoring = define("DisableEnhancedMonitoring", func(c *call, in *monitoringInput) (any, error) {
	return c.monitor(in, nil, in.metrics())
})
