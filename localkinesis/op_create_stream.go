package localkinesis

import (
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type createStreamInput struct {
	StreamName                 *string            `shape:"StreamName,required"`
	ShardCount                 *int64             `shape:"PositiveInteger"`
	StreamModeDetails          *streamModeDetails `shape:"Structure"`
	Tags                       map[string]string  `shape:"TagMap"`
	WarmThroughputMiBps        *int64             `shape:"NaturalInteger"`
	MaxRecordSizeInKiB         *int64             `shape:"MaxRecordSize"`
	RecordDistributionStrategy *string            `shape:"Distribution"`
}

type streamModeDetails struct {
	StreamMode *string `shape:"StreamMode,required"`
}

const (
	modeOnDemand    = "ON_DEMAND"
	modeProvisioned = "PROVISIONED"

	distributeAuto  = "AUTO"
	distributeByKey = "USER_PARTITION_KEY"
)

func (d *streamModeDetails) onDemand() bool { return d != nil && *d.StreamMode == modeOnDemand }

var createStream = define("CreateStream", func(c *call, in *createStreamInput) (any, error) {
	onDemand := in.StreamModeDetails.onDemand()
	create := state.CreateStream{Name: *in.StreamName, OnDemand: onDemand, Tags: in.Tags}
	switch {
	case onDemand && in.ShardCount != nil:
		return nil, wire.Refuse(state.InvalidArgument, "ShardCount must not be specified when StreamMode is ON_DEMAND.")
	case onDemand:
	case in.ShardCount == nil:
		return nil, wire.Refuse(state.Validation, "1 validation error detected: Value null at 'shardCount' failed to satisfy constraint: Member must not be null")
	default:
		create.Shards = int(*in.ShardCount)
	}
	if in.WarmThroughputMiBps != nil {
		create.WarmMiBps = int(*in.WarmThroughputMiBps)
	}
	if in.MaxRecordSizeInKiB != nil {
		create.MaxRecordBytes = int(*in.MaxRecordSizeInKiB) << 10
	}
	if s := in.RecordDistributionStrategy; s != nil && *s == distributeAuto {
		if !onDemand {
			return nil, wire.Refuse(state.InvalidArgument, "RecordDistributionStrategy AUTO is only supported for on-demand streams.")
		}
		create.AutoDistribute = true
	}
	return nil, c.region.CreateStream(create)
})
