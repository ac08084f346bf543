package nullkinesis

import (
	"bytes"
	"fmt"
	"strconv"
)

var (
	iteratorMember = []byte(`"ShardIterator":"`)
	streamMember   = []byte(`"StreamName":"`)
	shardMember    = []byte(`"ShardId":"`)
)

// shardIterator answers with an iterator, which is stream/shard.
func (s *Server) shardIterator(c *call) error {
	name, _ := member(c.body, streamMember)
	if s.streams[string(name)] == nil {
		return fmt.Errorf("stream %q is none of the kinds", name)
	}
	id, _ := member(c.body, shardMember)
	for shard := range Shards {
		if string(id) == ShardID(shard) {
			c.answer = fmt.Appendf(c.answer, `{"ShardIterator":"%s/%d"}`, name, shard)
			return nil
		}
	}
	return fmt.Errorf("stream %q has no shard %q", name, id)
}

// getRecords answers with the page of an iterator.
func (s *Server) getRecords(c *call) error {
	iterator, _ := member(c.body, iteratorMember)
	if c.cbor {
		var err error
		if iterator, err = iteratorOfCBOR(c.body); err != nil {
			return err
		}
	}
	name, digits, _ := bytes.Cut(iterator, []byte{'/'})
	shard, err := strconv.Atoi(string(digits))
	stream := s.streams[string(name)]
	if err != nil || stream == nil || shard < 0 || shard >= Shards {
		return fmt.Errorf("iterator %q is none of ours", iterator)
	}
	c.page = stream.pages[shard]
	if c.cbor {
		c.page = stream.pagesCBOR[shard]
	}
	return nil
}
