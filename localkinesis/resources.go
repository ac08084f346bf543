package localkinesis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// resource is what can be tagged and given a policy.
type resource interface {
	Tags() map[string]string
	AddTags(tags map[string]string) error
	RemoveTags(keys []string) error
	Policy() string
	SetPolicy(policy string) error
}

// resourceRef names a stream, a consumer or a channel by its ARN.
type resourceRef struct {
	ResourceARN *string `shape:"ResourceARN,required"`
	StreamId    *string `shape:"StreamId"`
}

func (ref *resourceRef) aim(*call) aim { return aim{stream: streamNameIn(*ref.ResourceARN)} }

// streamNameIn is the stream an ARN names, also that of a consumer.
func streamNameIn(arn string) string {
	_, name, _ := strings.Cut(arn, "/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// resource is what an input names.
func (c *call) resource(ref resourceRef) (resource, error) {
	a, err := c.parseARN(*ref.ResourceARN)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(a.rest, "channel/") {
		return a.region.Channel(*ref.ResourceARN)
	}
	stream, consumer, err := a.streamAndConsumer()
	if err != nil || consumer == "" {
		return stream, err
	}
	return stream.ConsumerOf(consumer)
}

// consumerByARN is the consumer of an ARN,
// arn:aws:kinesis:eu-west-1:000000000000:stream/orders/consumer/reports:1700000000.
func (c *call) consumerByARN(arn string) (*state.Consumer, error) {
	a, err := c.parseARN(arn)
	if err != nil {
		return nil, err
	}
	stream, consumer, err := a.streamAndConsumer()
	if err != nil {
		return nil, err
	}
	return stream.ConsumerOf(consumer)
}

// arn is an ARN of this account.
type arn struct {
	region *state.Region
	rest   string // stream/orders
}

// parseARN reads an ARN and refuses one of another account.
func (c *call) parseARN(text string) (arn, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 {
		return arn{}, wire.Refuse(state.InvalidArgument, "Invalid ARN %s.", text)
	}
	if parts[4] != c.server.options.Account {
		return arn{}, wire.Refuse(state.ResourceNotFound, "%s under account %s not found.", describeARN(parts[5]), parts[4])
	}
	region, err := c.server.region(parts[3])
	if err != nil {
		return arn{}, fmt.Errorf("open region %s: %w", parts[3], err)
	}
	return arn{region: region, rest: parts[5]}, nil
}

// describeARN is the end of an ARN as messages name it.
func describeARN(rest string) string {
	if name, ok := strings.CutPrefix(rest, "stream/"); ok {
		return "Stream " + name
	}
	return "Resource " + rest
}

// streamAndConsumer is the stream an ARN names, and what follows its name.
func (a arn) streamAndConsumer() (stream *state.Stream, consumer string, err error) {
	rest, ok := strings.CutPrefix(a.rest, "stream/")
	if !ok {
		return nil, "", wire.Refuse(state.InvalidArgument, "Invalid ARN: %s names no stream.", a.rest)
	}
	name, consumer, _ := strings.Cut(rest, "/")
	stream, err = a.region.Stream(name)
	return stream, consumer, err
}

// tag is a tag as answers list it.
type tag struct {
	Key   string
	Value string
}

// sortedTags lists tags by their keys.
func sortedTags(tags map[string]string) []tag {
	list := []tag{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, tag{Key: key, Value: tags[key]})
	}
	return list
}
