package localkinesis

type addTagsToStreamInput struct {
	streamRef
	Tags map[string]string `shape:"TagMap,required"`
}

var addTagsToStream = define("AddTagsToStream", func(c *call, in *addTagsToStreamInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	return nil, stream.AddTags(in.Tags)
})
