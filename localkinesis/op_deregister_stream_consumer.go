package localkinesis

type deregisterStreamConsumerInput struct {
	consumerRef
}

var deregisterStreamConsumer = define("DeregisterStreamConsumer", func(c *call, in *deregisterStreamConsumerInput) (any, error) {
	found, err := c.consumer(in.consumerRef)
	if err != nil {
		return nil, err
	}
	return nil, found.Deregister()
})
