package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Channel delivers a stream to a destination on the service. Here it is only
// described: nothing is delivered.
type Channel struct {
	Name    string
	ID      string
	Created time.Time // whole seconds
	Stream  *Stream

	resource

	region *Region

	mu       sync.Mutex
	settings any
	status   Status
	until    time.Time // when the status gives way to ACTIVE, or the channel is gone
}

// ARN is the channel's ARN.
func (c *Channel) ARN() string {
	r := c.region
	return fmt.Sprintf("arn:%s:kinesis:%s:%s:channel/%s:%s", r.Partition(), r.Name, r.account.ID, c.Name, c.ID)
}

// CreateChannel describes a channel of a stream. settings are what Settings
// gives back.
func (r *Region) CreateChannel(name, id string, stream *Stream, tags map[string]string, settings any) (*Channel, error) {
	if !stream.OnDemand() {
		return nil, refuse(Validation, "Request is invalid. Stream %s under account %s is in Provisioned mode.", stream.Name, r.account.ID)
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	now := r.account.Clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetChannels(now)
	if r.channels[name] != nil {
		return nil, refuse(ResourceInUse, "Channel %s under account %s already exists.", name, r.account.ID)
	}
	c := &Channel{
		Name: name, ID: id, Created: now.Truncate(time.Second), Stream: stream,
		resource: resource{tags: maps.Clone(tags)}, region: r, settings: settings,
		status: Creating, until: now.Add(r.account.CreateDelay),
	}
	c.saved = c.save
	if err := c.save(); err != nil {
		return nil, err
	}
	r.channels[name] = c
	return c, nil
}

// forgetChannels drops those whose time is over; one whose document cannot be
// removed stays until it can. r.mu is held.
func (r *Region) forgetChannels(now time.Time) {
	for name, c := range r.channels {
		if c.gone(now) && r.account.put(c.key(), nil) == nil {
			delete(r.channels, name)
		}
	}
}

func (c *Channel) gone(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status == Deleting && !now.Before(c.until)
}

// Channel returns the channel of an ARN.
func (r *Region) Channel(arn string) (*Channel, error) {
	_, suffix, _ := strings.Cut(arn, ":channel/")
	name, _, _ := strings.Cut(suffix, ":")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetChannels(r.account.Clock.Now())
	if c := r.channels[name]; c != nil && c.ARN() == arn {
		return c, nil
	}
	return nil, refuse(ResourceNotFound, "Channel %s under account %s not found.", arn, r.account.ID)
}

// Channels returns every channel, sorted by name.
func (r *Region) Channels() []*Channel {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetChannels(r.account.Clock.Now())
	var channels []*Channel
	for _, c := range r.channels {
		channels = append(channels, c)
	}
	slices.SortFunc(channels, func(a, b *Channel) int { return cmp.Compare(a.Name, b.Name) })
	return channels
}

// ChannelCount is how many channels the stream has.
func (s *Stream) ChannelCount() int {
	n := 0
	for _, c := range s.region.Channels() {
		if c.Stream == s {
			n++
		}
	}
	return n
}

// Status is CREATING, ACTIVE, UPDATING or DELETING.
func (c *Channel) Status() Status {
	now := c.region.account.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != Deleting && !now.Before(c.until) {
		c.status = Active
	}
	return c.status
}

// Settings are what the channel was created with, or the latest update.
func (c *Channel) Settings() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings
}

// Update replaces the settings.
func (c *Channel) Update(settings any) error {
	if status := c.Status(); status != Active {
		return refuse(ResourceInUse, "Channel %s under account %s not ACTIVE, instead in state %s", c.Name, c.region.account.ID, status)
	}
	now := c.region.account.Clock.Now()
	c.mu.Lock()
	c.settings = settings
	c.status, c.until = Updating, now.Add(c.region.account.UpdateDelay)
	c.mu.Unlock()
	return c.save()
}

// Delete removes the channel.
func (c *Channel) Delete() error {
	now := c.region.account.Clock.Now()
	c.mu.Lock()
	c.status, c.until = Deleting, now.Add(c.region.account.DeleteDelay)
	c.mu.Unlock()
	return c.save()
}
