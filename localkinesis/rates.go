package localkinesis

import (
	"sync"

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
type rateKey struct{ operation, region, stream, shard string }

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
	if limit.scope == perShard && len(target.shards) > 0 {
		key.shard = target.shards[0]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left[key]
	if left == nil {
		fresh := state.NewAllowance(limit.perSecond)
		left = &fresh
		if r.left == nil {
			r.left = make(map[rateKey]*state.Allowance)
		}
		r.left[key] = left
	}
	return left.Spend(c.At, 1)
}
