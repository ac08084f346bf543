package localkinesis

type deleteStreamInput struct {
	streamRef
	EnforceConsumerDeletion *bool
}

var deleteStream = define("DeleteStream", func(c *call, in *deleteStreamInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	return nil, stream.Delete(wants(in.EnforceConsumerDeletion))
})
