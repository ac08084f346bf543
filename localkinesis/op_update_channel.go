package localkinesis

import (
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type updateChannelInput struct {
	channelRef
	S3DestinationConfiguration       *freshnessInput `shape:"Structure"`
	S3TablesDestinationConfiguration *freshnessInput `shape:"Structure"`
	LoggingConfiguration             *channelLogging `shape:"Structure"`
}

type freshnessInput struct {
	DataFreshnessInSeconds *int64 `shape:"PositiveInteger,required"`
}

var updateChannel = define("UpdateChannel", func(c *call, in *updateChannelInput) (any, error) {
	ch, err := c.region.Channel(*in.ChannelARN)
	if err != nil {
		return nil, err
	}
	settings := ch.Settings().(channelSettings)
	if err := in.change(&settings, ch); err != nil {
		return nil, err
	}
	if err := ch.Update(settings); err != nil {
		return nil, err
	}
	out := describeOneChannel(ch)
	out.ChannelDescription.ChannelStatus = string(state.Updating)
	return out, nil
})

// change applies the input to a copy of the settings.
func (in *updateChannelInput) change(settings *channelSettings, ch *state.Channel) error {
	if in.S3DestinationConfiguration != nil {
		if settings.S3DestinationConfiguration == nil {
			return wire.Refuse(state.InvalidArgument, "Channel %s does not deliver to a general purpose Amazon S3 bucket.", ch.Name)
		}
		s3 := *settings.S3DestinationConfiguration
		s3.DataFreshnessInSeconds = in.S3DestinationConfiguration.DataFreshnessInSeconds
		settings.S3DestinationConfiguration = &s3
	}
	if in.S3TablesDestinationConfiguration != nil {
		if settings.S3TablesDestinationConfiguration == nil {
			return wire.Refuse(state.InvalidArgument, "Channel %s does not deliver to streaming tables.", ch.Name)
		}
		tables := *settings.S3TablesDestinationConfiguration
		tables.DataFreshnessInSeconds = in.S3TablesDestinationConfiguration.DataFreshnessInSeconds
		settings.S3TablesDestinationConfiguration = &tables
	}
	if in.LoggingConfiguration != nil {
		settings.LoggingConfiguration = in.LoggingConfiguration.withDefaults(ch.Name, ch.ID)
	}
	return nil
}
