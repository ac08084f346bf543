package producer

import (
	"hash/maphash"
)

// keySet remembers which partition keys have a plain record without a result or a
// lane, so that most keys need no lane: only a record that finds its key there,
// fails, or may go where its key does not, makes one.
//
//	absent ──► alone ──► absent
//	  │          │
//	  └──────────┴──► laned ──► absent
//
// It knows keys by 62 bits of their hashes. Two keys that share them would wait
// for each other, and nothing else.
//
// It is a hash table with linear probing, at most half full, that is small
// enough to stay in the processor's caches where a map of lanes did not.
type keySet struct {
	slots []keyID // as many as a power of two; zero for none, the lowest bit for laned
	count int
	seed  maphash.Seed
}

// keyID stands for a partition key. It is never zero and even.
type keyID uint64

// laned is set in the slot of a key that has a lane in the map of lanes. The
// slot of any other is that of a key with one record, which is alone.
const laned keyID = 1

func newKeySet() keySet { return keySet{slots: make([]keyID, 1<<10), seed: maphash.MakeSeed()} }

// slot is where id is, or would be.
func (k *keySet) slot(id keyID) (at int, found bool) {
	mask := len(k.slots) - 1
	for at = int(id>>1) & mask; k.slots[at] != 0; at = (at + 1) & mask {
		if k.slots[at]&^laned == id {
			return at, true
		}
	}
	return at, false
}

// add adds an id that is absent, at its slot.
func (k *keySet) add(at int, id keyID) {
	k.slots[at] = id
	if k.count++; 2*k.count > len(k.slots) {
		k.grow()
	}
}

func (k *keySet) grow() {
	old := k.slots
	k.slots = make([]keyID, 2*len(old))
	for _, id := range old {
		if id != 0 {
			at, _ := k.slot(id &^ laned)
			k.slots[at] = id
		}
	}
}

// remove empties a slot and closes the gap: what lies behind it up to the next
// empty slot moves up unless that is before its own place.
func (k *keySet) remove(at int) {
	k.count--
	mask := len(k.slots) - 1
	for next := (at + 1) & mask; k.slots[next] != 0; next = (next + 1) & mask {
		own := int(k.slots[next]>>1) & mask
		if (next-own)&mask >= (next-at)&mask {
			k.slots[at] = k.slots[next]
			at = next
		}
	}
	k.slots[at] = 0
}

// keyOf is u's key.
func (s *schedule) keyOf(u *userRecord) keyID {
	return keyID(maphash.String(s.keys.seed, u.key)&s.rules.keyMask|1<<63) &^ laned
}

// keepsOrder reports whether u has to wait while another plain record of its key is
// on its way.
func (s *schedule) keepsOrder(u *userRecord) bool {
	return s.rules.lanes && s.rules.aggregation == Off && !u.keyless
}

// addInOrder takes note of the key of a record, and takes the record to the lane of
// its key if it has to wait for another or may go elsewhere than others. What is
// left waits for no other.
func (s *schedule) addInOrder(u *userRecord) (id keyID, waits bool) {
	id = s.keyOf(u)
	at, busy := s.keys.slot(id)
	if !busy && u.explicitHashKey == "" {
		s.keys.add(at, id)
		return id, false
	}
	l := s.laneOfID(id)
	l.waiting.append(u)
	s.update(l)
	return id, true
}

// laneOfID is the lane of the plain records of a key. One that is made for a
// key with a record on its way counts that.
func (s *schedule) laneOfID(id keyID) *lane {
	name := laneName{id: id}
	at, found := s.keys.slot(id)
	if found && s.keys.slots[at] == id|laned {
		return s.lanes[name]
	}
	l := s.newLane()
	l.name, l.exclusive = name, true
	s.lanes[name] = l
	if found {
		l.unacked = 1
		s.keys.slots[at] |= laned
	} else {
		s.keys.add(at, id|laned)
	}
	return l
}

// laneOfSent is the lane of a Kinesis record that was sent, made now if it went
// alone.
func (s *schedule) laneOfSent(k *kinesisRecord) *lane {
	if k.lane == nil {
		k.lane = s.laneOfID(k.key)
	}
	return k.lane
}

// leaveKey ends the way of a record that had no lane, and lets the next of its key
// go on.
func (s *schedule) leaveKey(id keyID) {
	at, _ := s.keys.slot(id)
	if s.keys.slots[at] == id {
		s.keys.remove(at)
		return
	}
	l := s.lanes[laneName{id: id}]
	l.unacked--
	s.update(l)
	s.retire(l)
}
