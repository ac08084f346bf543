package localkinesis

type listTagsForResourceInput struct {
	resourceRef
}

type listTagsForResourceOutput struct {
	Tags []tag
}

var listTagsForResource = define("ListTagsForResource", func(c *call, in *listTagsForResourceInput) (any, error) {
	r, err := c.resource(in.resourceRef)
	if err != nil {
		return nil, err
	}
	return &listTagsForResourceOutput{Tags: sortedTags(r.Tags())}, nil
})
