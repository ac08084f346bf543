package localkinesis

import (
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/shardmap"
)

// Stream is a stream as the server knows it.
type Stream struct {
	Name      string
	ARN       string
	Region    string
	Status    string // CREATING, ACTIVE, UPDATING or DELETING
	OnDemand  bool
	CreatedAt time.Time
	Retention time.Duration
	Tags      map[string]string
}

// Shard is a shard as the server knows it.
type Shard struct {
	shardmap.Shard

	Start sequence.Number // starting sequence number
	End   sequence.Number // ending sequence number, zero while the shard is open
}

// Record is a stored record. Changing it changes nothing on the server.
type Record struct {
	ShardID         string
	Number          sequence.Number // its String is the sequence number
	PartitionKey    string          // as stored, empty when the producer gave none
	ExplicitHashKey string          // as given, empty when none was
	Data            []byte
	ArrivedAt       time.Time
}

// Consumer is a registered consumer of a stream.
type Consumer struct {
	Name          string
	ARN           string
	Status        string // CREATING, ACTIVE or DELETING
	CreatedAt     time.Time
	Tags          map[string]string
	Subscriptions []Subscription // the open ones, by shard ID
}

// Subscription is a consumer's hold on a shard.
type Subscription struct {
	ShardID   string
	StartedAt time.Time
}

// Streams returns the streams of every region, sorted by region and name.
func (s *Server) Streams() []Stream {
	var streams []Stream
	for _, region := range s.account.Regions() {
		for _, stream := range region.Streams() {
			streams = append(streams, Stream{
				Name:      stream.Name,
				ARN:       stream.ARN(),
				Region:    region.Name,
				Status:    string(stream.Status()),
				OnDemand:  stream.OnDemand(),
				CreatedAt: stream.Created,
				Retention: stream.Retention(),
				Tags:      stream.Tags(),
			})
		}
	}
	return streams
}

// Shards returns the shards of a stream, open and closed, sorted by ID. The
// stream is a name in Options.Region, or an ARN.
func (s *Server) Shards(nameOrARN string) ([]Shard, error) {
	stream, err := s.inspected(nameOrARN)
	if err != nil {
		return nil, err
	}
	var shards []Shard
	for _, shard := range stream.Shards() {
		end, closed := shard.End()
		if !closed {
			end = sequence.Number{}
		}
		shards = append(shards, Shard{
			Shard: shardmap.Shard{
				ID: shard.ID, Range: shard.Range, Closed: closed,
				ParentID: idOrEmpty(shard.Parent), AdjacentParentID: idOrEmpty(shard.AdjacentParent),
			},
			Start: shard.Start(),
			End:   end,
		})
	}
	return shards, nil
}

// Consumers returns the consumers of a stream, sorted by name, with their open
// subscriptions. The stream is a name in Options.Region, or an ARN.
func (s *Server) Consumers(nameOrARN string) ([]Consumer, error) {
	stream, err := s.inspected(nameOrARN)
	if err != nil {
		return nil, err
	}
	var consumers []Consumer
	for _, c := range stream.Consumers() {
		consumer := Consumer{Name: c.Name, ARN: c.ARN(), Status: string(c.Status()), CreatedAt: c.Created, Tags: c.Tags()}
		for _, held := range c.Subscriptions() {
			consumer.Subscriptions = append(consumer.Subscriptions, Subscription{ShardID: state.ShardID(held.Shard()), StartedAt: held.Started()})
		}
		consumers = append(consumers, consumer)
	}
	return consumers, nil
}

func idOrEmpty(index int) string {
	if id := parentID(index); id != nil {
		return *id
	}
	return ""
}

// Records returns the records of a shard that have not expired, in order; of
// every shard, by shard ID, when shardID is empty. The stream is a name in
// Options.Region, or an ARN.
func (s *Server) Records(nameOrARN, shardID string) ([]Record, error) {
	stream, err := s.inspected(nameOrARN)
	if err != nil {
		return nil, err
	}
	shards := stream.Shards()
	if shardID != "" {
		shard, err := stream.Shard(shardID)
		if err != nil {
			return nil, fmt.Errorf("localkinesis: %w", err)
		}
		shards = []*state.Shard{shard}
	}
	var records []Record
	for _, shard := range shards {
		if records, err = appendRecords(records, stream, shard); err != nil {
			return nil, fmt.Errorf("localkinesis: %w", err)
		}
	}
	return records, nil
}

func appendRecords(records []Record, stream *state.Stream, shard *state.Shard) ([]Record, error) {
	next, tip := uint64(0), shard.Tip()
	for next < tip {
		page, err := stream.Read(shard, nil, next, kinetrail.MaxGetRecords, kinetrail.MaxGetRecordsBytes)
		if err != nil {
			return nil, err
		}
		for i := range page.Records {
			r := &page.Records[i]
			record := Record{
				ShardID:      shard.ID,
				Number:       shard.Number(r),
				PartitionKey: string(r.PartitionKey),
				Data:         append([]byte{}, r.Data...),
				ArrivedAt:    time.UnixMilli(r.ArrivedMillis).UTC(),
			}
			if r.ExplicitGiven {
				record.ExplicitHashKey = r.ExplicitHashKey.String()
			}
			records = append(records, record)
		}
		next = page.Next
		page.Release()
	}
	return records, nil
}

// inspected is the stream of a name in the server's own region, or of an ARN.
func (s *Server) inspected(nameOrARN string) (*state.Stream, error) {
	named, err := kinetrail.ParseStream(nameOrARN)
	if err != nil {
		return nil, fmt.Errorf("localkinesis: %w", err)
	}
	region, err := s.region(s.options.Region)
	if err != nil {
		return nil, fmt.Errorf("localkinesis: %w", err)
	}
	c := &call{server: s, region: region}
	var ref streamRef
	ref.StreamName, ref.StreamARN = named.APINames()
	stream, err := c.stream(ref)
	if err != nil {
		return nil, fmt.Errorf("localkinesis: %w", err)
	}
	return stream, nil
}
