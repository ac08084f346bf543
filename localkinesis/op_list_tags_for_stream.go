package localkinesis

import (
	"maps"
	"slices"
)

type listTagsForStreamInput struct {
	streamRef
	ExclusiveStartTagKey *string `shape:"TagKey"`
	Limit                *int64  `shape:"TagLimit"`
}

type listTagsForStreamOutput struct {
	Tags        []tag
	HasMoreTags bool
}

type tag struct {
	Key   string
	Value string
}

// listedTags is the default page of ListTagsForStream, and the most tags a
// stream can have.
const listedTags = 50

var listTagsForStream = define("ListTagsForStream", func(c *call, in *listTagsForStreamInput) (any, error) {
	stream, err := c.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	tags := stream.Tags()
	limit := limitOr(in.Limit, listedTags)
	out := &listTagsForStreamOutput{Tags: []tag{}}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if in.ExclusiveStartTagKey != nil && key <= *in.ExclusiveStartTagKey {
			continue
		}
		if len(out.Tags) == limit {
			out.HasMoreTags = true
			break
		}
		out.Tags = append(out.Tags, tag{Key: key, Value: tags[key]})
	}
	return out, nil
})
