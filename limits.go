package kinetrail

import "time"

// The quotas of Kinesis Data Streams that a client has to respect. Sources:
// the API reference of each operation as the AWS SDK for Go carries it
// (service/kinesis v1.56.10, November 2026) and the developer guide's page
// "Quotas and limits".
const (
	// MaxStreamNameLength is the length of a stream name in characters
	// (CreateStream).
	MaxStreamNameLength = 128

	// MaxPartitionKeyLength is the length of a partition key in characters,
	// which kinetrail counts in UTF-16 units: never fewer than the service
	// counts, whichever unit it uses (PutRecord: "Unicode strings, with a
	// maximum length limit of 256 characters").
	MaxPartitionKeyLength = 256

	// DefaultMaxRecordBytes is the size of one record, data and partition key
	// together, on a stream that was not changed (GetRecords: "up to 1 MiB in
	// size by default").
	DefaultMaxRecordBytes = 1 << 20

	// MaxRecordBytes is the largest record size a stream can be set to
	// (UpdateMaxRecordSize, 10240 KiB).
	MaxRecordBytes = 10 << 20

	// MaxPutRecords is the number of records in one PutRecords request.
	MaxPutRecords = 500

	// MaxPutRecordsBytes is the size of one PutRecords request: data and
	// partition keys of all records (PutRecords).
	MaxPutRecordsBytes = 10 << 20

	// MaxGetRecords is the number of records GetRecords can be asked for.
	MaxGetRecords = 10_000

	// MaxGetRecordsBytes is the amount of data one GetRecords call returns at
	// most.
	MaxGetRecordsBytes = 10 << 20

	// GetRecordsPerSecond is how many GetRecords transactions a shard serves
	// in a second, shared by all its polling readers.
	GetRecordsPerSecond = 5

	// ReadBytesPerSecond is what a shard serves to all its polling readers
	// together in a second.
	ReadBytesPerSecond = 2 << 20

	// WriteRecordsPerSecond is how many records a shard takes in a second.
	WriteRecordsPerSecond = 1000

	// WriteBytesPerSecond is how many bytes, data and partition keys, a shard
	// takes in a second.
	WriteBytesPerSecond = 1 << 20

	// IteratorLifetime is how long a shard iterator can be used after it was
	// handed out (GetShardIterator).
	IteratorLifetime = 5 * time.Minute

	// SubscriptionLifetime is how long one SubscribeToShard stream lives
	// before it must be renewed (SubscribeToShard).
	SubscriptionLifetime = 5 * time.Minute

	// SubscriptionTakeover is how old a subscription must be before another
	// SubscribeToShard for the same consumer and shard may take its place
	// (SubscribeToShard).
	SubscriptionTakeover = 5 * time.Second

	// MaxListShards is the number of shards in one page of ListShards.
	MaxListShards = 1000

	// MaxConsumersPerStream is the number of enhanced fan-out consumers of one
	// stream; an on-demand stream of the Advantage tier can have 50
	// (RegisterStreamConsumer).
	MaxConsumersPerStream = 20

	// DefaultRetention and MaxRetention bound how long a record is kept
	// (IncreaseStreamRetentionPeriod: 24 to 8760 hours).
	DefaultRetention = 24 * time.Hour
	MaxRetention     = 8760 * time.Hour
)
