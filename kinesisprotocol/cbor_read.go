package kinesisprotocol

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// readGetRecordsCBOR reads the answer of GetRecords, unless it is unusual. The
// records go to into, or without it to the output. The page never changes.
func readGetRecordsCBOR(page []byte, output *kinesis.GetRecordsOutput, into *[]Record) (usual bool) {
	var read answer
	if into != nil {
		read.records = (*into)[:0]
	} else {
		read.records = spare()
		defer func() { keepSpare(read.records) }()
	}
	s := cborScanner{page: page}
	s.getRecords(&read)
	if !s.done() {
		return false
	}
	read.put(output, into)
	return true
}

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

// readPutRecordsCBOR reads the answer of PutRecords, unless it is unusual.
func readPutRecordsCBOR(page []byte, output *kinesis.PutRecordsOutput) (usual bool) {
	s := cborScanner{page: page}
	var read kinesis.PutRecordsOutput
	for members := s.open(cborMap); s.more(&members); {
		switch string(s.text()) {
		case "EncryptionType":
			if !s.null() {
				read.EncryptionType = encryptionTypes[s.encryption()]
			}
		case "FailedRecordCount":
			if !s.null() {
				failed := int32(s.count(math.MaxInt32))
				read.FailedRecordCount = &failed
			}
		case "Records":
			s.odd = s.odd || read.Records != nil
			if !s.null() {
				read.Records = s.results()
			}
		default:
			s.odd = true
		}
	}
	if !s.done() {
		return false
	}
	*output = read
	return true
}

func (s *cborScanner) results() []types.PutRecordsResultEntry {
	elements := s.open(cborArray)
	results := make([]types.PutRecordsResultEntry, 0, elements.atMost(kinetrail.MaxPutRecords))
	var texts slab[string]
	texts.room(2 * cap(results))
	for s.more(&elements) {
		if len(results) == cap(results) {
			texts.room(2 * max(len(results), 8))
		}
		results = append(results, types.PutRecordsResultEntry{})
		s.result(&results[len(results)-1], &texts)
	}
	return results
}

func (s *cborScanner) result(result *types.PutRecordsResultEntry, texts *slab[string]) {
	// The names as they are written, with their lengths in front: nearly all
	// results have these two members alone.
	const (
		number = "\x6eSequenceNumber"
		shard  = "\x67ShardId"
	)
	for members := s.open(cborMap); s.more(&members); {
		var member **string
		switch {
		case s.skips(number):
			member = &result.SequenceNumber
		case s.skips(shard):
			member = &result.ShardId
		default:
			if member = resultMember(result, s.text()); member == nil {
				s.odd = true
				return
			}
		}
		if !s.null() {
			*member = texts.keep(textOf(s.text()))
		}
	}
}

// skips steps over the bytes that are expected, and reports whether they were
// there.
func (s *cborScanner) skips(expected string) bool {
	if len(s.page)-s.at < len(expected) || string(s.page[s.at:s.at+len(expected)]) != expected {
		return false
	}
	s.at += len(expected)
	return true
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
