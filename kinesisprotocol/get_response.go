package kinesisprotocol

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kinetrail/kinetrail"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// getReading is how an answer of GetRecords is read. Its records go to into, or
// without it to the output.
type getReading struct {
	output *kinesis.GetRecordsOutput
	into   *[]Record
}

// room is none: the records lie in the page.
func (g *getReading) room() []byte { return nil }

func (g *getReading) json(page []byte) (usual bool, err error) {
	read := answer{records: g.list()}
	if g.into == nil {
		defer func() { keepSpare(read.records) }()
	}
	if usual, err := readAnswer(page, &read, "NextShardIterator"); !usual || err != nil {
		return false, err
	}
	read.put(g.output, g.into)
	return true, nil
}

// cbor never changes the page.
func (g *getReading) cbor(page []byte) (usual bool) {
	read := answer{records: g.list()}
	if g.into == nil {
		defer func() { keepSpare(read.records) }()
	}
	s := cborScanner{page: page}
	s.getRecords(&read)
	if !s.done() {
		return false
	}
	read.put(g.output, g.into)
	return true
}

// list is where the records are collected.
func (g *getReading) list() []Record {
	if g.into != nil {
		return (*g.into)[:0]
	}
	return spare()
}

// readAnswer reads an answer with records, unless it is unusual. next is the name
// of what leads on from it.
func readAnswer(page []byte, read *answer, next string) (usual bool, err error) {
	s := scanner{page: page}
	s.answer(read, next)
	if s.odd {
		return false, nil
	}

	// From here on the page changes, and nobody else could read it.
	for i := range read.records {
		r := &read.records[i]
		if r.Data, err = decodeInPlace(r.Data); err != nil {
			return false, fmt.Errorf("decode the data of record %d: %w", i, err)
		}
	}
	return true, nil
}

// answer reads all but the data, which stays text.
func (s *scanner) answer(read *answer, next string) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.name()) {
		case "MillisBehindLatest":
			if !s.null() {
				behind := s.count(18)
				read.behind = &behind
			}
		case next:
			// A reader keeps it until its next call and must not keep the
			// page with it.
			if place, ok := s.text(); ok {
				place = strings.Clone(place)
				read.next = &place
			}
		case "Records":
			// A second list replaces the first, but not unread: its data has
			// to be right too.
			if !s.null() {
				s.odd = s.odd || read.listed
				read.listed = true
				read.records = s.records(read.records)
			}
		default:
			s.odd = true // ChildShards too: they come once in a shard's life
		}
	}
}

func (s *scanner) records(records []Record) []Record {
	start := s.at
	var names recordNames
	for more := s.open('[', ']'); more; more = s.more(']') {
		if len(records) == cap(records) {
			records = grow(s, records, start, kinetrail.MaxGetRecords)
		}
		records = append(records, Record{})
		s.record(&records[len(records)-1], &names)
	}
	return records
}

func (s *scanner) record(r *Record, names *recordNames) {
	at := 0
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch name := s.recordMember(names, at); name {
		case memberArrival:
			if !s.null() {
				r.arrivedAt, r.has = s.milliseconds(), r.has|name
			}
		case memberData:
			if data := s.base64(); data != nil {
				s.odd = s.odd || r.Data != nil
				r.Data = data
			}
		case memberEncryption:
			if text, ok := s.text(); ok {
				r.encryption, r.has = s.encryption(text), r.has|name
			}
		case memberKey:
			if key, ok := s.text(); ok {
				r.PartitionKey, r.has = key, r.has|name
			}
		case memberSequence:
			if number, ok := s.text(); ok {
				r.SequenceNumber, r.has = number, r.has|name
			}
		default:
			s.odd = true
		}
		at++
	}
}

// recordNames are the members of the record before, in their order. Those of the
// next have the same, nearly always, so that a look tells.
type recordNames [5]recordName

type recordName struct {
	member member
	json   string // with quotes and colon
	cbor   string // with the head
}

var recordMembers = map[string]recordName{
	"ApproximateArrivalTimestamp": {memberArrival, `"ApproximateArrivalTimestamp":`, "\x78\x1bApproximateArrivalTimestamp"},
	"Data":                        {memberData, `"Data":`, "\x64Data"},
	"EncryptionType":              {memberEncryption, `"EncryptionType":`, "\x6eEncryptionType"},
	"PartitionKey":                {memberKey, `"PartitionKey":`, "\x6cPartitionKey"},
	"SequenceNumber":              {memberSequence, `"SequenceNumber":`, "\x6eSequenceNumber"},
}

// recordMember is the name of a record's member number at, or 0 for one that is
// not known. The scanner stands before its value.
func (s *scanner) recordMember(names *recordNames, at int) member {
	if at >= len(names) {
		return recordMembers[string(s.name())].member
	}
	guess := &names[at]
	if guess.member != 0 && bytes.HasPrefix(s.page[s.at:], bytesOf(guess.json)) {
		s.at += len(guess.json)
		return guess.member
	}
	*guess = recordMembers[string(s.name())]
	return guess.member
}

// encryption is one of the service's words for it.
func (s *scanner) encryption(text string) encryption {
	for known, name := range encryptionTypes {
		if text == string(name) {
			return encryption(known)
		}
	}
	s.odd = true
	return 0
}

// encryptionType is one of the service's words for it, and not in the page; it
// is what it was for null.
func (s *scanner) encryptionType(before types.EncryptionType) types.EncryptionType {
	text, ok := s.text()
	if !ok {
		return before
	}
	for _, known := range encryptionTypes {
		if text == string(known) {
			return known
		}
	}
	return types.EncryptionType(strings.Clone(text))
}
