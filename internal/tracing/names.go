package tracing

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// The instrumentation scope of all spans.
const (
	ScopeName = "github.com/kinetrail/kinetrail"
	Version   = "0.1.0"
)

// System is the value of messaging.system. The conventions register none for
// Kinesis and allow a custom one; this is the spelling of other instrumentations
// and of the attribute aws.kinesis.stream_name.
const System = "aws.kinesis"

// Operation is the first word of a span's name and the value of
// messaging.operation.name.
type Operation string

// The operations with a span.
const (
	Create           Operation = "create"
	PutRecord        Operation = "put_record"
	PutRecords       Operation = "put_records"
	GetRecords       Operation = "get_records"
	SubscribeToShard Operation = "subscribe_to_shard"
	Process          Operation = "process"
	Checkpoint       Operation = "checkpoint"
)

// operationType is the value of messaging.operation.type for each operation.
func (o Operation) operationType() attribute.KeyValue {
	switch o {
	case Create:
		return semconv.MessagingOperationTypeCreate
	case PutRecord, PutRecords:
		return semconv.MessagingOperationTypeSend
	case GetRecords, SubscribeToShard:
		return semconv.MessagingOperationTypeReceive
	case Process:
		return semconv.MessagingOperationTypeProcess
	default:
		return semconv.MessagingOperationTypeSettle
	}
}

// The attributes, those that the conventions know under their name there.
const (
	SystemKey         = semconv.MessagingSystemKey
	OperationNameKey  = semconv.MessagingOperationNameKey
	OperationTypeKey  = semconv.MessagingOperationTypeKey
	DestinationKey    = semconv.MessagingDestinationNameKey
	ShardKey          = semconv.MessagingDestinationPartitionIDKey
	SequenceNumberKey = semconv.MessagingMessageIDKey
	RecordCountKey    = semconv.MessagingBatchMessageCountKey
	GroupKey          = semconv.MessagingConsumerGroupNameKey
	StreamKey         = semconv.AWSKinesisStreamNameKey
	ErrorTypeKey      = semconv.ErrorTypeKey

	// PartitionKeyKey is the producer's partition key, only when it is asked
	// for. The conventions want what belongs to one system under
	// messaging.{system}.
	PartitionKeyKey = attribute.Key("messaging.aws.kinesis.partition_key")

	// WaitKey is how long a record lay in Kinesis before it was handled, in
	// milliseconds, the precision of its arrival time. The conventions have no
	// name for it.
	WaitKey = attribute.Key("kinetrail.wait_ms")

	// DroppedLinksKey is how many links a span would have had beyond the
	// maximum. The conventions have no name for it.
	DroppedLinksKey = attribute.Key("kinetrail.dropped_links")
)
