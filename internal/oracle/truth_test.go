package oracle

import (
	"fmt"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// truth is what lies in the stream.
type truth map[string]*shardTruth

// shardTruth is one shard with its user records in order.
type shardTruth struct {
	id      string
	parents []string
	closed  bool
	places  []place
	index   map[string]int // of places, by position
}

type place struct {
	at kinetrail.Position
	id recordID
}

// look reads everything that lies in the stream, past its API.
func look(server *localkinesis.Server) (truth, error) {
	stream := make(truth)
	list, err := server.Shards(streamName)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		stream[s.ID] = &shardTruth{id: s.ID, parents: s.Parents(), closed: s.Closed, index: make(map[string]int)}
	}
	records, err := server.Records(streamName, "")
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if err := stream[r.ShardID].add(r); err != nil {
			return nil, err
		}
	}
	return stream, nil
}

// add appends the user records of one stored record.
func (s *shardTruth) add(r localkinesis.Record) error {
	payloads := [][]byte{r.Data}
	if aggregate.IsContainer(r.Data) {
		users, err := aggregate.Split(r.Data, nil)
		if err != nil {
			return fmt.Errorf("record %s of shard %s: %w", r.Number, s.id, err)
		}
		payloads = nil
		for i := range users {
			payloads = append(payloads, users[i].Data)
		}
	}
	for sub, data := range payloads {
		id, ok := idOf(data)
		if !ok {
			return fmt.Errorf("record %s of shard %s: nobody put it", r.Number, s.id)
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
		return len(s.places), s.closed
	case p.IsTrimHorizon():
		return 0, true
	}
	i, known := s.index[p.String()]
	return i + 1, known
}
