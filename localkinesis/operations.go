package localkinesis

import (
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// operation is one operation of the API: from the body of a request to its
// output.
type operation struct {
	name  string
	serve func(c *call) (output any, err error)
}

// operations are those the server has, by name.
var operations = byName(
	addTagsToStream,
	createChannel,
	createStream,
	decreaseStreamRetentionPeriod,
	deleteChannel,
	deleteResourcePolicy,
	deleteStream,
	deregisterStreamConsumer,
	describeAccountSettings,
	describeChannel,
	describeLimits,
	describeStream,
	describeStreamConsumer,
	describeStreamSummary,
	disableEnhancedMonitoring,
	enableEnhancedMonitoring,
	getRecords,
	getResourcePolicy,
	getShardIterator,
	increaseStreamRetentionPeriod,
	listChannels,
	listShards,
	listStreamConsumers,
	listStreams,
	listTagsForResource,
	listTagsForStream,
	mergeShards,
	putRecord,
	putRecords,
	putResourcePolicy,
	registerStreamConsumer,
	removeTagsFromStream,
	splitShard,
	startStreamEncryption,
	stopStreamEncryption,
	subscribeToShard,
	tagResource,
	untagResource,
	updateAccountSettings,
	updateChannel,
	updateMaxRecordSize,
	updateShardCount,
	updateStreamMode,
	updateStreamRecordDistributionStrategy,
	updateStreamWarmThroughput,
)

func byName(list ...*operation) map[string]*operation {
	m := make(map[string]*operation, len(list))
	for _, op := range list {
		m[op.name] = op
	}
	return m
}

// define makes an operation whose input is read, checked and run in the usual
// way. run returns nil for an empty answer.
func define[Input any](name string, run func(c *call, in *Input) (output any, err error)) *operation {
	return &operation{name: name, serve: func(c *call) (any, error) {
		in := new(Input)
		if err := c.read(in); err != nil {
			return nil, err
		}
		return c.perform(in, func() (any, error) { return run(c, in) })
	}}
}

// read fills an input from the body and applies its constraints.
func (c *call) read(in any) error {
	if err := c.bind(in); err != nil {
		return err
	}
	return wire.Validate(in)
}

// bind fills an input from the body.
func (c *call) bind(in any) error {
	tree, err := c.parse()
	if err != nil {
		return err
	}
	return wire.Bind(tree, in)
}

// streamRef names a stream, by name, by ARN or by both.
type streamRef struct {
	StreamName *string `shape:"StreamName"`
	StreamARN  *string `shape:"StreamARN"`
	StreamId   *string `shape:"StreamId"` // reserved by the service, which ignores it
}

// stream is the stream an input names.
func (c *call) stream(ref streamRef) (*state.Stream, error) {
	switch {
	case ref.StreamARN != nil:
		stream, err := c.streamByARN(*ref.StreamARN)
		if err == nil && ref.StreamName != nil && *ref.StreamName != stream.Name {
			return nil, wire.Refuse(state.InvalidArgument, "StreamARN %s and StreamName %s do not match.", *ref.StreamARN, *ref.StreamName)
		}
		return stream, err
	case ref.StreamName != nil:
		return c.region.Stream(*ref.StreamName)
	}
	return nil, wire.Refuse(state.InvalidArgument, "Missing StreamARN or StreamName.")
}

// streamByARN is the stream of an ARN, arn:aws:kinesis:eu-west-1:000000000000:stream/orders.
func (c *call) streamByARN(text string) (*state.Stream, error) {
	a, err := c.parseARN(text)
	if err != nil {
		return nil, err
	}
	stream, _, err := a.streamAndConsumer()
	return stream, err
}

// limitOr is a page size: what was asked for, or the operation's default.
func limitOr(asked *int64, otherwise int) int {
	if asked == nil {
		return otherwise
	}
	return int(*asked)
}
