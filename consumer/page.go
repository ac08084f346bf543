package consumer

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
)

// page is what one fetch brought, in the order of the shard. Its user records are
// taken out of it one after another, and made when they are: thousands at once
// would only travel through memory.
//
//	for r := pg.next(); r != nil; r = pg.next() {
type page struct {
	memory *memory
	meter  *shardMeter

	extracts bool // as Options.Extract
	payloads bool // as Options.JSONPayloads

	records int // user records to hand on

	// The place of next: a Kinesis record, a place in it, and a user record.
	at, sub, user int
	record        kinetrail.Record

	// last is the place behind which the next page begins, zero when the page
	// holds no Kinesis record.
	last kinetrail.Position

	kinesisRecords, bytes int // as fetched
	broken, outOfRange    int // as counted

	behind      time.Duration
	behindKnown bool

	end      bool // of a closed shard
	children []types.ChildShard
}

// memory is what the records of a page are kept in until they are handed on. It
// is used again; what its records point to is not.
type memory struct {
	fetched []kinesisprotocol.Record
	users   []aggregate.UserRecord // of all containers, in order
	inside  []int                  // as insideOf; empty when all are plain
	all     []kinetrail.Record     // of page.all
}

// plain stands for a Kinesis record that is no container.
const plain = -1

// insideOf is how many user records of a Kinesis record are to be handed on, or
// plain.
func (m *memory) insideOf(i int) int {
	if len(m.inside) == 0 {
		return plain
	}
	return m.inside[i]
}

// atTip reports whether there was nothing behind this page.
func (pg *page) atTip() bool {
	return pg.end || pg.behindKnown && pg.behind == 0 || !pg.behindKnown && pg.kinesisRecords == 0
}

// span is the time between the arrivals of the first and the last record.
func (pg *page) span() time.Duration {
	if pg.records == 0 {
		return 0
	}
	fetched := pg.memory.fetched
	return fetched[len(fetched)-1].ArrivedAt().Sub(fetched[pg.at].ArrivedAt())
}

// next is the next record to hand on, or nil behind the last. It is good until
// next is called again.
func (pg *page) next() *kinetrail.Record {
	m := pg.memory
	for ; m != nil && pg.at < len(m.fetched); pg.at++ {
		switch inside := m.insideOf(pg.at); {
		case inside == plain:
			pg.plain(&m.fetched[pg.at])
			pg.at++
			return &pg.record
		case pg.sub < inside:
			pg.inside(&m.fetched[pg.at], &m.users[pg.user])
			pg.sub++
			pg.user++
			return &pg.record
		}
		pg.sub = 0
	}
	return nil
}

// plain makes a record of a Kinesis record that is no container.
func (pg *page) plain(from *kinesisprotocol.Record) {
	r := &pg.record
	r.Data, r.StoredPartitionKey = from.Data, from.PartitionKey
	r.ExplicitHashKey, r.Headers = "", nil
	r.Position, r.ArrivedAt = kinetrail.At(from.SequenceNumber, 0), from.ArrivedAt()
	pg.extract()
}

// inside makes a record of a user record.
func (pg *page) inside(from *kinesisprotocol.Record, user *aggregate.UserRecord) {
	r := &pg.record
	r.Data, r.StoredPartitionKey = user.Data, from.PartitionKey
	r.PartitionKey, r.ExplicitHashKey, r.Headers = user.PartitionKey, user.ExplicitHashKey, user.Headers
	r.Position, r.ArrivedAt = kinetrail.At(from.SequenceNumber, pg.sub), from.ArrivedAt()
	pg.extractUser()
}

// all is all records of the page, which are good until it is released.
func (pg *page) all() []kinetrail.Record {
	if pg.records == 0 {
		return nil
	}
	all := pg.memory.all[:0]
	for r := pg.next(); r != nil; r = pg.next() {
		all = append(all, *r)
	}
	pg.memory.all = all
	return all
}

// memories keeps the memory of handled pages for the next ones.
type memories struct{ pool sync.Pool }

// get returns memory that holds nothing.
func (p *memories) get() *memory {
	if kept, ok := p.pool.Get().(*memory); ok {
		return kept
	}
	return new(memory)
}

// put takes memory back that nobody uses any more, nil being nothing. It is
// cleared so that it does not keep the page's bytes.
func (p *memories) put(m *memory) {
	if m == nil {
		return
	}
	clear(m.fetched)
	clear(m.users)
	clear(m.all)
	m.fetched, m.users, m.inside, m.all = m.fetched[:0], m.users[:0], m.inside[:0], m.all[:0]
	p.pool.Put(m)
}
