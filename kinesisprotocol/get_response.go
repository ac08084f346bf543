package kinesisprotocol

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// readGetRecords reads the answer of GetRecords, unless it is unusual.
func readGetRecords(page []byte, output *kinesis.GetRecordsOutput) (usual bool, err error) {
	s := scanner{page: page}
	var read kinesis.GetRecordsOutput
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.name()) {
		case "MillisBehindLatest":
			if !s.null() {
				behind := s.count(18)
				read.MillisBehindLatest = &behind
			}
		case "NextShardIterator":
			// A reader keeps it until its next call and must not keep the
			// page with it.
			if iterator, ok := s.text(); ok {
				iterator = strings.Clone(iterator)
				read.NextShardIterator = &iterator
			}
		case "Records":
			// A second list replaces the first, but not unread: its data has
			// to be right too.
			if !s.null() {
				s.odd = s.odd || read.Records != nil
				read.Records = s.records()
			}
		default:
			s.odd = true // ChildShards too: they come once in a shard's life
		}
	}
	if s.odd {
		return false, nil
	}

	// From here on the page changes, and nobody else could read it.
	for i := range read.Records {
		r := &read.Records[i]
		if r.Data, err = decodeInPlace(r.Data); err != nil {
			return false, fmt.Errorf("decode the data of record %d: %w", i, err)
		}
	}
	*output = read
	return true, nil
}

// recordSlabs hold what the records of a page point to.
type recordSlabs struct {
	texts    slab[string]
	arrivals slab[time.Time]
}

func (s *scanner) records() []types.Record {
	start := s.at
	records := []types.Record{}
	var slabs recordSlabs
	for more := s.open('[', ']'); more; more = s.more(']') {
		if len(records) == cap(records) {
			records = grow(s, records, start, kinetrail.MaxGetRecords)
			slabs.texts.room(2 * (cap(records) - len(records)))
			slabs.arrivals.room(cap(records) - len(records))
		}
		records = append(records, types.Record{})
		s.record(&records[len(records)-1], &slabs)
	}
	return records
}

func (s *scanner) record(record *types.Record, slabs *recordSlabs) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.name()) {
		case "ApproximateArrivalTimestamp":
			if !s.null() {
				record.ApproximateArrivalTimestamp = slabs.arrivals.keep(s.time())
			}
		case "Data":
			if data := s.base64(); data != nil {
				s.odd = s.odd || record.Data != nil
				record.Data = data
			}
		case "EncryptionType":
			record.EncryptionType = s.encryptionType(record.EncryptionType)
		case "PartitionKey":
			if key, ok := s.text(); ok {
				record.PartitionKey = slabs.texts.keep(key)
			}
		case "SequenceNumber":
			if number, ok := s.text(); ok {
				record.SequenceNumber = slabs.texts.keep(number)
			}
		default:
			s.odd = true
		}
	}
}

// encryptionType is one of the service's words for it, and not in the page; it
// is what it was for null.
func (s *scanner) encryptionType(before types.EncryptionType) types.EncryptionType {
	text, ok := s.text()
	if !ok {
		return before
	}
	for _, known := range [...]types.EncryptionType{types.EncryptionTypeNone, types.EncryptionTypeKms} {
		if text == string(known) {
			return known
		}
	}
	return types.EncryptionType(strings.Clone(text))
}

// Clone is a copy of r that shares no memory with the page r came with, so that
// keeping it keeps nothing else.
func Clone(r types.Record) types.Record {
	r.Data = bytes.Clone(r.Data)
	r.SequenceNumber = cloneText(r.SequenceNumber)
	r.PartitionKey = cloneText(r.PartitionKey)
	if r.ApproximateArrivalTimestamp != nil {
		arrival := *r.ApproximateArrivalTimestamp
		r.ApproximateArrivalTimestamp = &arrival
	}
	return r
}

func cloneText(text *string) *string {
	if text == nil {
		return nil
	}
	clone := strings.Clone(*text)
	return &clone
}
