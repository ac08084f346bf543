package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// change is what becomes of a stream when the time of a delay is over. It is
// data, so that it can wait in a document and be made by another process.
type change struct {
	Delete         bool    `json:",omitempty"`
	RetentionHours int64   `json:",omitempty"`
	KeyID          *string `json:",omitempty"` // empty: no encryption
	OnDemand       *bool   `json:",omitempty"`
	WarmMiBps      *int    `json:",omitempty"`
	MaxRecordBytes int     `json:",omitempty"`
	Split          *split  `json:",omitempty"`
	Merge          *merge  `json:",omitempty"`
	Shards         int     `json:",omitempty"` // of UpdateShardCount
}

// split cuts a shard at a hash key.
type split struct {
	Shard uint32
	At    string
}

// merge makes one shard out of two.
type merge struct{ Shard, Adjacent uint32 }

// make makes a change as of this time. s.mu is held.
func (s *Stream) make(c change, now time.Time) error {
	switch {
	case c.Delete:
		return s.remove()
	case c.Split != nil, c.Merge != nil, c.Shards > 0:
		return s.reshard(c, now)
	}
	s.set(c, now)
	s.settled()
	return s.save()
}

// set makes the changes that concern no shard.
func (s *Stream) set(c change, now time.Time) {
	if c.RetentionHours > 0 {
		s.expired.Store(s.horizon(now))
		s.retention.Store(int64(time.Duration(c.RetentionHours) * time.Hour))
	}
	if c.KeyID != nil {
		s.keyID = *c.KeyID
		s.encrypted.Store(s.keyID != "")
	}
	if c.OnDemand != nil {
		s.onDemand = *c.OnDemand
		if !s.onDemand {
			s.autoDistribute.Store(false)
		}
	}
	if c.WarmMiBps != nil {
		s.warmMiBps = *c.WarmMiBps
	}
	if c.MaxRecordBytes > 0 {
		s.maxRecordBytes.Store(int64(c.MaxRecordBytes))
	}
}

// steps are what the change does to the layout.
func (c *change) steps(r *resharding) error {
	switch {
	case c.Split != nil:
		at, err := shardmap.ParseHashKey(c.Split.At)
		if err != nil {
			return fmt.Errorf("split %s of stream %s: %w", ShardID(c.Split.Shard), r.stream.Name, err)
		}
		r.split(r.shards[c.Split.Shard], []shardmap.HashKey{at})
	case c.Merge != nil:
		r.merge([]*Shard{r.shards[c.Merge.Shard], r.shards[c.Merge.Adjacent]})
	default:
		r.uniform(c.Shards)
	}
	return nil
}

// remove ends the stream and gives up its records. A note that they are to go
// is written first: should the process end in between, the next one goes on.
// s.mu is held.
func (s *Stream) remove() error {
	a := s.region.account
	if err := a.put(removedPrefix+s.logs, removedDocument{Stream: s.ARN()}); err != nil {
		return err
	}
	if err := a.put(s.key(), nil); err != nil {
		return err
	}
	s.due.Store(goneForever)
	var problems []error
	for _, shard := range s.layout.Load().shards {
		problems = append(problems, shard.log.Remove())
	}
	if a.Store != nil {
		problems = append(problems, a.removeLogs(s.logs))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("remove the records of stream %s: %w", s.Name, err)
	}
	return nil
}

// removeLogs removes the logs of a stream, and then the note that they are to
// go.
func (a *Account) removeLogs(name string) error {
	if err := a.Store.RemoveLogs(name); err != nil {
		return err
	}
	return a.put(removedPrefix+name, nil)
}
