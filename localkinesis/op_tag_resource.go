package localkinesis

type tagResourceInput struct {
	resourceRef
	Tags map[string]string `shape:"TagMap,required"`
}

var tagResource = define("TagResource", func(c *call, in *tagResourceInput) (any, error) {
	r, err := c.resource(in.resourceRef)
	if err != nil {
		return nil, err
	}
	return nil, r.AddTags(in.Tags)
})
