package wire

import (
	"slices"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// PutRecordInput is the input of PutRecord. After ReadPutRecord its texts and
// data are valid as long as the body it was read from and the input.
type PutRecordInput struct {
	StreamName                *string `shape:"StreamName"`
	Data                      []byte  `shape:"Data,required"`
	PartitionKey              *string `shape:"PartitionKey,required"`
	ExplicitHashKey           *string `shape:"HashKey"`
	SequenceNumberForOrdering *string `shape:"SequenceNumber"`
	StreamARN                 *string `shape:"StreamARN"`
	StreamId                  *string `shape:"StreamId"`
	DryRun                    *bool

	room room
}

// PutRecordsInput is the input of PutRecords. After ReadPutRecords its texts
// and data are valid as long as the body it was read from and the input.
type PutRecordsInput struct {
	Records    []PutRecordsRequestEntry `shape:"RecordList,required"`
	StreamName *string                  `shape:"StreamName"`
	StreamARN  *string                  `shape:"StreamARN"`
	StreamId   *string                  `shape:"StreamId"`
	DryRun     *bool

	room room
}

// PutRecordsRequestEntry is one record of a PutRecordsInput.
type PutRecordsRequestEntry struct {
	Data            []byte  `shape:"Data,required"`
	ExplicitHashKey *string `shape:"HashKey"`
	PartitionKey    *string `shape:"PartitionKey,required"`
}

// GetRecordsInput is the input of GetRecords.
type GetRecordsInput struct {
	ShardIterator *string `shape:"ShardIterator,required"`
	Limit         *int64  `shape:"Limit"`
	StreamARN     *string `shape:"StreamARN"`
	StreamId      *string `shape:"StreamId"`
	DryRun        *bool

	room room
}

// Reset empties the input and keeps its memory for the next body.
func (in *PutRecordInput) Reset() { *in = PutRecordInput{room: in.room.reset()} }

// Reset empties the input and keeps its memory for the next body.
func (in *PutRecordsInput) Reset() {
	clear(in.Records)
	*in = PutRecordsInput{Records: in.Records[:0], room: in.room.reset()}
}

// room is memory of an input that the next one uses again.
type room struct {
	texts  []string
	number int64
	blobs  []byte
}

func (r *room) reset() room {
	clear(r.texts)
	return room{texts: r.texts[:0], blobs: r.blobs[:0]}
}

// keep returns a pointer to a text, nil when there is no room left: growing
// would move the texts that were kept before.
func (r *room) keep(text string) *string {
	if len(r.texts) == cap(r.texts) {
		return nil
	}
	r.texts = append(r.texts, text)
	return &r.texts[len(r.texts)-1]
}

// want makes room for this many texts and bytes of data.
func (r *room) want(texts, bytes int) {
	r.texts = slices.Grow(r.texts, texts)
	r.blobs = slices.Grow(r.blobs, bytes)
}

// maxEntries is the number of records a request may have. Readers leave longer
// ones to Validate.
const maxEntries = 500

// recordOutput is an output with a writer of its own.
type recordOutput interface{ write(w writer) }

// kms is the EncryptionType of records and answers of an encrypted stream.
const kms = "KMS"

// PutRecordOutput is the output of PutRecord.
type PutRecordOutput struct {
	ShardID   string
	Number    sequence.Number
	Encrypted bool
}

func (o *PutRecordOutput) write(w writer) {
	w.beginStruct()
	w.key("ShardId")
	w.text(o.ShardID)
	w.key("SequenceNumber")
	w.sequenceNumber(o.Number)
	writeEncryption(w, o.Encrypted)
	w.endStruct()
}

// PutRecordsOutput is the output of PutRecords.
type PutRecordsOutput struct {
	FailedRecordCount int
	Records           []PutResult
	Encrypted         bool
}

// PutResult is what became of one record: it lies on a shard, or ErrorCode
// says why it does not.
type PutResult struct {
	ShardID      string
	Number       sequence.Number
	ErrorCode    string
	ErrorMessage string
}

func (o *PutRecordsOutput) write(w writer) {
	w.beginStruct()
	w.key("FailedRecordCount")
	w.number(int64(o.FailedRecordCount))
	w.key("Records")
	w.beginList()
	for i := range o.Records {
		r := &o.Records[i]
		w.element()
		w.beginStruct()
		if r.ErrorCode != "" {
			w.key("ErrorCode")
			w.text(r.ErrorCode)
			w.key("ErrorMessage")
			w.text(r.ErrorMessage)
		} else {
			w.key("SequenceNumber")
			w.sequenceNumber(r.Number)
			w.key("ShardId")
			w.text(r.ShardID)
		}
		w.endStruct()
	}
	w.endList()
	writeEncryption(w, o.Encrypted)
	w.endStruct()
}

// Record is one record of an answer.
type Record struct {
	Number        sequence.Number
	ArrivedMillis int64
	PartitionKey  []byte // empty when the producer gave none
	Data          []byte
	Encrypted     bool
}

// ChildShard is a shard that came out of a closed one.
type ChildShard struct {
	ShardId      string
	ParentShards []string
	HashKeyRange HashKeyRange
}

// HashKeyRange is the range of a shard.
type HashKeyRange struct {
	StartingHashKey string
	EndingHashKey   string
}

// GetRecordsOutput is the output of GetRecords.
type GetRecordsOutput struct {
	Count              int
	Record             func(i int) Record // the i-th of Count
	NextShardIterator  string             // empty: null, the shard is at its end
	MillisBehindLatest int64
	ChildShards        []ChildShard
	Release            func() // called once the output is written: Record is not used any more
}

func (o *GetRecordsOutput) write(w writer) {
	w.beginStruct()
	w.key("Records")
	writeRecords(w, o.Count, o.Record)
	w.key("NextShardIterator")
	if o.NextShardIterator == "" {
		w.null()
	} else {
		w.text(o.NextShardIterator)
	}
	w.key("MillisBehindLatest")
	w.number(o.MillisBehindLatest)
	writeChildren(w, o.ChildShards)
	w.endStruct()
	if o.Release != nil {
		o.Release()
	}
}

func writeRecords(w writer, count int, record func(int) Record) {
	w.beginList()
	for i := range count {
		r := record(i)
		w.element()
		w.beginStruct()
		w.key("SequenceNumber")
		w.sequenceNumber(r.Number)
		w.key("ApproximateArrivalTimestamp")
		w.millis(r.ArrivedMillis)
		w.key("Data")
		w.blob(r.Data)
		if len(r.PartitionKey) > 0 {
			w.key("PartitionKey")
			w.textBytes(r.PartitionKey)
		}
		writeEncryption(w, r.Encrypted)
		w.endStruct()
	}
	w.endList()
}

func writeEncryption(w writer, encrypted bool) {
	if encrypted {
		w.key("EncryptionType")
		w.text(kms)
	}
}

func writeChildren(w writer, children []ChildShard) {
	if len(children) == 0 {
		return
	}
	w.key("ChildShards")
	w.beginList()
	for _, c := range children {
		w.element()
		w.beginStruct()
		w.key("ShardId")
		w.text(c.ShardId)
		w.key("ParentShards")
		w.beginList()
		for _, p := range c.ParentShards {
			w.element()
			w.text(p)
		}
		w.endList()
		w.key("HashKeyRange")
		w.beginStruct()
		w.key("StartingHashKey")
		w.text(c.HashKeyRange.StartingHashKey)
		w.key("EndingHashKey")
		w.text(c.HashKeyRange.EndingHashKey)
		w.endStruct()
		w.endStruct()
	}
	w.endList()
}
