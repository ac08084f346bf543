package lambdatrigger

import (
	"crypto/rand"
	"fmt"
	"time"
)

// Condition says why records were discarded.
type Condition string

// The conditions.
const (
	// RetryAttemptsExhausted means that the batch has failed after
	// Options.MaximumRetryAttempts retries.
	RetryAttemptsExhausted Condition = "RetryAttemptsExhausted"

	// RecordAgeExceeded means that the records were older than
	// Options.MaximumRecordAge.
	RecordAgeExceeded Condition = "RecordAgeExceeded"
)

// FailureRecord is the document that Lambda sends to the on-failure destination
// of a mapping, by its JSON names (AWS Lambda Developer Guide, "Retain discarded
// batch records for a Kinesis Data Streams event source").
type FailureRecord struct {
	RequestContext struct {
		RequestID              string    `json:"requestId"`
		FunctionARN            string    `json:"functionArn"`
		Condition              Condition `json:"condition"`
		ApproximateInvokeCount int       `json:"approximateInvokeCount"`
	} `json:"requestContext"`

	// ResponseContext is nil when the records never reached the function.
	ResponseContext *ResponseContext `json:"responseContext,omitempty"`

	Version          string    `json:"version"`
	Timestamp        string    `json:"timestamp"`
	KinesisBatchInfo BatchInfo `json:"KinesisBatchInfo"`

	// Payload is the event with the records, as destinations in S3 get it.
	Payload string `json:"payload,omitempty"`
}

// ResponseContext is what the function answered last.
type ResponseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`

	// FunctionError is Unhandled when the invocation failed, and empty when the
	// function has reported failed records.
	FunctionError string `json:"functionError,omitempty"`
}

// BatchInfo says which records were discarded.
type BatchInfo struct {
	ShardID                         string `json:"shardId"`
	StartSequenceNumber             string `json:"startSequenceNumber"`
	EndSequenceNumber               string `json:"endSequenceNumber"`
	ApproximateArrivalOfFirstRecord string `json:"approximateArrivalOfFirstRecord"`
	ApproximateArrivalOfLastRecord  string `json:"approximateArrivalOfLastRecord"`
	BatchSize                       int    `json:"batchSize"`
	StreamARN                       string `json:"streamArn"`
}

// timestampLayout is how the document writes times.
const timestampLayout = "2006-01-02T15:04:05.000Z"

// failureRecord describes the first n records of d.
func (s *shard) failureRecord(d *delivery, n int, condition Condition) FailureRecord {
	first, last := d.batch[0], d.batch[n-1]
	f := FailureRecord{
		Version:   "1.0",
		Timestamp: stamp(s.options.Now()),
		KinesisBatchInfo: BatchInfo{
			ShardID:                         s.id,
			StartSequenceNumber:             first.sequence,
			EndSequenceNumber:               last.sequence,
			ApproximateArrivalOfFirstRecord: stamp(first.arrived),
			ApproximateArrivalOfLastRecord:  stamp(last.arrived),
			BatchSize:                       n,
			StreamARN:                       s.source.streamARN,
		},
		Payload: string(payload(d.batch[:n])),
	}
	f.RequestContext.RequestID = d.last.requestID
	f.RequestContext.FunctionARN = s.source.functionARN(s.options.FunctionName)
	f.RequestContext.Condition = condition
	f.RequestContext.ApproximateInvokeCount = d.invoked
	if d.invoked > 0 {
		f.ResponseContext = &ResponseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if d.last.err != nil {
			f.ResponseContext.FunctionError = "Unhandled"
		}
	}
	return f
}

func stamp(t time.Time) string { return t.UTC().Format(timestampLayout) }

// newRequestID is a random UUID, as request IDs of Lambda are.
func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
