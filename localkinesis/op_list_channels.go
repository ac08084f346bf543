package localkinesis

import (
	"slices"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

type listChannelsInput struct {
	MaxResults   *int64         `shape:"PositiveInteger"`
	NextToken    *string        `shape:"NextToken"`
	StreamFilter []streamFilter `shape:"SomeElements"`
}

type streamFilter struct {
	StreamARN               *string `shape:"StreamARN,required"`
	StreamCreationTimestamp *time.Time
}

type listChannelsOutput struct {
	ChannelSummaries []channelSummary
	NextToken        *string
}

type channelSummary struct {
	ChannelName              string
	ChannelARN               string
	ChannelId                string
	ChannelStatus            string
	ChannelDestinationType   string
	ChannelCreationTimestamp time.Time
	Streams                  []channelStreamIdentifier
}

type channelStreamIdentifier struct {
	StreamARN               string
	StreamCreationTimestamp time.Time
}

const (
	channelTokens  = "ListChannels"
	listedChannels = 100 // the default page, and the largest
)

var listChannels = define("ListChannels", func(c *call, in *listChannelsInput) (any, error) {
	after := ""
	if in.NextToken != nil {
		token, err := c.server.sealer.OpenToken(channelTokens, *in.NextToken, c.At)
		if err != nil {
			return nil, err
		}
		after = token.After
	}
	limit := min(limitOr(in.MaxResults, listedChannels), listedChannels)
	out := &listChannelsOutput{ChannelSummaries: []channelSummary{}}
	for _, ch := range c.region.Channels() {
		if ch.Name <= after || !in.keeps(ch) {
			continue
		}
		if len(out.ChannelSummaries) == limit {
			token := c.server.sealer.SealToken(channelTokens, state.Token{After: out.ChannelSummaries[limit-1].ChannelName, Issued: c.At.UnixMilli()})
			out.NextToken = &token
			break
		}
		out.ChannelSummaries = append(out.ChannelSummaries, summarizeChannel(ch))
	}
	return out, nil
})

// keeps reports whether a channel passes the filter.
func (in *listChannelsInput) keeps(ch *state.Channel) bool {
	return in.StreamFilter == nil || slices.ContainsFunc(in.StreamFilter, func(f streamFilter) bool {
		return *f.StreamARN == ch.Stream.ARN() && (f.StreamCreationTimestamp == nil || f.StreamCreationTimestamp.Unix() == ch.Stream.Created.Unix())
	})
}

func summarizeChannel(ch *state.Channel) channelSummary {
	destination := "S3"
	if ch.Settings().(channelSettings).S3TablesDestinationConfiguration != nil {
		destination = "S3_TABLES"
	}
	return channelSummary{
		ChannelName:              ch.Name,
		ChannelARN:               ch.ARN(),
		ChannelId:                ch.ID,
		ChannelStatus:            string(ch.Status()),
		ChannelDestinationType:   destination,
		ChannelCreationTimestamp: ch.Created,
		Streams:                  []channelStreamIdentifier{{StreamARN: ch.Stream.ARN(), StreamCreationTimestamp: ch.Stream.Created}},
	}
}
