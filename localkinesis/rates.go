package localkinesis

import (
	"maps"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// rate is how often an operation may be called in a second, and what for.
type rate struct {
	perSecond float64
	scope     scope
}

type scope int

const (
	perAccount scope = iota
	perStream
	perShard
	perSubscriber // of a shard
)

// limitedRates are the rates the API reference gives in the text of each
// operation. Operations that are missing have none there; what PutRecord,
// PutRecords and GetRecords may do depends on the shard's traffic.
var limitedRates = map[string]rate{
	"AddTagsToStream":            {5, perAccount},
	"CreateChannel":              {5, perAccount},
	"CreateStream":               {5, perAccount},
	"DeleteChannel":              {5, perAccount},
	"DeleteStream":               {5, perAccount},
	"DeregisterStreamConsumer":   {5, perStream},
	"DescribeAccountSettings":    {5, perAccount},
	"DescribeChannel":            {5, perAccount},
	"DescribeLimits":             {1, perAccount},
	"DescribeStream":             {10, perAccount},
	"DescribeStreamConsumer":     {20, perStream},
	"DescribeStreamSummary":      {20, perAccount},
	"GetShardIterator":           {5, perShard},
	"ListChannels":               {5, perAccount},
	"ListShards":                 {1000, perStream},
	"ListStreamConsumers":        {5, perStream},
	"ListStreams":                {5, perAccount},
	"ListTagsForStream":          {5, perAccount},
	"MergeShards":                {5, perAccount},
	"RegisterStreamConsumer":     {5, perAccount},
	"RemoveTagsFromStream":       {5, perAccount},
	"SplitShard":                 {5, perAccount},
	"SubscribeToShard":           {1, perSubscriber},
	"UpdateAccountSettings":      {5, perAccount},
	"UpdateChannel":              {5, perAccount},
	"UpdateShardCount":           {10, perAccount},
	"UpdateStreamWarmThroughput": {5, perAccount},
}

// rates counts the calls of a strict server.
type rates struct {
	mu   sync.Mutex
	left map[rateKey]*state.Allowance
}

// rateKey is what is counted together.
type rateKey struct{ operation, region, stream, shard, consumer string }

// allow counts a call and reports whether it may be served.
func (r *rates) allow(c *call, target aim) bool {
	limit, limited := limitedRates[c.Operation]
	if !limited {
		return true
	}
	key := rateKey{operation: c.Operation, region: c.Region}
	if limit.scope >= perStream {
		key.stream = target.stream
	}
	if limit.scope >= perShard && len(target.shards) > 0 {
		key.shard = target.shards[0]
	}
	if limit.scope == perSubscriber {
		key.consumer = target.consumer
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left[key]
	if left == nil {
		left = r.fresh(key, limit, c.At)
	}
	return left.Spend(c.At, 1)
}

// maxCounted is how many allowances are kept before those are given up that a
// second has filled again. Their names are whatever clients say.
const maxCounted = 10_000

// fresh begins to count. r.mu is held.
func (r *rates) fresh(key rateKey, limit rate, now time.Time) *state.Allowance {
	if r.left == nil {
		r.left = make(map[rateKey]*state.Allowance)
	}
	if len(r.left) >= maxCounted {
		maps.DeleteFunc(r.left, func(_ rateKey, a *state.Allowance) bool { return a.Full(now) })
	}
	left := state.NewAllowance(limit.perSecond)
	r.left[key] = &left
	return &left
}
