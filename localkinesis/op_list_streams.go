package localkinesis

import (
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

type listStreamsInput struct {
	Limit                    *int64  `shape:"Limit"`
	ExclusiveStartStreamName *string `shape:"StreamName"`
	NextToken                *string `shape:"NextToken"`
}

type listStreamsOutput struct {
	StreamNames     []string
	HasMoreStreams  bool
	NextToken       *string
	StreamSummaries []streamSummary
}

type streamSummary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	StreamCreationTimestamp time.Time
}

// listedStreams is the default page of ListStreams.
const listedStreams = 100

const streamTokens = "ListStreams"

var listStreams = define("ListStreams", func(c *call, in *listStreamsInput) (any, error) {
	after := ""
	switch {
	case in.NextToken != nil:
		token, err := c.server.sealer.OpenToken(streamTokens, *in.NextToken, c.At)
		if err != nil {
			return nil, err
		}
		after = token.After
	case in.ExclusiveStartStreamName != nil:
		after = *in.ExclusiveStartStreamName
	}
	out := &listStreamsOutput{StreamNames: []string{}, StreamSummaries: []streamSummary{}}
	limit := limitOr(in.Limit, listedStreams)
	for _, stream := range c.region.Streams() {
		if stream.Name <= after {
			continue
		}
		if len(out.StreamNames) == limit {
			out.HasMoreStreams = true
			last := out.StreamNames[limit-1]
			token := c.server.sealer.SealToken(streamTokens, state.Token{After: last, Issued: c.At.UnixMilli()})
			out.NextToken = &token
			break
		}
		out.StreamNames = append(out.StreamNames, stream.Name)
		out.StreamSummaries = append(out.StreamSummaries, streamSummary{
			StreamName:              stream.Name,
			StreamARN:               stream.ARN(),
			StreamStatus:            string(stream.Status()),
			StreamModeDetails:       modeOf(stream),
			StreamCreationTimestamp: stream.Created,
		})
	}
	return out, nil
})
