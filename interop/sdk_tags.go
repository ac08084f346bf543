package main

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func tags(t *talk) {
	orders := create(t, "orders", 1)

	ask[kinesis.AddTagsToStreamOutput](t, kinesis.AddTagsToStreamInput{StreamName: orders, Tags: map[string]string{"team": "shop", "größe": "groß"}})
	t.expect("the tags of the stream", tagsOfStream(t, orders), map[string]string{"team": "shop", "größe": "groß"})
	ask[kinesis.RemoveTagsFromStreamOutput](t, kinesis.RemoveTagsFromStreamInput{StreamName: orders, TagKeys: []string{"größe"}})
	t.expect("the tags after one was removed", tagsOfStream(t, orders), map[string]string{"team": "shop"})

	ask[kinesis.TagResourceOutput](t, kinesis.TagResourceInput{ResourceARN: arn("orders"), Tags: map[string]string{"team": "stock", "stage": "test"}})
	t.expect("the tags of the resource", tagsOfResource(t, arn("orders")), map[string]string{"team": "stock", "stage": "test"})
	ask[kinesis.UntagResourceOutput](t, kinesis.UntagResourceInput{ResourceARN: arn("orders"), TagKeys: []string{"team"}})
	t.expect("the tags of the stream, at last", tagsOfStream(t, orders), map[string]string{"stage": "test"})

	t.refused(kinesis.ListTagsForStreamInput{StreamName: aws.String("none")},
		apiError{"ResourceNotFoundException", "Stream none under account 000000000000 not found.", 400})
}

func tagsOfStream(t *talk, stream *string) map[string]string {
	return tagsByKey(ask[kinesis.ListTagsForStreamOutput](t, kinesis.ListTagsForStreamInput{StreamName: stream}).Tags)
}

func tagsOfResource(t *talk, resource *string) map[string]string {
	return tagsByKey(ask[kinesis.ListTagsForResourceOutput](t, kinesis.ListTagsForResourceInput{ResourceARN: resource}).Tags)
}

func tagsByKey(tags []types.Tag) map[string]string {
	found := make(map[string]string)
	for _, tag := range tags {
		found[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return found
}
