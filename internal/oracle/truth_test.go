package oracle

import (
	"fmt"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/shardmap"
)

// truth is what lies in the stream.
type truth map[string]*shardTruth

// shardTruth is one shard with its user records in order.
type shardTruth struct {
	shardmap.Shard

	places  []place
	index   map[string]int // of places, by position
	dropped int            // containers that readers with RangeKCL drop
}

type place struct {
	at kinetrail.Position
	id recordID
}

// look reads everything that lies in the stream, past its API. With kcl, containers
// with a record outside their shard's range are left out, as readers do then.
func look(server *localkinesis.Server, kcl bool) (truth, error) {
	stream := make(truth)
	list, err := server.Shards(streamName)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		stream[s.ID] = &shardTruth{Shard: s.Shard, index: make(map[string]int)}
	}
	records, err := server.Records(streamName, "")
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := stream[r.ShardID].add(r, kcl); err != nil {
			return nil, err
		}
	}
	return stream, nil
}

// add appends the user records of one stored record.
func (s *shardTruth) add(r localkinesis.Record, kcl bool) error {
	payloads := [][]byte{r.Data}
	if aggregate.IsContainer(r.Data) {
		users, err := aggregate.Split(r.Data, nil)
		if err != nil {
			return fmt.Errorf("record %s of shard %s: %w", r.Number, s.ID, err)
		}
		payloads = nil
		for i := range users {
			key, err := users[i].HashKey()
			if err != nil {
				return fmt.Errorf("record %s of shard %s: %w", r.Number, s.ID, err)
			}
			if kcl && !s.Range.Contains(key) {
				s.index[kinetrail.At(r.Number.String(), len(users)-1).String()] = len(s.places) - 1 // where a checkpoint may stand
				s.dropped++
				return nil
			}
			payloads = append(payloads, users[i].Data)
		}
	}
	for sub, data := range payloads {
		id, ok := idOf(data)
		if !ok {
			return fmt.Errorf("record %s of shard %s: nobody put it", r.Number, s.ID)
		}
		at := kinetrail.At(r.Number.String(), sub)
		s.index[at.String()] = len(s.places)
		s.places = append(s.places, place{at, id})
	}
	return nil
}

// behind is the index of the first record that lies behind a checkpoint.
func (s *shardTruth) behind(p kinetrail.Position) (index int, known bool) {
	switch {
	case p.IsShardEnd():
		return len(s.places), s.Closed
	case p.IsTrimHorizon():
		return 0, true
	}
	i, known := s.index[p.String()]
	return i + 1, known
}
