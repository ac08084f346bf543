package kinesisprotocol

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
)

func (s *cborScanner) getRecords(read *answer) {
	for members := s.open(cborMap); s.more(&members); {
		switch string(s.text()) {
		case "MillisBehindLatest":
			if !s.null() {
				behind := s.count(math.MaxInt64)
				read.behind = &behind
			}
		case "NextShardIterator":
			if !s.null() {
				iterator := strings.Clone(textOf(s.text())) // not to keep the page
				read.next = &iterator
			}
		case "Records":
			s.odd = s.odd || read.listed
			if !s.null() {
				read.listed = true
				read.records = s.records(read.records)
			}
		default:
			s.odd = true // ChildShards too: they come once in a shard's life
		}
	}
}

func (s *cborScanner) records(records []Record) []Record {
	elements := s.open(cborArray)
	records = slices.Grow(records, elements.atMost(kinetrail.MaxGetRecords))
	var names recordNames
	for s.more(&elements) {
		records = append(records, Record{})
		s.record(&records[len(records)-1], &names)
	}
	return records
}

func (s *cborScanner) record(r *Record, names *recordNames) {
	at := 0
	for members := s.open(cborMap); s.more(&members); at++ {
		name := s.recordMember(names, at)
		if s.null() {
			continue
		}
		switch name {
		case memberArrival:
			r.arrivedAt = s.milliseconds()
		case memberData:
			r.Data = s.bytes(cborBytes)
		case memberEncryption:
			r.encryption = s.encryption()
		case memberKey:
			r.PartitionKey = textOf(s.text())
		case memberSequence:
			r.SequenceNumber = textOf(s.text())
		default:
			s.odd = true
		}
		r.has |= name
	}
}

// recordMember is the name of a record's member number at, or 0 for one that is
// not known, as in JSON.
func (s *cborScanner) recordMember(names *recordNames, at int) member {
	if at >= len(names) {
		return recordMembers[string(s.text())].member
	}
	guess := &names[at]
	if guess.member != 0 && bytes.HasPrefix(s.page[s.at:], bytesOf(guess.cbor)) {
		s.at += len(guess.cbor)
		return guess.member
	}
	*guess = recordMembers[string(s.text())]
	return guess.member
}

// encryption is one of the service's words for it.
func (s *cborScanner) encryption() encryption {
	text := s.text()
	for known, name := range encryptionTypes {
		if string(text) == string(name) {
			return encryption(known)
		}
	}
	s.odd = true
	return 0
}

// putAnswer reads an answer of PutRecords.
func (s *cborScanner) putAnswer(a *putAnswer) {
	for members := s.open(cborMap); s.more(&members); {
		switch string(s.text()) {
		case "EncryptionType":
			if !s.null() {
				a.encryption = encryptionTypes[s.encryption()]
			}
		case "FailedRecordCount":
			if !s.null() {
				failed := int32(s.count(math.MaxInt32))
				a.failed = &failed
			}
		case "Records":
			s.odd = s.odd || a.listed
			if !s.null() {
				a.listed = true
				s.results(a)
			}
		default:
			s.odd = true
		}
	}
}

func (s *cborScanner) results(a *putAnswer) {
	for elements := s.open(cborArray); s.more(&elements); {
		if length := a.again(s.page[s.at:]); length > 0 {
			s.at += length
		} else {
			s.result(a)
		}
	}
}

func (s *cborScanner) result(a *putAnswer) {
	start := s.at
	var number, shard place
	r := a.next()
	for members := s.open(cborMap); s.more(&members); {
		name := resultMember(s.text())
		if name == resultUnknown {
			s.odd = true
			return
		}
		if s.null() {
			continue
		}
		text := s.text()
		if s.odd {
			return
		}
		a.member(r, name, text)
		switch at := (place{s.at - len(text) - start, s.at - start}); name {
		case resultNumber:
			number = at
		case resultShard:
			shard = at
		}
	}
	if !s.odd {
		a.learn(r, s.page[start:s.at], number, shard)
	}
}

// cborScanner walks over the CBOR of an answer:
//
//	for members := s.open(cborMap); s.more(&members); {
//		switch string(s.text()) {
//		case "ShardId":
//			id := s.text()
//
// Anything it does not expect, right or wrong, sets odd, which ends every loop.
type cborScanner struct {
	page []byte
	at   int
	odd  bool
}

// items are those of a map or array that are still to come.
type items struct {
	left    uint64
	endless bool // until a break
	room    int  // bytes that follow
}

// indefinite stands in the place of a length that is not given.
const indefinite = 31

// head steps over the start of an item: its major type, the low five bits, and
// the number that goes with it.
func (s *cborScanner) head() (major, low byte, n uint64) {
	if s.odd || s.at >= len(s.page) {
		s.odd = true
		return 0, 0, 0
	}
	first := s.page[s.at]
	s.at++
	major, low = first>>5, first&31
	if low < 24 {
		return major, low, uint64(low)
	}
	rest := s.page[s.at:]
	switch {
	case low == 24 && len(rest) >= 1:
		s.at++
		return major, low, uint64(rest[0])
	case low == 25 && len(rest) >= 2:
		s.at += 2
		return major, low, uint64(binary.BigEndian.Uint16(rest))
	case low == 26 && len(rest) >= 4:
		s.at += 4
		return major, low, uint64(binary.BigEndian.Uint32(rest))
	case low == 27 && len(rest) >= 8:
		s.at += 8
		return major, low, binary.BigEndian.Uint64(rest)
	case low == indefinite:
		return major, low, 0
	}
	s.odd = true
	return 0, 0, 0
}

// open steps into a map or array.
func (s *cborScanner) open(wanted byte) items {
	major, low, n := s.head()
	s.odd = s.odd || major != wanted
	return items{left: n, endless: low == indefinite, room: len(s.page) - s.at}
}

// atMost is how many items may come, judged by what they take at least.
func (i items) atMost(limit int) int {
	const smallest = 32 // bytes of a record or a result
	n := uint64(i.room / smallest)
	if !i.endless {
		n = min(n, i.left)
	}
	return int(min(n, uint64(limit)))
}

// more reports whether another item follows, and steps over the break behind the
// last.
func (s *cborScanner) more(i *items) bool {
	if s.odd {
		return false
	}
	if !i.endless {
		i.left--
		return i.left != math.MaxUint64
	}
	if s.at < len(s.page) && s.page[s.at] == cborBreak {
		s.at++
		return false
	}
	return true
}

// done reports whether all of the page was read and as expected.
func (s *cborScanner) done() bool { return !s.odd && s.at == len(s.page) }

// null steps over a null. The SDK takes a member that is null as absent.
func (s *cborScanner) null() bool {
	if s.at < len(s.page) && (s.page[s.at] == cborNull || s.page[s.at] == cborUndefined) {
		s.at++
		return true
	}
	return false
}

// text is a text in the page.
func (s *cborScanner) text() []byte {
	text := s.bytes(cborText)
	s.odd = s.odd || !utf8.Valid(text)
	return text
}

// bytes is a text or a byte string in the page, with no room behind it.
func (s *cborScanner) bytes(wanted byte) []byte {
	major, low, n := s.head()
	if s.odd || major != wanted || low == indefinite || n > uint64(len(s.page)-s.at) {
		s.odd = true
		return nil
	}
	start := s.at
	s.at += int(n)
	return s.page[start:s.at:s.at]
}

// count is a whole number from 0 to most.
func (s *cborScanner) count(most uint64) int64 {
	major, low, n := s.head()
	if s.odd || major != cborUint || low == indefinite || n > most {
		s.odd = true
		return 0
	}
	return int64(n)
}

// milliseconds is a time since 1970, to the millisecond as in JSON. The service
// gives milliseconds, as whole numbers under tag 1; RFC 8949 says seconds there, in
// any number. Nothing that Kinesis keeps is as old as March 1973 in milliseconds or
// as young as the year 5138 in seconds, so the number tells.
func (s *cborScanner) milliseconds() int64 {
	major, low, n := s.head()
	if major == cborTag && n == 1 && low != indefinite {
		major, low, n = s.head()
	}
	switch {
	case s.odd || low == indefinite:
	case major == cborUint && n >= millisecondsFrom && n < latestMillisecond:
		return int64(n)
	case major == cborUint && n < latestMillisecond/1000:
		return int64(n) * 1000
	case major == cborSimple && low == 27:
		switch number := math.Float64frombits(n); {
		case number >= millisecondsFrom && number < latestMillisecond:
			return int64(number)
		case number >= 0 && number < latestMillisecond/1000:
			return int64(number * 1e3)
		}
	}
	s.odd = true
	return 0
}

const (
	millisecondsFrom  = 1e11 // from this number on a time is in milliseconds
	latestMillisecond = 9e12 // as in JSON
)
