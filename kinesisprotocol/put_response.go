package kinesisprotocol

import (
	"github.com/kinetrail/kinetrail"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// readPutRecords reads the answer of PutRecords, unless it is unusual.
func readPutRecords(page []byte, output *kinesis.PutRecordsOutput) (usual bool) {
	s := scanner{page: page}
	var read kinesis.PutRecordsOutput
	for more := s.open('{', '}'); more; more = s.more('}') {
		switch string(s.name()) {
		case "EncryptionType":
			read.EncryptionType = s.encryptionType(read.EncryptionType)
		case "FailedRecordCount":
			if !s.null() {
				failed := int32(s.count(9))
				read.FailedRecordCount = &failed
			}
		case "Records":
			if !s.null() {
				read.Records = s.results()
			}
		default:
			s.odd = true
		}
	}
	if s.odd {
		return false
	}
	*output = read
	return true
}

func (s *scanner) results() []types.PutRecordsResultEntry {
	start := s.at
	results := []types.PutRecordsResultEntry{}
	var texts slab[string]
	for more := s.open('[', ']'); more; more = s.more(']') {
		if len(results) == cap(results) {
			results = grow(s, results, start, kinetrail.MaxPutRecords)
			texts.room(2 * (cap(results) - len(results)))
		}
		results = append(results, types.PutRecordsResultEntry{})
		s.result(&results[len(results)-1], &texts)
	}
	return results
}

func (s *scanner) result(result *types.PutRecordsResultEntry, texts *slab[string]) {
	for more := s.open('{', '}'); more; more = s.more('}') {
		member := resultMember(result, s.name())
		if member == nil {
			s.odd = true
			return
		}
		if text, ok := s.text(); ok {
			*member = texts.keep(text)
		}
	}
}

// resultMember is where the member of this name belongs, nil for one that is not
// known.
func resultMember(result *types.PutRecordsResultEntry, name []byte) **string {
	switch string(name) {
	case "ErrorCode":
		return &result.ErrorCode
	case "ErrorMessage":
		return &result.ErrorMessage
	case "SequenceNumber":
		return &result.SequenceNumber
	case "ShardId":
		return &result.ShardId
	}
	return nil
}
