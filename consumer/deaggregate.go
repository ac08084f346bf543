package consumer

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/shardmap"
)

// deaggregator makes pages of user records of one shard's Kinesis records.
type deaggregator struct {
	stream     kinetrail.Stream
	shardID    string
	rng        shardmap.Range
	rangeKnown bool
	filter     RangeFilter
	extracts   bool
	payloads   bool
	meter      *shardMeter
	memories   *memories

	// Of the page at hand, for use again.
	containers [][]byte
	intact     []bool
}

// skip leaves records out that were handed on before: those before until, and
// the one at until unless inclusive. The zero skip leaves out none.
type skip struct {
	until     kinetrail.Position
	inclusive bool
}

func (s skip) has(p kinetrail.Position) bool {
	c := p.Compare(s.until)
	return c < 0 || c == 0 && !s.inclusive
}

// page makes a page of an answer in the SDK's types. Records and strings alias the
// answer.
func (d *deaggregator) page(out *kinesis.GetRecordsOutput, skip skip) *page {
	m := d.memories.get()
	m.take(out)
	return d.pageOf(m, out.MillisBehindLatest, skip)
}

// take takes the records of an answer in the SDK's types.
func (m *memory) take(out *kinesis.GetRecordsOutput) {
	for i := range out.Records {
		m.fetched = append(m.fetched, kinesisprotocol.RecordOf(&out.Records[i]))
	}
}

// pageOf makes a page of what was fetched into m.
func (d *deaggregator) pageOf(m *memory, millisBehind *int64, skip skip) *page {
	pg := &page{memory: m, meter: d.meter, extracts: d.extracts, payloads: d.payloads, kinesisRecords: len(m.fetched), behindKnown: millisBehind != nil}
	if millisBehind != nil {
		pg.behind = time.Duration(*millisBehind) * time.Millisecond
	}
	pg.record = kinetrail.Record{Stream: d.stream, ShardID: d.shardID, Behind: pg.behind}
	if len(m.fetched) == 0 {
		d.memories.put(m)
		pg.memory = nil
		return pg
	}
	for i := range m.fetched {
		data := m.fetched[i].Data
		pg.bytes += len(data)
		if aggregate.IsContainer(data) {
			d.containers = append(d.containers, data)
		}
	}
	pg.records = len(m.fetched)
	pg.last = kinetrail.At(m.fetched[len(m.fetched)-1].SequenceNumber, 0)
	if len(d.containers) > 0 {
		d.deaggregate(pg)
	}
	if !skip.until.IsZero() {
		pg.skip(skip)
	}
	return pg
}

// deaggregate takes the containers of a page apart. What begins like a container
// and is none is one plain record.
func (d *deaggregator) deaggregate(pg *page) {
	d.intact = append(d.intact[:0], make([]bool, len(d.containers))...)
	aggregate.Verify(d.intact, d.containers)
	m, container := pg.memory, 0
	pg.records = 0
	for i := range m.fetched {
		data, handed := m.fetched[i].Data, plain
		if aggregate.IsContainer(data) {
			var held int
			held, handed = d.open(pg, data, d.intact[container])
			pg.last = kinetrail.At(m.fetched[i].SequenceNumber, max(0, held-1))
			container++
		} else {
			pg.last = kinetrail.At(m.fetched[i].SequenceNumber, 0)
		}
		m.inside = append(m.inside, handed)
		if handed == plain {
			handed = 1
		}
		pg.records += handed
	}
	clear(d.containers) // so that it does not keep the page
	d.containers = d.containers[:0]
}

// open adds the user records of a container to those of the page. It returns how
// many the container holds, and how many of them are to be handed on, or plain.
func (d *deaggregator) open(pg *page, data []byte, intact bool) (held, handed int) {
	before := pg.memory.users
	users, err := before, aggregate.ErrChecksum
	if intact {
		users, err = aggregate.SplitVerified(data, before)
	}
	if err != nil {
		pg.broken++
		return 1, plain
	}
	held = len(users) - len(before)
	outside := d.countOutside(users[len(before):])
	pg.outOfRange += outside
	if outside > 0 && d.filter == RangeKCL {
		clear(users[len(before):]) // so that memory does not keep the page
		return held, 0
	}
	pg.memory.users = users
	return held, held
}

// countOutside counts the user records whose hash key the shard does not own,
// unless nobody wants to know.
func (d *deaggregator) countOutside(users []aggregate.UserRecord) int {
	if !d.rangeKnown || d.filter == RangeDeliver && !d.meter.on {
		return 0
	}
	return aggregate.Outside(users, d.rng)
}

// skip steps over the records that were handed on before. They come first.
func (pg *page) skip(s skip) {
	for m := pg.memory; pg.at < len(m.fetched); pg.at++ {
		sequence, inside := m.fetched[pg.at].SequenceNumber, m.insideOf(pg.at)
		if inside == plain {
			if !s.has(kinetrail.At(sequence, 0)) {
				return
			}
			pg.records--
			continue
		}
		for ; pg.sub < inside; pg.sub++ {
			if !s.has(kinetrail.At(sequence, pg.sub)) {
				return
			}
			pg.user++
			pg.records--
		}
		pg.sub = 0
	}
}
