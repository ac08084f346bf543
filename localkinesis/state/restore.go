package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// restore takes up what the store keeps. An account without a store, or with
// an empty one, gets a key of its own.
func (a *Account) restore() error {
	documents := map[string][]byte{}
	if a.Store != nil {
		documents = maps.Collect(a.Store.Documents())
	}
	if err := a.restoreSelf(documents[accountKey]); err != nil {
		return err
	}
	// Channels name streams, so they come last.
	for _, kind := range []struct {
		prefix  string
		restore func(document []byte) error
	}{{regionPrefix, a.restoreRegion}, {streamPrefix, a.restoreStream}, {channelPrefix, a.restoreChannel}} {
		for _, key := range slices.Sorted(maps.Keys(documents)) {
			if !strings.HasPrefix(key, kind.prefix) {
				continue
			}
			if err := kind.restore(documents[key]); err != nil {
				return fmt.Errorf("restore %s: %w", key, err)
			}
		}
	}
	return a.settleLogs(documents)
}

// restoreSelf finds or makes the sealer's key.
func (a *Account) restoreSelf(document []byte) (err error) {
	d := accountDocument{ID: a.ID, SealerKey: newSealerKey()}
	if document != nil {
		if err := json.Unmarshal(document, &d); err != nil {
			return fmt.Errorf("restore the account: %w", err)
		}
		if d.ID != a.ID {
			return fmt.Errorf("the store belongs to account %s, not to %s", d.ID, a.ID)
		}
	} else if err := a.put(accountKey, d); err != nil {
		return err
	}
	a.sealer, err = newSealer(d.SealerKey)
	return err
}

func (a *Account) restoreRegion(document []byte) error {
	var d regionDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return err
	}
	r, _, err := a.Region(d.Name)
	if err != nil {
		return err
	}
	r.billing = d.Billing
	return nil
}

func (a *Account) restoreStream(document []byte) error {
	var d streamDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return err
	}
	r, _, err := a.Region(d.Region)
	if err != nil {
		return err
	}
	s := &Stream{
		Name: d.Name, Created: time.Unix(d.Created, 0), region: r, logs: d.Logs,
		status: d.Status, onDemand: d.OnDemand, keyID: d.KeyID, warmMiBps: d.WarmMiBps, metrics: d.Metrics, made: d.Made,
		resource:  resource{tags: d.Tags, policy: d.Policy},
		consumers: make(map[string]*Consumer, len(d.Consumers)),
	}
	s.saved = s.saveNow
	s.due.Store(d.Due)
	if d.Change != nil {
		s.change = *d.Change
	}
	s.retention.Store(d.Retention)
	s.expired.Store(d.ExpiredMillis)
	s.maxRecordBytes.Store(d.MaxRecordBytes)
	s.autoDistribute.Store(d.AutoDistribute)
	s.encrypted.Store(d.KeyID != "")
	for _, c := range d.Consumers {
		s.consumers[c.Name] = &Consumer{
			Name: c.Name, Created: time.Unix(c.Created, 0), Stream: s,
			resource: resource{tags: c.Tags, policy: c.Policy, saved: s.saveNow},
			readyAt:  time.Unix(0, c.Ready), goneAt: timeOrZero(c.Gone),
			subscriptions: make(map[uint32]*Subscription),
		}
	}
	if err := s.restoreShards(d.Shards, d.Before); err != nil {
		return err
	}
	r.streams[s.Name] = s
	return nil
}

func (s *Stream) restoreShards(documents []shardDocument, before int) error {
	shards := make([]*Shard, len(documents))
	for i := range documents {
		d, index := &documents[i], uint32(i)
		keys, err := d.parseRange()
		if err != nil {
			return fmt.Errorf("range of %s: %w", ShardID(index), err)
		}
		log, err := s.region.account.Store.OpenLog(s.logs, index)
		if err != nil {
			return fmt.Errorf("records of %s: %w", ShardID(index), err)
		}
		shards[i] = newShard(index, keys, d.Created, d.Parent, d.Adjacent, log, s.region.account.Strict)
		shards[i].closed = d.Closed
	}
	l := &layout{shards: shards, before: before}
	for _, shard := range shards {
		if shard.Open() {
			l.open = append(l.open, shard)
		}
	}
	slices.SortFunc(l.open, func(a, b *Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	s.layout.Store(l)
	return l.check(&s.change)
}

// check refuses a layout that cannot be worked with, or a change that names
// shards which do not exist.
func (l *layout) check(c *change) error {
	end := shardmap.HashKey{}.Prev()
	for _, shard := range l.open {
		if shard.Range.Start != end.Next() || shard.Range.End.Compare(shard.Range.Start) < 0 {
			return fmt.Errorf("%s does not begin where the open shard before it ends", shard.ID)
		}
		end = shard.Range.End
	}
	if end.Next() != (shardmap.HashKey{}) || len(l.open) == 0 {
		return errors.New("the open shards do not cover every hash key")
	}
	var named []int
	for _, shard := range l.shards {
		named = append(named, shard.Parent, shard.AdjacentParent)
	}
	if c.Split != nil {
		named = append(named, int(c.Split.Shard))
	}
	if c.Merge != nil {
		named = append(named, int(c.Merge.Shard), int(c.Merge.Adjacent))
	}
	for _, index := range named {
		if index < NoShard || index >= len(l.shards) {
			return fmt.Errorf("there is no shard %d", index)
		}
	}
	return nil
}

func (a *Account) restoreChannel(document []byte) error {
	var d channelDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return err
	}
	settings, err := a.ChannelSettings(d.Settings)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	r, _, err := a.Region(d.Region)
	if err != nil {
		return err
	}
	stream := r.streams[d.Stream]
	if stream == nil {
		return fmt.Errorf("there is no stream %s", d.Stream)
	}
	c := &Channel{
		Name: d.Name, ID: d.ID, Created: time.Unix(d.Created, 0), Stream: stream,
		resource: resource{tags: d.Tags, policy: d.Policy}, region: r, settings: settings,
		status: d.Status, until: time.Unix(0, d.Until),
	}
	c.saved = c.save
	r.channels[c.Name] = c
	return nil
}

// settleLogs removes the logs that a stream left behind when the process ended
// while it was deleted. Logs of which no document knows are an error: the
// document must have been lost.
func (a *Account) settleLogs(documents map[string][]byte) error {
	if a.Store == nil {
		return nil
	}
	kept := make(map[string]bool)
	for _, r := range a.regions {
		for _, s := range r.streams {
			kept[s.logs] = true
		}
	}
	for key := range documents {
		name, removed := strings.CutPrefix(key, removedPrefix)
		switch {
		case !removed:
			continue
		case kept[name]: // the stream is still there
			if err := a.put(key, nil); err != nil {
				return err
			}
		default:
			if err := a.removeLogs(name); err != nil {
				return err
			}
		}
	}
	names, err := a.Store.Streams()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !kept[name] {
			return fmt.Errorf("the records in %s belong to no stream: its document is lost", name)
		}
	}
	return nil
}

// newLogsName is a name for the logs of a new stream, which a file may have,
// too. Another stream of the same name gets another one.
func newLogsName(stream string) string {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, stream)
	return fmt.Sprintf("%s-%016x", plain, rand.Uint64())
}

// newLog is the log of a new shard.
func (s *Stream) newLog(shard uint32) Log {
	if store := s.region.account.Store; store != nil {
		return store.NewLog(s.logs, shard)
	}
	return newMemory()
}

// Trim gives up the space of records and shards that have expired.
func (a *Account) Trim() error {
	for _, r := range a.Regions() {
		for _, s := range r.Streams() {
			if err := s.trim(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Stream) trim() error {
	horizon := s.horizon(s.now())
	for _, shard := range s.layout.Load().shards {
		trim := func() error { return shard.log.Trim(horizon) }
		if shard.expired(horizon) {
			trim = shard.log.Remove
		}
		if err := trim(); err != nil {
			return fmt.Errorf("trim %s of stream %s: %w", shard.ID, s.Name, err)
		}
	}
	return nil
}
