package wire

import "regexp"

// Shape is what the service asks of a member's value.
type Shape struct {
	minLength, maxLength int64 // of a text in characters, a blob in bytes, a list or map in members; maxLength 0: any
	minValue, maxValue   int64 // of a number; maxValue 0: any
	numeric              bool
	pattern              string
	enum                 []string
	member               *Shape // lengths of a list's texts
	elements             *Shape // values of a list's texts
	key, value           *Shape // lengths of a map's texts

	whole *regexp.Regexp // pattern over the whole text
}

// shapes are the constraints of the service's model (2013-12-02), by the names
// of its shapes.
var shapes = compile(map[string]*Shape{
	"StreamName":        text(1, 128, `[a-zA-Z0-9_.-]+`),
	"StreamARN":         text(1, 2048, `arn:aws.*:kinesis:.*:\d{12}:stream/\S+`),
	"StreamId":          text(1, 24, `[a-z0-9]{20}-[a-z0-9]{3}`),
	"ShardId":           text(1, 128, `[a-zA-Z0-9_.-]+`),
	"ShardIterator":     text(1, 512, ""),
	"SequenceNumber":    text(0, 0, `0|([1-9]\d{0,128})`),
	"HashKey":           text(0, 0, `0|([1-9]\d{0,38})`),
	"PartitionKey":      text(1, 256, ""),
	"Data":              {maxLength: 10 << 20},
	"NextToken":         text(1, 1<<20, ""),
	"ConsumerName":      text(1, 128, `[a-zA-Z0-9_.-]+`),
	"ConsumerARN":       text(1, 2048, `^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`),
	"ResourceARN":       text(1, 2048, `arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+`),
	"KeyId":             text(1, 2048, ""),
	"TagKey":            tagKey,
	"TagMap":            {minLength: 1, maxLength: 200, key: tagKey, value: tagValue},
	"TagKeyList":        {minLength: 1, maxLength: 50, member: tagKey},
	"PositiveInteger":   number(1, 0),
	"NaturalInteger":    number(0, 0),
	"Limit":             number(1, 10000),
	"TagLimit":          number(1, 50),
	"RecordList":        {minLength: 1, maxLength: 500},
	"MetricsNameList":   {minLength: 1, maxLength: 7, elements: oneOf("IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords", "WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "IteratorAgeMilliseconds", "ALL")},
	"MaxRecordSize":     number(1024, 10240),
	"ShardIteratorType": oneOf("AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"),
	"ShardFilterType":   oneOf("AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"),
	"EncryptionType":    oneOf("KMS", "NONE"),
	"ScalingType":       oneOf("UNIFORM_SCALING"),
	"StreamMode":        oneOf("PROVISIONED", "ON_DEMAND"),
	"Distribution":      oneOf("AUTO", "USER_PARTITION_KEY"),

	"ResourceName":       text(1, 128, `[a-zA-Z0-9_.-]+`),
	"ARN":                text(1, 2048, `arn:aws.*:.*`),
	"Policy":             {},
	"BillingStatus":      oneOf("ENABLED", "DISABLED"),
	"ChannelEncryption":  oneOf("KMS"),
	"RecordFormat":       oneOf("GSR_JSON", "JSON", "STRING", "BYTE_ARRAY"),
	"S3Compression":      oneOf("NONE", "GZIP", "ZSTD"),
	"S3StorageClass":     oneOf("STANDARD", "INTELLIGENT_TIERING", "GLACIER_IR"),
	"TableCompression":   oneOf("NONE", "ZSTD", "SNAPPY"),
	"PartitionTransform": oneOf("TIME_HOUR"),
	"OneElement":         {minLength: 1, maxLength: 1},
	"SomeElements":       {minLength: 1, maxLength: 100},
	"Text":               text(1, 2048, ""),

	// Required members of which nothing more is asked.
	"Structure": {},
	"Integer":   {numeric: true, minValue: -1 << 63},
})

var (
	tagKey   = text(1, 128, "")
	tagValue = text(0, 256, "")
)

func text(minLength, maxLength int64, pattern string) *Shape {
	return &Shape{minLength: minLength, maxLength: maxLength, pattern: pattern}
}

func number(minValue, maxValue int64) *Shape {
	return &Shape{numeric: true, minValue: minValue, maxValue: maxValue}
}

func oneOf(values ...string) *Shape { return &Shape{enum: values} }

func compile(shapes map[string]*Shape) map[string]*Shape {
	for _, s := range shapes {
		if s.pattern != "" {
			s.whole = regexp.MustCompile(`^(?:` + s.pattern + `)$`)
		}
	}
	return shapes
}
