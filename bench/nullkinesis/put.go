package nullkinesis

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/kinetrail/kinetrail/shardmap"
)

var (
	partitionKeyMember = []byte(`"PartitionKey":"`)
	hashKeyMember      = []byte(`"ExplicitHashKey":"`)
	recordsMember      = []byte(`"Records":[`)

	errNoRecords = errors.New("PutRecords has no records")
)

// putRecords answers that every record lies on its shard. It finds the end of a
// record by its brace, so braces and escapes in keys are not understood.
func (c *call) putRecords() error {
	_, rest, ok := bytes.Cut(c.body, recordsMember)
	if !ok {
		return errNoRecords
	}
	c.answer = append(c.answer, `{"FailedRecordCount":0,"Records":[`...)
	for len(rest) > 0 && rest[0] != ']' {
		end := bytes.IndexByte(rest, '}')
		if end < 0 {
			return fmt.Errorf("a record does not end: %.40q", rest)
		}
		shard, err := shardOf(rest[:end])
		if err != nil {
			return err
		}
		c.answer = append(c.answer, accepted[shard]...)
		if rest = rest[end+1:]; len(rest) > 0 && rest[0] == ',' {
			rest = rest[1:]
		}
	}
	c.answer = append(c.answer[:len(c.answer)-1], "]}"...)
	return nil
}

// longestKeys is the length of both keys of a record and their names, which
// stand behind its data.
const longestKeys = 64 + shardmap.MaxHashKeyDigits + 256

// shardOf is the shard the service would put a record on.
func shardOf(entry []byte) (shard int, err error) {
	keys := entry[max(0, len(entry)-longestKeys):]
	if digits, ok := member(keys, hashKeyMember); ok {
		hash, err := shardmap.ParseHashKey(string(digits))
		if err != nil {
			return 0, err
		}
		return shardFor(hash), nil
	}
	key, ok := member(keys, partitionKeyMember)
	if !ok {
		return 0, fmt.Errorf("a record has no partition key: …%s", keys)
	}
	return shardFor(shardmap.HashKeyOf(string(key))), nil
}

func member(keys, name []byte) (value []byte, ok bool) {
	at := bytes.LastIndex(keys, name)
	if at < 0 {
		return nil, false
	}
	value, _, ok = bytes.Cut(keys[at+len(name):], []byte{'"'})
	return value, ok
}

// shardFor takes the two bits that decide between four uniform shards.
func shardFor(hash shardmap.HashKey) int { return int(hash.Hi >> 62) }
