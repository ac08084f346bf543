package producer

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// userRecord is one record of the caller, from Put to its result.
type userRecord struct {
	next *userRecord // in a userQueue

	// What the caller gave. key is a random one when keyless.
	data            []byte
	key             string
	explicitHashKey string
	headers         []kinetrail.Header
	keyless         bool

	// What put made of it.
	form         form
	trace        kinetrail.TraceContext // the context carried, by key or header
	outcome      tracecarrier.Outcome   // what became of it
	headerTrace  bool                   // trace goes into the container's headers
	storedKey    string                 // the partition key of a plain record
	storedHash   string                 // its explicit hash key, empty for none
	hash         shardmap.HashKey       // decides the shard
	span         trace.Span             // nil when none was started
	bufferedSize int

	number  uint64 // order of acceptance
	putAt   time.Time
	epoch   *epoch
	earlier []Attempt // in containers that were taken apart again

	result Result
	// Where the result goes: one of the two.
	done   func(Result)
	waiter chan Result
}

// form is what a user record becomes in the stream.
type form uint8

const (
	plain   form = iota // a Kinesis record with the caller's bytes
	wrapped             // in a container of its own
	grouped             // in a container with others
)

// given is the record as the caller gave it, with the context it would have
// carried.
func (u *userRecord) given() kinetrail.Record {
	r := kinetrail.Record{
		Data:            u.data,
		PartitionKey:    u.key,
		ExplicitHashKey: u.explicitHashKey,
		Headers:         u.headers,
		Trace:           u.trace,
	}
	if u.keyless {
		r.PartitionKey = ""
	}
	return r
}

// userQueue is a line of user records.
type userQueue struct {
	first, last *userRecord
	count       int
	bytes       int // of data and keys
}

func (q *userQueue) append(u *userRecord) {
	u.next = nil
	if q.last == nil {
		q.first = u
	} else {
		q.last.next = u
	}
	q.last = u
	q.count++
	q.bytes += u.size()
}

// prepend puts all of front before the records of q.
func (q *userQueue) prepend(front userQueue) {
	if front.first == nil {
		return
	}
	front.last.next = q.first
	if q.last == nil {
		q.last = front.last
	}
	q.first = front.first
	q.count += front.count
	q.bytes += front.bytes
}

func (q *userQueue) pop() *userRecord {
	u := q.first
	q.first = u.next
	if q.first == nil {
		q.last = nil
	}
	u.next = nil
	q.count--
	q.bytes -= u.size()
	return u
}

// size is what the record adds to a request when it goes alone and plain, and
// roughly what it adds to a container.
func (u *userRecord) size() int { return len(u.data) + len(u.storedKey) }

// kinesisRecord is one entry of a PutRecords request, from the moment its user
// records are chosen until its outcome is known.
type kinesisRecord struct {
	users   userQueue
	builder *aggregate.Builder // holds users while a container's bytes are not made
	key     string
	hashKey string // empty for none
	data    []byte
	bytes   int // of data and key, known before data is made

	lane     *lane
	target   *target // where it was sent, as far as is known
	sentTo   int     // generation of the shard map it was made for
	attempts []Attempt
	alone    bool          // to be sent in a request of its own
	took     time.Duration // of the attempt that is being settled
	retryAt  time.Time
	blocks   []*lane // lanes that wait for this record's outcome

	// Where the service says it put a record that waits for its verdict.
	shardID  string
	sequence string

	next *kinesisRecord // in the list of free ones
}

// lane keeps user records in order. An exclusive lane has at most one Kinesis
// record on its way; any other sends as it likes and only shares a queue.
//
//	waiting ──make──► on its way ──► outcome
//	                     ▲    │
//	                  again ◄─┘ failed, after its delay
type lane struct {
	key       string  // in the map of lanes; empty for a shared lane
	home      *target // of a lane shared by all records bound there
	groups    bool    // its records share containers with whoever comes next
	exclusive bool
	orphan    bool // a key's lane that is no longer in the map

	waiting   userQueue
	again     []*kinesisRecord // failed records that may be sent again now
	unacked   int              // Kinesis records on their way, delayed or in again
	blockedBy int              // Kinesis records of older lanes that go first

	// While the lane is ready it stands in the line of a target.
	queuedAt *target
	next     *lane
	offer    offer
}

// offer is what a ready lane adds to the next request.
type offer struct {
	records int
	bytes   int
	full    int // lanes with a container that takes no more
}

func (o *offer) add(x offer) {
	o.records += x.records
	o.bytes += x.bytes
	o.full += x.full
}

func (o *offer) subtract(x offer) {
	o.records -= x.records
	o.bytes -= x.bytes
	o.full -= x.full
}

// shared reports whether the lane is that of a target, not of a key.
func (l *lane) shared() bool { return l.home != nil }

// ready reports whether the lane could send something now.
func (l *lane) ready() bool { return len(l.again) > 0 || l.mayMake() }

// mayMake reports whether a new Kinesis record may be made of what waits.
func (l *lane) mayMake() bool {
	return l.waiting.count > 0 && l.blockedBy == 0 && (!l.exclusive || l.unacked == 0)
}

// sendsAlone reports whether the lane's next Kinesis record is to have a request
// of its own.
func (l *lane) sendsAlone() bool { return len(l.again) > 0 && l.again[0].alone }

// idle reports whether the lane holds nothing and nothing waits for it.
func (l *lane) idle() bool {
	return l.waiting.count == 0 && l.unacked == 0 && l.blockedBy == 0 && l.queuedAt == nil
}

// laneQueue is a line of ready lanes.
type laneQueue struct{ first, last *lane }

func (q *laneQueue) append(l *lane) {
	l.next = nil
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
}

func (q *laneQueue) pop() *lane {
	l := q.first
	q.first = l.next
	if q.first == nil {
		q.last = nil
	}
	l.next = nil
	return l
}
