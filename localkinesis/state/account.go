package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// Config is what an Account is made with.
type Config struct {
	Clock      *Clock
	ID         string // twelve digits
	ShardLimit int    // open shards in a region
	Strict     bool   // enforce throughput and the limits on resharding

	// The time a state change takes: the stream is CREATING, DELETING or
	// UPDATING meanwhile. Zero changes at once.
	CreateDelay, DeleteDelay, UpdateDelay time.Duration

	// Store keeps the account beyond the process; nil keeps nothing.
	Store Store

	// ChannelSettings reads the JSON of what CreateChannel was given as
	// settings. It is needed with a Store.
	ChannelSettings func(document []byte) (any, error)
}

// Account is everything one AWS account has on this server.
type Account struct {
	Config

	sealer *Sealer

	mu      sync.RWMutex
	regions map[string]*Region
}

// NewAccount makes an account with what its store keeps, or without streams.
func NewAccount(config Config) (*Account, error) {
	a := &Account{Config: config, regions: make(map[string]*Region)}
	if err := a.restore(); err != nil {
		return nil, err
	}
	return a, nil
}

// Sealer makes the opaque texts the account hands out.
func (a *Account) Sealer() *Sealer { return a.sealer }

// maxRegions is how many regions an account can use, many times what AWS has.
// Their names are whatever a client says.
const maxRegions = 500

// Region returns the account's part in a region and whether it was used for
// the first time.
func (a *Account) Region(name string) (region *Region, first bool, err error) {
	a.mu.RLock()
	region = a.regions[name]
	a.mu.RUnlock()
	if region != nil {
		return region, false, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if region = a.regions[name]; region != nil {
		return region, false, nil
	}
	if !IsRegionName(name) || len(a.regions) >= maxRegions {
		return nil, false, refuse("InvalidSignatureException", "Credential should be scoped to a valid region, not %.32q.", name)
	}
	// The name may lie in a buffer that is used again.
	region = newRegion(a, strings.Clone(name))
	a.regions[region.Name] = region
	return region, true, nil
}

// IsRegionName reports whether a region can have this name: lower-case letters,
// digits and dashes, at most 32.
func IsRegionName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 32
}

func newRegion(a *Account, name string) *Region {
	return &Region{account: a, Name: name, streams: make(map[string]*Stream), channels: make(map[string]*Channel)}
}

// Regions returns every region that was used, sorted by name.
func (a *Account) Regions() []*Region {
	a.mu.RLock()
	defer a.mu.RUnlock()
	regions := make([]*Region, 0, len(a.regions))
	for _, r := range a.regions {
		regions = append(regions, r)
	}
	slices.SortFunc(regions, func(a, b *Region) int { return cmp.Compare(a.Name, b.Name) })
	return regions
}

// Region holds the streams of an account in one region.
type Region struct {
	Name string

	account *Account

	mu       sync.RWMutex
	streams  map[string]*Stream
	channels map[string]*Channel

	committed sync.Mutex
	billing   Commitment
}

// Partition is the AWS partition of the region, as ARNs name it.
func (r *Region) Partition() string {
	switch {
	case strings.HasPrefix(r.Name, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r.Name, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// CreateStream is what a new stream is made from.
type CreateStream struct {
	Name           string
	Shards         int
	OnDemand       bool
	Tags           map[string]string
	MaxRecordBytes int // 0 is the service's default of 1 MiB
	AutoDistribute bool
	WarmMiBps      int
}

// onDemandShards is how many shards a new on-demand stream has (developer
// guide, "On-demand mode").
const onDemandShards = 4

// CreateStream makes a stream. Its first second lies three before its
// creation, as the service does it.
func (r *Region) CreateStream(c CreateStream) error {
	now := r.account.Clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.streams[c.Name]; s != nil {
		if gone, err := s.settle(now); err != nil {
			return err
		} else if !gone {
			return refuse(ResourceInUse, "Stream %s under account %s already exists.", c.Name, r.account.ID)
		}
	}
	if c.OnDemand {
		c.Shards = onDemandShards
	}
	if err := checkTags(c.Tags); err != nil {
		return err
	}
	if err := r.allowWarmThroughput(c.Name, c.OnDemand, c.WarmMiBps); err != nil {
		return err
	}
	if err := r.allowShards(now, c.Shards); err != nil {
		return err
	}
	if err := r.allowCreating(); err != nil {
		return err
	}
	s := newStream(r, c, now)
	if err := s.saveNow(); err != nil {
		return err
	}
	r.streams[c.Name] = s
	return nil
}

// allowShards refuses what would exceed the account's limit. r.mu is held.
func (r *Region) allowShards(now time.Time, additional int) error {
	open := 0
	for _, s := range r.streams {
		gone, err := s.settle(now)
		if err != nil {
			return err
		}
		if !gone {
			open += len(s.layout.Load().open)
		}
	}
	if open+additional <= r.account.ShardLimit {
		return nil
	}
	return refuse(LimitExceeded, "This request would exceed the shard limit for the account %s in %s. "+
		"Current shard count for the account: %d. Limit: %d. Number of additional shards that would have "+
		"resulted from this request: %d. Refer to the AWS Service Limits page "+
		"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) "+
		"for current limits and how to request higher limits.",
		r.account.ID, r.Name, open, r.account.ShardLimit, additional)
}

// maxCreating is how many streams, and how many consumers, of a strict account
// can be CREATING at once (CreateStream, RegisterStreamConsumer).
const maxCreating = 5

// allowCreating refuses one stream too many that is being created. r.mu is
// held.
func (r *Region) allowCreating() error {
	creating := 0
	for _, s := range r.streams {
		if s.Status() == Creating {
			creating++
		}
	}
	if !r.account.Strict || creating < maxCreating {
		return nil
	}
	return refuse(LimitExceeded, "Account %s has %d streams that are CREATING, the limit.", r.account.ID, creating)
}

// Limits counts what DescribeLimits tells.
func (r *Region) Limits() (openShards, onDemandStreams int) {
	for _, s := range r.Streams() {
		if s.OnDemand() {
			onDemandStreams++
		}
		openShards += len(s.layout.Load().open)
	}
	return openShards, onDemandStreams
}

// Stream returns the stream of this name.
func (r *Region) Stream(name string) (*Stream, error) {
	r.mu.RLock()
	s := r.streams[name]
	r.mu.RUnlock()
	if s == nil {
		return nil, r.noStream(name)
	}
	switch gone, err := s.settle(r.account.Clock.Now()); {
	case err != nil:
		return nil, err
	case gone:
		return nil, r.noStream(name)
	}
	return s, nil
}

func (r *Region) noStream(name string) error {
	return refuse(ResourceNotFound, "Stream %s under account %s not found.", name, r.account.ID)
}

// Streams returns every stream, sorted by name. One whose pending change cannot
// be written is shown as it is.
func (r *Region) Streams() []*Stream {
	now := r.account.Clock.Now()
	r.mu.RLock()
	defer r.mu.RUnlock()
	streams := make([]*Stream, 0, len(r.streams))
	for _, s := range r.streams {
		if gone, _ := s.settle(now); !gone {
			streams = append(streams, s)
		}
	}
	slices.SortFunc(streams, func(a, b *Stream) int { return cmp.Compare(a.Name, b.Name) })
	return streams
}

// deleteStream removes a stream with its records.
func (r *Region) deleteStream(s *Stream) error {
	now := r.account.Clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := s.delete(now); err != nil {
		return err
	}
	gone, err := s.settle(now)
	if gone {
		delete(r.streams, s.Name)
	}
	return err
}

// ARN is the stream's ARN.
func (s *Stream) ARN() string {
	r := s.region
	return fmt.Sprintf("arn:%s:kinesis:%s:%s:stream/%s", r.Partition(), r.Name, r.account.ID, s.Name)
}

// layout is one state of a stream's shards. It is never changed.
type layout struct {
	shards []*Shard // every shard since the beginning, by index
	open   []*Shard // those that take records, by range
	before int      // how many shards there were before the latest reshard
}

// owner is the open shard whose range holds the key. The open shards always
// cover every key.
func (l *layout) owner(key shardmap.HashKey) *Shard {
	i, _ := slices.BinarySearchFunc(l.open, key, func(s *Shard, key shardmap.HashKey) int {
		return s.Range.End.Compare(key)
	})
	return l.open[i]
}
