package producer

import (
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
)

// userRecord is one record of the caller, from Put to its result. There are as
// many as the buffer holds, and a busy producer has forgotten one by the time
// its turn comes: it is kept to two lines of the processor's cache, the first of
// which is all that is read when it has its result. What few records have stands in
// details.
type userRecord struct {
	next   *userRecord  // in a userQueue
	done   func(Result) // takes the result, unless a Put waits for it
	epoch  *epoch
	number uint64 // order of acceptance

	*userDetails // none, unless the record owns some

	slab  *userSlab // where it lies
	index uint8     // there

	keyless  bool // key is a random one
	hashed   bool // hash is set
	form     form
	sub      int32 // its place in a container
	bytes    int32 // what it adds to a request when it goes alone and plain, and roughly what it adds to a container
	buffered int32 // what it takes of the buffer

	data  []byte
	key   string
	hash  shardmap.HashKey // decides the shard
	putAt instant
}

// userDetails are what few user records have.
type userDetails struct {
	explicitHashKey string
	headers         []kinetrail.Header
	trace           kinetrail.TraceContext // the context carried, by key or header
	headerTrace     bool                   // trace goes into the container's headers
	bare            bool                   // trace is a valid traceparent and nothing else
	spanned         bool                   // the context carried is a span's and lies in the slab instead
	keyed           bool                   // it goes into the key of a plain record when a request is made
	storedKey       string                 // the partition key of a plain record, if it is not the caller's
	storedHash      string                 // its explicit hash key then, empty for none
	span            trace.Span             // nil when none was started
	earlier         []Attempt              // in containers that were taken apart again
	waiter          chan Result            // of the Put that waits for the result
	result          Result                 // for the waiter
	common          bool                   // these are details of many records
}

// The details of records that own none: nothing at all, or a span context and
// nothing else. They are never changed.
var (
	noUserDetails = &userDetails{common: true}
	spanInKey     = &userDetails{common: true, spanned: true, keyed: true}
	spanInHeader  = &userDetails{common: true, spanned: true, headerTrace: true}
)

// forget lets go of what the caller gave.
func (u *userRecord) forget() {
	u.data, u.key, u.done, u.epoch, u.userDetails = nil, "", nil, nil, nil
}

// own returns the record's own details.
func (u *userRecord) own() *userDetails {
	if common := u.userDetails; common.common {
		u.userDetails = userDetailsPool.Get().(*userDetails)
		*u.userDetails = *common
		u.userDetails.common = false
	}
	return u.userDetails
}

// userDetailsPool has the details of records that are done.
var userDetailsPool = sync.Pool{New: func() any { return new(userDetails) }}

// disown gives the record's own details back. Those of a Put are not among them:
// it uses them again itself.
func (u *userRecord) disown() {
	if own := u.userDetails; !own.common {
		*own = userDetails{}
		userDetailsPool.Put(own)
	}
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
		Trace:           u.context(),
	}
	if u.keyless {
		r.PartitionKey = ""
	}
	return r
}

// stored are the keys of the record when it goes alone.
func (u *userRecord) stored() (key, hashKey *string) {
	switch {
	case u.userDetails == noUserDetails:
		return &u.key, nil
	case u.storedKey == "":
		return &u.key, optional(&u.explicitHashKey)
	}
	return &u.storedKey, optional(&u.storedHash)
}

// optional is nil in the place of an empty text.
func optional(text *string) *string {
	if *text == "" {
		return nil
	}
	return text
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
	q.bytes += int(u.bytes)
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
	q.bytes -= int(u.bytes)
	return u
}

// kinesisRecord is one entry of a PutRecords request, from the moment its user
// records are chosen until their results are delivered. It lies in its request;
// one that has to be sent again goes to memory of its own until then.
type kinesisRecord struct {
	users    *userRecord // the first of them, and nil when k is elsewhere or done with
	lane     *lane       // nil while it is the only one of its key
	target   *target     // where it was sent, as far as is known
	shardID  string      // where the service says it is
	sequence string
	count    int32  // of users
	bytes    int32  // of data and key, known before a container is made
	buffered int32  // what users take of the buffer
	key      keyID  // of a record without a lane
	sentTo   uint16 // generation of the shard map it was made for
	awaited  bool   // somebody waits in Put for one of users
	traced   bool   // one of users has a context

	// blocks are the lanes that wait for this record's outcome, nil for none. They
	// are set while a request reads the rest of k without a lock.
	blocks *[]*lane

	*kinesisDetails // none, unless the record owns some
}

// kinesisDetails are what a Kinesis record has that is a container, or was not
// accepted at once.
type kinesisDetails struct {
	box      *container // nil for a plain record
	attempts []Attempt  // so far, without those of the request it is in
	err      error      // nil, or a *RejectedError
	alone    bool       // to be sent in a request of its own
	retryAt  instant
}

// noKinesisDetails are those of records that own none. They are never changed.
var noKinesisDetails = new(kinesisDetails)

// own returns the record's own details.
func (k *kinesisRecord) own() *kinesisDetails {
	if k.kinesisDetails == noKinesisDetails {
		k.kinesisDetails = new(kinesisDetails)
	}
	return k.kinesisDetails
}

// container is what a Kinesis record has that is a container.
type container struct {
	key, hashKey string
	builder      *aggregate.Builder // holds the user records until data is made
	data         []byte             // its memory is used again
	made         bool               // data is

	next *container // in the list of free ones
}

// result is what became of a user record of k, which is one of r.
func (r *request) result(k *kinesisRecord, u *userRecord) Result {
	result := Result{ShardID: k.shardID, Attempts: k.attempts, Err: k.err}
	if result.Attempts == nil {
		result.Attempts = r.attempts
	}
	if k.err == nil {
		result.Position = kinetrail.At(k.sequence, int(u.sub))
	}
	return result
}

// lane keeps user records in order. An exclusive lane has at most one Kinesis
// record on its way, or several made at once that have no key in common; any other
// sends as it likes and only shares a queue.
//
//	waiting ──make──► on its way ──► outcome
//	                     ▲    │
//	                  again ◄─┘ failed, after its delay
type lane struct {
	name      laneName // in the map of lanes; none for a shared lane
	home      *target  // of a lane shared by all records bound there
	groups    bool     // its records share containers with whoever comes next
	exclusive bool
	orphan    bool // no longer in the map of lanes

	waiting   userQueue
	again     []*kinesisRecord // failed records that may be sent again now
	unacked   int              // Kinesis records on their way, delayed or in again
	blockedBy int              // Kinesis records of older lanes that go first

	// While the lane is ready it stands in the line of a target.
	queuedAt *target
	next     *lane
	offer    offer

	// While route brings it records.
	touched     bool
	nextTouched *lane
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

// laneName is what a lane that belongs to no target is found by: its key,
// without aggregation as the set of keys knows it.
type laneName struct {
	key string
	id  keyID
}

// shared reports whether the lane is that of a target, not of keys.
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
