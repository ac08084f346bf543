package state

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// The keys of documents: these prefixes, the region, and the name. Neither a
// stream's name nor a channel's has a slash in it.
const (
	accountKey    = "account"
	regionPrefix  = "region/"
	streamPrefix  = "stream/"
	channelPrefix = "channel/"
	removedPrefix = "removed/" // and the name of logs that are to go
)

// accountDocument is what an account keeps for itself.
type accountDocument struct {
	ID        string
	SealerKey []byte
}

// regionDocument is what a region keeps for itself.
type regionDocument struct {
	Name    string
	Billing Commitment
}

// streamDocument is all of a stream but its records. Times are Unix
// nanoseconds where a name does not say otherwise.
type streamDocument struct {
	Region, Name string
	Logs         string
	Created      int64 // second

	Status Status
	Due    int64   `json:",omitempty"`
	Change *change `json:",omitempty"` // made at Due

	Retention      int64
	ExpiredMillis  int64 `json:",omitempty"`
	MaxRecordBytes int64
	OnDemand       bool     `json:",omitempty"`
	AutoDistribute bool     `json:",omitempty"`
	WarmMiBps      int      `json:",omitempty"`
	KeyID          string   `json:",omitempty"`
	Metrics        []string `json:",omitempty"`

	Made map[string][]time.Time `json:",omitempty"` // changes of today by operation, as text

	labels
	Consumers []consumerDocument `json:",omitempty"`

	Shards []shardDocument
	Before int // how many shards there were before the latest reshard
}

// removedDocument is the note that a stream's logs are to go.
type removedDocument struct {
	Stream string // its ARN
}

// labels are the tags and the policy of a resource.
type labels struct {
	Tags   map[string]string `json:",omitempty"`
	Policy string            `json:",omitempty"`
}

type shardDocument struct {
	Start, End       string // of its range
	Created          int64  // second
	Closed           int64  `json:",omitempty"` // second
	Parent, Adjacent int    // NoShard for none
}

type consumerDocument struct {
	Name    string
	Created int64 // second
	Ready   int64
	Gone    int64 `json:",omitempty"`
	labels
}

type channelDocument struct {
	Region, Name, ID string
	Created          int64 // second
	Stream           string
	Status           Status
	Until            int64
	Settings         json.RawMessage
	labels
}

// put replaces a document, or removes it when it is nil.
func (a *Account) put(key string, document any) error {
	if a.Store == nil {
		return nil
	}
	var text []byte
	if document != nil {
		var err error
		if text, err = json.Marshal(document); err != nil {
			return fmt.Errorf("write down %s: %w", key, err)
		}
	}
	if err := a.Store.Put(key, text); err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// save writes the region's document. r.committed is held.
func (r *Region) save() error {
	return r.account.put(regionPrefix+r.Name, regionDocument{Name: r.Name, Billing: r.billing})
}

func (r *resource) labels() labels {
	return labels{Tags: r.Tags(), Policy: r.Policy()}
}

func (s *Stream) key() string { return streamPrefix + s.region.Name + "/" + s.Name }

// saveNow writes the stream's document.
func (s *Stream) saveNow() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save()
}

// save writes the stream's document. s.mu is held.
func (s *Stream) save() error {
	if s.region.account.Store == nil {
		return nil
	}
	return s.put(s.document())
}

// put writes a document of the stream, unless the stream is gone. s.mu is held.
func (s *Stream) put(d *streamDocument) error {
	if s.due.Load() == goneForever {
		return nil
	}
	return s.region.account.put(s.key(), d)
}

// document is the stream as it is. s.mu is held.
func (s *Stream) document() *streamDocument {
	l := s.layout.Load()
	d := &streamDocument{
		Region: s.region.Name, Name: s.Name, Logs: s.logs, Created: s.Created.Unix(),
		Status:         s.status,
		Retention:      s.retention.Load(),
		ExpiredMillis:  s.expired.Load(),
		MaxRecordBytes: s.maxRecordBytes.Load(),
		OnDemand:       s.onDemand,
		AutoDistribute: s.autoDistribute.Load(),
		WarmMiBps:      s.warmMiBps,
		KeyID:          s.keyID,
		Metrics:        s.metrics,
		Made:           s.made,
		labels:         s.labels(),
		Shards:         documentShards(l.shards),
		Before:         l.before,
	}
	if due := s.due.Load(); due != 0 {
		d.Due, d.Change = due, &s.change
	}
	for _, c := range s.consumers {
		d.Consumers = append(d.Consumers, c.document())
	}
	return d
}

func documentShards(shards []*Shard) []shardDocument {
	documents := make([]shardDocument, len(shards))
	for i, s := range shards {
		documents[i] = shardDocument{
			Start: s.Range.Start.String(), End: s.Range.End.String(),
			Created: s.Created, Closed: s.closedAt(), Parent: s.Parent, Adjacent: s.AdjacentParent,
		}
	}
	return documents
}

func (c *Consumer) document() consumerDocument {
	c.mu.Lock()
	defer c.mu.Unlock()
	return consumerDocument{
		Name: c.Name, Created: c.Created.Unix(), Ready: c.readyAt.UnixNano(), Gone: nanoOrZero(c.goneAt), labels: c.labels(),
	}
}

func (c *Channel) key() string { return channelPrefix + c.region.Name + "/" + c.Name }

// save writes the channel's document.
func (c *Channel) save() error {
	if c.region.account.Store == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	settings, err := json.Marshal(c.settings)
	if err != nil {
		return fmt.Errorf("write down the settings of channel %s: %w", c.Name, err)
	}
	return c.region.account.put(c.key(), channelDocument{
		Region: c.region.Name, Name: c.Name, ID: c.ID, Created: c.Created.Unix(), Stream: c.Stream.Name,
		Status: c.status, Until: c.until.UnixNano(), Settings: settings, labels: c.labels(),
	})
}

func nanoOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOrZero(nano int64) time.Time {
	if nano == 0 {
		return time.Time{}
	}
	return time.Unix(0, nano)
}

// parseRange reads the range of a shard's document.
func (d *shardDocument) parseRange() (shardmap.Range, error) {
	start, err := shardmap.ParseHashKey(d.Start)
	if err != nil {
		return shardmap.Range{}, err
	}
	end, err := shardmap.ParseHashKey(d.End)
	return shardmap.Range{Start: start, End: end}, err
}
