package localkinesis

import (
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

type registerStreamConsumerInput struct {
	StreamARN    *string           `shape:"StreamARN,required"`
	ConsumerName *string           `shape:"ConsumerName,required"`
	StreamId     *string           `shape:"StreamId"`
	Tags         map[string]string `shape:"TagMap"`
}

func (in *registerStreamConsumerInput) aim(c *call) aim {
	return (&streamRef{StreamARN: in.StreamARN}).aim(c)
}

type registerStreamConsumerOutput struct {
	Consumer consumer
}

type consumer struct {
	ConsumerName              string
	ConsumerARN               string
	ConsumerStatus            string
	ConsumerCreationTimestamp time.Time
}

var registerStreamConsumer = define("RegisterStreamConsumer", func(c *call, in *registerStreamConsumerInput) (any, error) {
	stream, err := c.streamByARN(*in.StreamARN)
	if err != nil {
		return nil, err
	}
	registered, err := stream.RegisterConsumer(*in.ConsumerName, in.Tags)
	if err != nil {
		return nil, err
	}
	out := &registerStreamConsumerOutput{Consumer: describeConsumer(registered)}
	// The service's answer always says so, however fast it is.
	out.Consumer.ConsumerStatus = string(state.Creating)
	return out, nil
})

func describeConsumer(c *state.Consumer) consumer {
	return consumer{
		ConsumerName:              c.Name,
		ConsumerARN:               c.ARN(),
		ConsumerStatus:            string(c.Status()),
		ConsumerCreationTimestamp: c.Created,
	}
}
