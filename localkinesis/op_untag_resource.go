package localkinesis

type untagResourceInput struct {
	resourceRef
	TagKeys []string `shape:"TagKeyList,required"`
}

var untagResource = define("UntagResource", func(c *call, in *untagResourceInput) (any, error) {
	r, err := c.resource(in.resourceRef)
	if err != nil {
		return nil, err
	}
	return nil, r.RemoveTags(in.TagKeys)
})
