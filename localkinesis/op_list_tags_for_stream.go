package localkinesis

import "slices"

type listTagsForStreamInput struct {
	streamRef
	ExclusiveStartTagKey *string `shape:"TagKey"`
	Limit                *int64  `shape:"TagLimit"`
}

type listTagsForStreamOutput struct {
	Tags        []tag
	HasMoreTags bool
}

// listedTags is the default page of ListTagsForStream, and the most tags a
// stream can have.
const listedTags = 50

var listTagsForStream = define("ListTagsForStream", func(c *call, in *listTagsForStreamInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	out := &listTagsForStreamOutput{Tags: sortedTags(stream.Tags())}
	if after := in.ExclusiveStartTagKey; after != nil {
		out.Tags = slices.DeleteFunc(out.Tags, func(t tag) bool { return t.Key <= *after })
	}
	if limit := limitOr(in.Limit, listedTags); len(out.Tags) > limit {
		out.Tags, out.HasMoreTags = out.Tags[:limit], true
	}
	return out, nil
})
