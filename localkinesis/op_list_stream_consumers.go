package localkinesis

import (
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

type listStreamConsumersInput struct {
	StreamARN               *string `shape:"StreamARN,required"`
	NextToken               *string `shape:"NextToken"`
	MaxResults              *int64  `shape:"Limit"`
	StreamCreationTimestamp *time.Time
	StreamId                *string `shape:"StreamId"`
}

func (in *listStreamConsumersInput) aim(c *call) aim {
	return (&streamRef{StreamARN: in.StreamARN}).aim(c)
}

type listStreamConsumersOutput struct {
	Consumers []consumer
	NextToken *string
}

const (
	consumerTokens  = "ListStreamConsumers"
	listedConsumers = 100 // the default page
)

var listStreamConsumers = define("ListStreamConsumers", func(c *call, in *listStreamConsumersInput) (any, error) {
	stream, err := c.streamByARN(*in.StreamARN)
	if err != nil {
		return nil, err
	}
	after := ""
	if in.NextToken != nil {
		token, err := c.server.sealer.OpenToken(consumerTokens, *in.NextToken, c.At)
		if err != nil {
			return nil, err
		}
		after = token.After
	}
	out := &listStreamConsumersOutput{Consumers: []consumer{}}
	limit := limitOr(in.MaxResults, listedConsumers)
	for _, found := range stream.Consumers() {
		if found.Name <= after {
			continue
		}
		if len(out.Consumers) == limit {
			token := c.server.sealer.SealToken(consumerTokens, state.Token{
				Stream: stream.Name, After: out.Consumers[limit-1].ConsumerName, Issued: c.At.UnixMilli(),
			})
			out.NextToken = &token
			break
		}
		out.Consumers = append(out.Consumers, describeConsumer(found))
	}
	return out, nil
})
