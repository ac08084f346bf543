package wire

// scanner walks through a body whose form is expected. Anything else makes it
// fail: every further step then does nothing, and more reports false.
type scanner interface {
	object()                                       // enters the object that comes next
	list()                                         // enters the list that comes next
	more() bool                                    // goes to the next member or element; leaves the object or list when there is none
	name() []byte                                  // of the member
	text(r *room, valid func(string) bool) *string // a text that passes the test
	blob(r *room) []byte
	whole() int64 // a number from 1 to 999,999
	fail()
	end() bool // nothing failed, and nothing follows
}

// maxScanDepth is how deep the requests are nested that are scanned: records
// in a list in the input, and one to spare.
const maxScanDepth = 4

// ReadPutRecord fills an empty input from a body. It reports false, and leaves
// the input in any state, when the body holds something unusual or invalid:
// then Parse, Bind and Validate have to look at it.
func ReadPutRecord(c Codec, body []byte, in *PutRecordInput) bool {
	in.room.want(6, len(body))
	s := c.newScanner(body)
	s.object()
	for s.more() {
		switch string(s.name()) {
		case "Data":
			in.Data = s.blob(&in.room)
		case "PartitionKey":
			in.PartitionKey = s.text(&in.room, isPartitionKey)
		case "ExplicitHashKey":
			in.ExplicitHashKey = s.text(&in.room, isHashKey)
		case "SequenceNumberForOrdering":
			in.SequenceNumberForOrdering = s.text(&in.room, isSequenceNumber)
		case "StreamName":
			in.StreamName = s.text(&in.room, isStreamName)
		case "StreamARN":
			in.StreamARN = s.text(&in.room, isStreamARN)
		default:
			s.fail()
		}
	}
	return s.end() && in.Data != nil && in.PartitionKey != nil
}

// ReadPutRecords is as ReadPutRecord, for PutRecords.
func ReadPutRecords(c Codec, body []byte, in *PutRecordsInput) bool {
	in.room.want(2*maxEntries+2, len(body))
	s := c.newScanner(body)
	s.object()
	for s.more() {
		switch string(s.name()) {
		case "Records":
			in.Records = in.Records[:0]
			s.list()
			for s.more() {
				in.Records = append(in.Records, readEntry(s, &in.room))
				if len(in.Records) > maxEntries {
					s.fail()
				}
			}
		case "StreamName":
			in.StreamName = s.text(&in.room, isStreamName)
		case "StreamARN":
			in.StreamARN = s.text(&in.room, isStreamARN)
		default:
			s.fail()
		}
	}
	return s.end() && len(in.Records) > 0
}

func readEntry(s scanner, r *room) (e PutRecordsRequestEntry) {
	s.object()
	for s.more() {
		switch string(s.name()) {
		case "Data":
			e.Data = s.blob(r)
		case "PartitionKey":
			e.PartitionKey = s.text(r, isPartitionKey)
		case "ExplicitHashKey":
			e.ExplicitHashKey = s.text(r, isHashKey)
		default:
			s.fail()
		}
	}
	if e.Data == nil || e.PartitionKey == nil {
		s.fail()
	}
	return e
}

// ReadGetRecords is as ReadPutRecord, for GetRecords.
func ReadGetRecords(c Codec, body []byte, in *GetRecordsInput) bool {
	in.room.want(2, 0)
	s := c.newScanner(body)
	s.object()
	for s.more() {
		switch string(s.name()) {
		case "ShardIterator":
			in.ShardIterator = s.text(&in.room, isShardIterator)
		case "StreamARN":
			in.StreamARN = s.text(&in.room, isStreamARN)
		case "Limit":
			in.room.number = s.whole()
			in.Limit = &in.room.number
			if in.room.number > maxLimit {
				s.fail()
			}
		default:
			s.fail()
		}
	}
	return s.end() && in.ShardIterator != nil
}

// maxLimit is the most GetRecords can be asked for.
const maxLimit = 10_000
