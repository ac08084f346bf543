package localkinesis

import (
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// consumerRef names a consumer, by its ARN or by its stream and name.
type consumerRef struct {
	StreamARN    *string `shape:"StreamARN"`
	ConsumerName *string `shape:"ConsumerName"`
	ConsumerARN  *string `shape:"ConsumerARN"`
	StreamId     *string `shape:"StreamId"`
}

func (ref *consumerRef) aim(*call) aim {
	for _, arn := range []*string{ref.StreamARN, ref.ConsumerARN} {
		if arn != nil {
			return aim{stream: streamNameIn(*arn)}
		}
	}
	return aim{}
}

// consumer is the consumer an input names.
func (c *call) consumer(ref consumerRef) (*state.Consumer, error) {
	if ref.ConsumerARN != nil {
		return c.consumerByARN(*ref.ConsumerARN)
	}
	if ref.StreamARN == nil || ref.ConsumerName == nil {
		return nil, wire.Refuse(state.InvalidArgument, "Missing ConsumerARN, or StreamARN and ConsumerName.")
	}
	stream, err := c.streamByARN(*ref.StreamARN)
	if err != nil {
		return nil, err
	}
	return stream.Consumer(*ref.ConsumerName)
}

type describeStreamConsumerInput struct {
	consumerRef
}

type describeStreamConsumerOutput struct {
	ConsumerDescription consumerDescription
}

type consumerDescription struct {
	consumer
	StreamARN string
}

var describeStreamConsumer = define("DescribeStreamConsumer", func(c *call, in *describeStreamConsumerInput) (any, error) {
	found, err := c.consumer(in.consumerRef)
	if err != nil {
		return nil, err
	}
	return &describeStreamConsumerOutput{ConsumerDescription: consumerDescription{
		consumer:  describeConsumer(found),
		StreamARN: found.Stream.ARN(),
	}}, nil
})
