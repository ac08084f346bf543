package state

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
)

// Consumer is a registered consumer of a stream, with its subscriptions.
type Consumer struct {
	Name    string
	Created time.Time // whole seconds
	Stream  *Stream

	resource

	readyAt time.Time

	mu            sync.Mutex
	goneAt        time.Time // zero: not deregistered
	subscriptions map[uint32]*Subscription
}

// ARN is the consumer's ARN. It ends in the second of its creation, so that a
// consumer of the same name gets another one.
func (c *Consumer) ARN() string {
	return fmt.Sprintf("%s/consumer/%s:%d", c.Stream.ARN(), c.Name, c.Created.Unix())
}

// Status is CREATING, ACTIVE or DELETING.
func (c *Consumer) Status() Status {
	now := c.Stream.region.account.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.goneAt.IsZero():
		return Deleting
	case now.Before(c.readyAt):
		return Creating
	}
	return Active
}

// gone reports whether the consumer was deregistered and its time is over.
func (c *Consumer) gone(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.goneAt.IsZero() && !now.Before(c.goneAt)
}

// RegisterConsumer adds a consumer to the stream.
func (s *Stream) RegisterConsumer(name string, tags map[string]string) (*Consumer, error) {
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	if err := s.region.allowRegistering(); err != nil {
		return nil, err
	}
	now := s.region.account.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustExist(); err != nil {
		return nil, err
	}
	s.forgetConsumers(now)
	if s.consumers[name] != nil {
		return nil, refuse(ResourceInUse, "Consumer %s under stream %s already exists for account %s.", name, s.Name, s.region.account.ID)
	}
	if len(s.consumers) >= kinetrail.MaxConsumersPerStream {
		return nil, refuse(LimitExceeded, "Stream %s under account %s has %d registered consumers, the limit.", s.Name, s.region.account.ID, len(s.consumers))
	}
	if s.status != Active && s.status != Updating {
		return nil, s.mustBeActive()
	}
	c := &Consumer{
		Name: name, Created: now.Truncate(time.Second), Stream: s,
		resource:      resource{tags: maps.Clone(tags), saved: s.saveNow},
		readyAt:       now.Add(s.region.account.CreateDelay),
		subscriptions: make(map[uint32]*Subscription),
	}
	s.consumers[name] = c
	if err := s.save(); err != nil {
		delete(s.consumers, name)
		return nil, err
	}
	return c, nil
}

// allowRegistering refuses one consumer too many that is being created.
func (r *Region) allowRegistering() error {
	if !r.account.Strict {
		return nil
	}
	creating := 0
	for _, s := range r.Streams() {
		for _, c := range s.Consumers() {
			if c.Status() == Creating {
				creating++
			}
		}
	}
	if creating < maxCreating {
		return nil
	}
	return refuse(LimitExceeded, "Account %s has %d consumers that are CREATING, the limit.", r.account.ID, creating)
}

// forgetConsumers drops those whose time is over. s.mu is held.
func (s *Stream) forgetConsumers(now time.Time) {
	for name, c := range s.consumers {
		if c.gone(now) {
			delete(s.consumers, name)
		}
	}
}

// Consumers returns the stream's consumers, sorted by name.
func (s *Stream) Consumers() []*Consumer {
	now := s.region.account.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetConsumers(now)
	var consumers []*Consumer
	for _, c := range s.consumers {
		consumers = append(consumers, c)
	}
	slices.SortFunc(consumers, func(a, b *Consumer) int { return cmp.Compare(a.Name, b.Name) })
	return consumers
}

// Consumer returns the consumer of this name.
func (s *Stream) Consumer(name string) (*Consumer, error) {
	now := s.region.account.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetConsumers(now)
	if c := s.consumers[name]; c != nil {
		return c, nil
	}
	return nil, refuse(ResourceNotFound, "Consumer %s, stream %s under account %s not found.", name, s.Name, s.region.account.ID)
}

// ConsumerOf returns the consumer an ARN names, behind the stream's own ARN:
// consumer/NAME:SECOND.
func (s *Stream) ConsumerOf(suffix string) (*Consumer, error) {
	name, second, _ := strings.Cut(strings.TrimPrefix(suffix, "consumer/"), ":")
	c, err := s.Consumer(name)
	if err == nil && strconv.FormatInt(c.Created.Unix(), 10) != second {
		return nil, refuse(ResourceNotFound, "Consumer %s:%s, stream %s under account %s not found.", name, second, s.Name, s.region.account.ID)
	}
	return c, err
}

// Deregister removes the consumer and ends its subscriptions.
func (c *Consumer) Deregister() error {
	c.leave(c.Stream.region.account.Clock.Now())
	return c.Stream.saveNow()
}

func (c *Consumer) leave(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.goneAt = now.Add(c.Stream.region.account.DeleteDelay)
	for _, s := range c.subscriptions {
		s.end(refuse(ResourceNotFound, "Consumer %s, stream %s under account %s not found.", c.Name, c.Stream.Name, c.Stream.region.account.ID))
	}
}

// Subscription is a consumer's hold on a shard.
type Subscription struct {
	consumer *Consumer
	shard    uint32
	started  time.Time
	end      context.CancelCauseFunc
	closed   bool // by its client, or over; consumer.mu is held for it
}

// Shard is the index of the shard.
func (s *Subscription) Shard() uint32 { return s.shard }

// Started is when the subscription began.
func (s *Subscription) Started() time.Time { return s.started }

// Subscribe takes hold of a shard. A hold that is younger than five seconds
// is in the way; an older one is taken over, and its ctx ends with the reason.
func (c *Consumer) Subscribe(ctx context.Context, shard *Shard) (*Subscription, context.Context, error) {
	now := c.Stream.region.account.Clock.Now()
	if status := c.Status(); status != Active {
		return nil, nil, refuse(ResourceInUse, "Consumer %s, stream %s under account %s not ACTIVE, instead in state %s",
			c.Name, c.Stream.Name, c.Stream.region.account.ID, status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if held := c.subscriptions[shard.Index]; held != nil {
		taken := refuse(ResourceInUse, "Another active subscription exists for this consumer: %s:%s:%s",
			c.Stream.region.account.ID, c.Stream.Name, c.Name)
		if now.Sub(held.started) < kinetrail.SubscriptionTakeover {
			return nil, nil, taken
		}
		held.end(taken)
	}
	ctx, end := context.WithCancelCause(ctx)
	s := &Subscription{consumer: c, shard: shard.Index, started: now, end: end}
	c.subscriptions[shard.Index] = s
	return s, ctx, nil
}

// Close lets go of the shard. One that began less than five seconds ago stays
// in the way of the next, as on the service.
func (s *Subscription) Close() {
	s.end(nil)
	now := s.consumer.Stream.region.account.Clock.Now()
	s.consumer.mu.Lock()
	defer s.consumer.mu.Unlock()
	s.closed = true
	if s.consumer.subscriptions[s.shard] == s && now.Sub(s.started) >= kinetrail.SubscriptionTakeover {
		delete(s.consumer.subscriptions, s.shard)
	}
}

// Subscriptions returns those that are open, by the index of their shards.
func (c *Consumer) Subscriptions() []*Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	var open []*Subscription
	for _, s := range c.subscriptions {
		if !s.closed {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b *Subscription) int { return cmp.Compare(a.shard, b.shard) })
	return open
}
