package localkinesis

type removeTagsFromStreamInput struct {
	streamRef
	TagKeys []string `shape:"TagKeyList,required"`
}

var removeTagsFromStream = define("RemoveTagsFromStream", func(c *call, in *removeTagsFromStreamInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	return nil, stream.RemoveTags(in.TagKeys)
})
