package redislease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// Getter is what ReadAsyncKinesis uses of Redis. *redis.Client and
// *redis.ClusterClient have it.
type Getter interface {
	Get(ctx context.Context, key string) *redis.StringCmd
}

// ReadAsyncKinesis reads the checkpoints of the Redis checkpointer of
// async-kinesis for Python that has this name, for these shards, which usually
// are all of the stream. It returns a lease for each shard with a checkpoint,
// which Create adds to a group of any store. A shard without one the group reads
// from the oldest record on.
//
// Owner is the Python worker that has not given the shard up, if any; its group
// must be stopped before the checkpoints are moved. A checkpoint of async-kinesis
// counts records of the stream: when its last one is a KPL container, all of the
// container is done. It is therefore read as the last sub-sequence number there
// can be, math.MaxInt32.
func ReadAsyncKinesis(ctx context.Context, client Getter, name string, shardIDs []string) ([]lease.Lease, error) {
	var leases []lease.Lease
	for _, id := range shardIDs {
		text, err := client.Get(ctx, "pyredis-"+name+"-"+id).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		l := lease.Lease{Key: id, ShardID: id}
		if err == nil {
			err = parseAsyncKinesis(text, &l)
		}
		if err != nil {
			return nil, fmt.Errorf("read the checkpoint of %s for shard %s: %w", name, id, err)
		}
		if !l.Checkpoint.IsZero() {
			leases = append(leases, l)
		}
	}
	return leases, nil
}

// parseAsyncKinesis reads {"ref": "name/id", "ts": 1700000000, "sequence": "4963…"},
// in which each may be null.
func parseAsyncKinesis(text string, l *lease.Lease) error {
	var value struct {
		Ref      string `json:"ref"`
		TS       *int64 `json:"ts"`
		Sequence string `json:"sequence"`
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	if value.TS != nil {
		l.Owner = value.Ref
	}
	if value.Sequence == "" {
		return nil
	}
	p, err := kinetrail.ParsePosition(value.Sequence)
	if err != nil {
		return err
	}
	if !p.IsRecord() || strings.Contains(value.Sequence, "/") {
		return fmt.Errorf("%q is no sequence number", value.Sequence)
	}
	l.Checkpoint = kinetrail.At(p.Sequence(), math.MaxInt32)
	return nil
}
