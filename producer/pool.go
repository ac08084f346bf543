package producer

import (
	"math/bits"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

// userPool keeps the memory of user records. They lie side by side in slabs, in the
// order of the puts, because that is what the processor reads fastest. New memory
// is made only when no record is at rest.
type userPool struct {
	resting slabList // all of whose records are at rest
	partial slabList // some of whose records are
}

// slabRecords is how many records a slab has, a bit of a word for each.
const slabRecords = 64

// userSlab is a piece of memory for user records.
type userSlab struct {
	records [slabRecords]userRecord
	parents [slabRecords]tracecarrier.Parent // of those records that have spanned details
	atRest  uint64
	open    bool // the next records come from it

	list       *slabList // it is in, nil while it is open or none of its records is at rest
	prev, next *userSlab
}

// get takes a record from the slab that is open at from, or from another that it
// opens there.
func (p *userPool) get(from **userSlab) *userRecord {
	s := *from
	if s == nil || s.atRest == 0 {
		p.close(from)
		s = p.open()
		*from = s
	}
	i := bits.TrailingZeros64(s.atRest)
	s.atRest &^= 1 << i
	return &s.records[i]
}

// keep copies a record to memory of its own.
func (p *userPool) keep(from **userSlab, u *userRecord) *userRecord {
	at := p.get(from)
	u.slab, u.index = at.slab, at.index
	*at = *u
	return at
}

func (p *userPool) open() *userSlab {
	s := p.resting.first
	if s == nil {
		s = p.partial.first
	}
	if s != nil {
		s.list.remove(s)
		s.open = true
		return s
	}
	s = &userSlab{atRest: 1<<slabRecords - 1, open: true}
	for i := range s.records {
		s.records[i].slab, s.records[i].index = s, uint8(i)
	}
	return s
}

// close is for a slab that no more records come from.
func (p *userPool) close(from **userSlab) {
	if s := *from; s != nil {
		*from, s.open = nil, false
		p.enlist(s)
	}
}

// put takes a record back, and lets go of what the caller gave.
func (p *userPool) put(u *userRecord) {
	u.forget()
	s := u.slab
	s.atRest |= 1 << u.index
	if !s.open {
		p.enlist(s)
	}
}

// rest takes back all records of a queue.
func (s *schedule) rest(done *userQueue) {
	for done.first != nil {
		u := done.pop()
		u.disown()
		s.users.put(u)
	}
}

// enlist brings a slab to the list it belongs to.
func (p *userPool) enlist(s *userSlab) {
	list := &p.partial
	switch s.atRest {
	case 0:
		return
	case 1<<slabRecords - 1:
		list = &p.resting
	}
	if s.list == list {
		return
	}
	if s.list != nil {
		s.list.remove(s)
	}
	list.push(s)
}

// slabList is a list of slabs, the last one that was added first.
type slabList struct{ first *userSlab }

func (l *slabList) push(s *userSlab) {
	s.list, s.prev, s.next = l, nil, l.first
	if l.first != nil {
		l.first.prev = s
	}
	l.first = s
}

func (l *slabList) remove(s *userSlab) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		l.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.list, s.prev, s.next = nil, nil, nil
}
