package localkinesis

import (
	"fmt"
	"strings"

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
	createStream,
	deleteStream,
	describeStream,
	describeStreamSummary,
	getRecords,
	getShardIterator,
	listShards,
	listStreams,
	listTagsForStream,
	mergeShards,
	putRecord,
	putRecords,
	removeTagsFromStream,
	splitShard,
	updateShardCount,
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
		return c.withFaults(in, func() (any, error) { return run(c, in) })
	}}
}

// read fills an input from the body and applies its constraints.
func (c *call) read(in any) error {
	tree, err := c.parse()
	if err != nil {
		return err
	}
	if err := wire.Bind(tree, in); err != nil {
		return err
	}
	return wire.Validate(in)
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
func (c *call) streamByARN(arn string) (*state.Stream, error) {
	parts := strings.SplitN(arn, ":", 6)
	name, ok := "", false
	if len(parts) == 6 {
		name, ok = strings.CutPrefix(parts[5], "stream/")
	}
	if !ok {
		return nil, wire.Refuse(state.InvalidArgument, "Invalid StreamARN %s.", arn)
	}
	if parts[4] != c.server.options.Account {
		return nil, wire.Refuse(state.ResourceNotFound, "Stream %s under account %s not found.", name, parts[4])
	}
	region, err := c.server.region(parts[3])
	if err != nil {
		return nil, fmt.Errorf("open region %s: %w", parts[3], err)
	}
	return region.Stream(name)
}

// limitOr is a page size: what was asked for, or the operation's default.
func limitOr(asked *int64, otherwise int) int {
	if asked == nil {
		return otherwise
	}
	return int(*asked)
}
