package kinesisprotocol

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Record is a record of GetRecords without pointers to its parts, as Into takes
// it. Its strings and Data lie in the page it came with.
type Record struct {
	Data           []byte
	PartitionKey   string
	SequenceNumber string

	arrivedAt  int64 // in milliseconds since 1970
	has        member
	encryption encryption
}

// ArrivedAt is when the service took the record in, to the millisecond and in
// UTC, or zero when the answer does not say.
func (r *Record) ArrivedAt() time.Time {
	if r.has&memberArrival == 0 {
		return time.Time{}
	}
	return time.UnixMilli(r.arrivedAt).UTC()
}

// member is a member of a record, and a set of them.
type member uint8

const (
	memberArrival member = 1 << iota
	memberData
	memberEncryption
	memberKey
	memberSequence
)

// encryption is one of the service's words for it.
type encryption uint8

const (
	encryptionNone encryption = iota
	encryptionKMS
)

var encryptionTypes = [...]types.EncryptionType{encryptionNone: types.EncryptionTypeNone, encryptionKMS: types.EncryptionTypeKms}

// Into makes one call of GetRecords put its records into *records, in place of
// what was there, and leave Records of the output nil: that is the cheapest way to
// read. It implies Install. *records is used again if it has room, so whoever
// hands it to a second call has copied what is to be kept of the first; the memory
// that the records lie in is not.
//
// With a client that speaks any other protocol than the SDK's JSON or this
// package's, it does nothing, and the records are in the output. They are there,
// too, when the client has middleware or interceptors of its own, which may want
// to see them.
func Into(records *[]Record) func(*kinesis.Options) {
	return func(o *kinesis.Options) {
		Install(o)
		*records = (*records)[:0]
		if installed, ok := o.Protocol.(*protocol); ok && !watched(o) {
			into := *installed
			into.records = records
			o.Protocol = &into
		}
	}
}

// watched reports whether somebody looks at the outputs of calls.
func watched(o *kinesis.Options) bool {
	i := &o.Interceptors
	return len(o.APIOptions) > 0 || len(i.AfterDeserialization) > 0 || len(i.AfterAttempt) > 0 || len(i.AfterExecution) > 0
}

// answer is what GetRecords says, in whatever form it was written.
type answer struct {
	records []Record
	listed  bool // there is a list, which may be empty
	next    *string
	behind  *int64
}

// put hands an answer on, its records to into or, when that is nil, with the rest.
func (a *answer) put(output *kinesis.GetRecordsOutput, into *[]Record) {
	*output = kinesis.GetRecordsOutput{MillisBehindLatest: a.behind, NextShardIterator: a.next}
	switch {
	case into != nil:
		*into = a.records
	case a.listed:
		output.Records = sdkRecords(a.records)
	}
}

// sdkRecords are records as the SDK has them.
func sdkRecords(records []Record) []types.Record {
	all := make([]types.Record, len(records))
	texts := make([]string, 2*len(records))
	arrivals := make([]time.Time, len(records))
	for i := range records {
		from, to, text := &records[i], &all[i], texts[2*i:2*i+2]
		to.Data = from.Data
		if from.has&memberKey != 0 {
			text[0] = from.PartitionKey
			to.PartitionKey = &text[0]
		}
		if from.has&memberSequence != 0 {
			text[1] = from.SequenceNumber
			to.SequenceNumber = &text[1]
		}
		if from.has&memberArrival != 0 {
			arrivals[i] = from.ArrivedAt()
			to.ApproximateArrivalTimestamp = &arrivals[i]
		}
		if from.has&memberEncryption != 0 {
			to.EncryptionType = encryptionTypes[from.encryption]
		}
	}
	return all
}

// RecordOf is a record that came in the SDK's types. Its strings and Data are the
// same memory.
func RecordOf(from *types.Record) Record {
	r := Record{Data: from.Data}
	if from.PartitionKey != nil {
		r.PartitionKey, r.has = *from.PartitionKey, r.has|memberKey
	}
	if from.SequenceNumber != nil {
		r.SequenceNumber, r.has = *from.SequenceNumber, r.has|memberSequence
	}
	if from.ApproximateArrivalTimestamp != nil {
		r.arrivedAt, r.has = from.ApproximateArrivalTimestamp.UnixMilli(), r.has|memberArrival
	}
	return r
}

// spares are lists of records between a page and the SDK's types.
var spares sync.Pool

// spare is an empty list with room, if there is one.
func spare() []Record {
	if kept, ok := spares.Get().(*[]Record); ok {
		return *kept
	}
	return nil
}

// keepSpare takes a list back that nobody uses any more.
func keepSpare(records []Record) {
	clear(records) // so that it does not keep its page in memory
	records = records[:0]
	spares.Put(&records)
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
