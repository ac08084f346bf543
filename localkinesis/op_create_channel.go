package localkinesis

import (
	"encoding/json"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type createChannelInput struct {
	ChannelName                      *string              `shape:"ResourceName,required"`
	StreamConfigurationList          []channelStreamInput `shape:"OneElement,required"`
	ServiceExecutionRoleARN          *string              `shape:"ARN,required"`
	S3DestinationConfiguration       *s3Destination       `shape:"Structure"`
	S3TablesDestinationConfiguration *s3TablesDestination `shape:"Structure"`
	EncryptionConfiguration          *channelEncryption   `shape:"Structure"`
	LoggingConfiguration             *channelLogging      `shape:"Structure"`
	Tags                             map[string]string    `shape:"TagMap"`
}

type channelStreamInput struct {
	StreamARN           *string              `shape:"StreamARN,required"`
	RecordConfiguration *recordConfiguration `shape:"Structure,required"`
}

type recordConfiguration struct {
	RecordFormatType *string `shape:"RecordFormat,required"`
	GSRSchemaARN     *string `shape:"ARN"`
}

type channelEncryption struct {
	EncryptionType *string `shape:"ChannelEncryption,required"`
	KeyId          *string `shape:"KeyId,required"`
}

type channelLogging struct {
	CloudWatchLogs *cloudWatchLogs `shape:"Structure,required"`
}

type cloudWatchLogs struct {
	Enabled       *bool   `shape:"Structure,required"`
	LogGroupName  *string `shape:"Text"`
	LogStreamName *string `shape:"Text"`
}

type s3Destination struct {
	StorageConfiguration           *s3Storage       `shape:"Structure,required"`
	DataFreshnessInSeconds         *int64           `shape:"PositiveInteger"`
	DeadLetterQueueS3Configuration *deadLetterQueue `shape:"Structure"`
}

type s3Storage struct {
	BucketARN           *string `shape:"ARN,required"`
	ExpectedBucketOwner *string `shape:"Text,required"`
	CompressionType     *string `shape:"S3Compression,required"`
	StorageClass        *string `shape:"S3StorageClass"`
	OutputKeyTemplate   *string `shape:"Text"`
}

type deadLetterQueue struct {
	BucketARN           *string `shape:"ARN,required"`
	ExpectedBucketOwner *string `shape:"Text,required"`
	ErrorOutputPrefix   *string `shape:"Text"`
}

type s3TablesDestination struct {
	S3TablesConfigurationList      []s3Table        `shape:"SomeElements,required"`
	DataFreshnessInSeconds         *int64           `shape:"PositiveInteger"`
	DeadLetterQueueS3Configuration *deadLetterQueue `shape:"Structure,required"`
}

type s3Table struct {
	TableBucketARN  *string        `shape:"ARN,required"`
	Namespace       *string        `shape:"Text,required"`
	TableName       *string        `shape:"Text,required"`
	CompressionType *string        `shape:"TableCompression,required"`
	PartitionSpec   *partitionSpec `shape:"Structure"`
}

type partitionSpec struct {
	PartitionFields []partitionField `shape:"SomeElements,required"`
}

type partitionField struct {
	SourceName *string `shape:"Text,required"`
	Transform  *string `shape:"PartitionTransform,required"`
}

// channelSettings are what a channel keeps of its input, with the defaults.
type channelSettings struct {
	ServiceExecutionRoleARN          string
	StreamConfigurationList          []channelStream
	S3DestinationConfiguration       *s3Destination
	S3TablesDestinationConfiguration *s3TablesDestination
	EncryptionConfiguration          *channelEncryption
	LoggingConfiguration             *channelLogging
}

type channelStream struct {
	StreamARN               string
	StreamCreationTimestamp time.Time
	RecordConfiguration     *recordConfiguration
}

// channelOutput is the answer of the operations that describe one channel.
type channelOutput struct {
	ChannelDescription channelDescription
}

type channelDescription struct {
	ChannelName              string
	ChannelARN               string
	ChannelId                string
	ChannelStatus            string
	ChannelCreationTimestamp time.Time
	channelSettings
}

// readChannelSettings reads the JSON of channelSettings.
func readChannelSettings(document []byte) (any, error) {
	var settings channelSettings
	err := json.Unmarshal(document, &settings)
	return settings, err
}

func describeOneChannel(ch *state.Channel) *channelOutput {
	return &channelOutput{ChannelDescription: channelDescription{
		ChannelName:              ch.Name,
		ChannelARN:               ch.ARN(),
		ChannelId:                ch.ID,
		ChannelStatus:            string(ch.Status()),
		ChannelCreationTimestamp: ch.Created,
		channelSettings:          ch.Settings().(channelSettings),
	}}
}

// defaultFreshness is how old undelivered data may get, in seconds
// (S3DestinationConfiguration).
const defaultFreshness = 300

// createChannel describes a channel. Nothing is delivered to its destination.
var createChannel = define("CreateChannel", func(c *call, in *createChannelInput) (any, error) {
	if (in.S3DestinationConfiguration == nil) == (in.S3TablesDestinationConfiguration == nil) {
		return nil, wire.Refuse(state.InvalidArgument, "Specify either S3DestinationConfiguration or S3TablesDestinationConfiguration, but not both.")
	}
	source := in.StreamConfigurationList[0]
	stream, err := c.streamByARN(*source.StreamARN)
	if err != nil {
		return nil, err
	}
	id := newRequestID()
	ch, err := c.region.CreateChannel(*in.ChannelName, id, stream, in.Tags, in.settings(id, stream))
	if err != nil {
		return nil, err
	}
	out := describeOneChannel(ch)
	out.ChannelDescription.ChannelStatus = string(state.Creating)
	return out, nil
})

func (in *createChannelInput) settings(id string, stream *state.Stream) channelSettings {
	freshness := int64(defaultFreshness)
	switch s3, tables := in.S3DestinationConfiguration, in.S3TablesDestinationConfiguration; {
	case s3 != nil:
		if s3.DataFreshnessInSeconds == nil {
			s3.DataFreshnessInSeconds = &freshness
		}
		if s3.DeadLetterQueueS3Configuration == nil {
			prefix := "errors/"
			s3.DeadLetterQueueS3Configuration = &deadLetterQueue{
				BucketARN: s3.StorageConfiguration.BucketARN, ExpectedBucketOwner: s3.StorageConfiguration.ExpectedBucketOwner, ErrorOutputPrefix: &prefix,
			}
		}
	case tables.DataFreshnessInSeconds == nil:
		tables.DataFreshnessInSeconds = &freshness
	}
	return channelSettings{
		ServiceExecutionRoleARN: *in.ServiceExecutionRoleARN,
		StreamConfigurationList: []channelStream{{
			StreamARN: stream.ARN(), StreamCreationTimestamp: stream.Created, RecordConfiguration: in.StreamConfigurationList[0].RecordConfiguration,
		}},
		S3DestinationConfiguration:       in.S3DestinationConfiguration,
		S3TablesDestinationConfiguration: in.S3TablesDestinationConfiguration,
		EncryptionConfiguration:          in.EncryptionConfiguration,
		LoggingConfiguration:             in.LoggingConfiguration.withDefaults(*in.ChannelName, id),
	}
}

// withDefaults fills in the names of the log group and stream.
func (l *channelLogging) withDefaults(channel, id string) *channelLogging {
	enabled, group, stream := false, "/aws/kinesis/"+channel+"/"+id, "DestinationDelivery"
	if l == nil {
		return &channelLogging{CloudWatchLogs: &cloudWatchLogs{Enabled: &enabled}}
	}
	logs := *l.CloudWatchLogs
	if logs.LogGroupName == nil {
		logs.LogGroupName = &group
	}
	if logs.LogStreamName == nil {
		logs.LogStreamName = &stream
	}
	return &channelLogging{CloudWatchLogs: &logs}
}
