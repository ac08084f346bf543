package localkinesis

type deleteResourcePolicyInput struct {
	resourceRef
}

var deleteResourcePolicy = define("DeleteResourcePolicy", func(c *call, in *deleteResourcePolicyInput) (any, error) {
	r, err := c.resource(in.resourceRef)
	if err != nil {
		return nil, err
	}
	if r.Policy() == "" {
		return nil, noPolicy(*in.ResourceARN)
	}
	return nil, r.SetPolicy("")
})
