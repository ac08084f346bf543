package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"

	"github.com/kinetrail/kinetrail"
)

var (
	// ErrClosed is what Put answers after Close, and what the result of a
	// record says that Close gave up.
	ErrClosed = errors.New("producer: closed")

	// ErrBufferFull is what TryPut answers when the buffer has no room.
	ErrBufferFull = errors.New("producer: the buffer is full")

	// ErrInvalidRecord is wrapped by the answer to a record that the service
	// would refuse: its key, hash key, header or size.
	ErrInvalidRecord = errors.New("producer: invalid record")

	// ErrHeadersNeedContainer is what Put answers to a record with headers
	// when records go into the stream as they are: only a container holds
	// headers. Choose an Aggregation or Carrier: tracecarrier.Headers.
	ErrHeadersNeedContainer = errors.New("producer: a record's headers need a container: choose an Aggregation or the headers carrier")

	// ErrAutoDistribution is wrapped by New and by Put when the stream's
	// RecordDistributionStrategy is AUTO: the service then ignores keys, so
	// neither an order per key nor a grouping by key or shard can be kept.
	ErrAutoDistribution = errors.New("producer: the stream's record distribution strategy is AUTO")

	// ErrExpired is what a RejectedError unwraps to when the record's
	// deadline passed before it was sent.
	ErrExpired = errors.New("producer: the deadline passed before the record was sent")
)

// The codes a RejectedError and an Attempt carry besides the service's own.
const (
	// CodeTimeout is a request that was not answered in time. Its records may
	// be in the stream.
	CodeTimeout = "timeout"

	// CodeConnection is a request that failed on the network. Its records may
	// be in the stream.
	CodeConnection = "connection"

	// CodeUnknown is a failure without a code.
	CodeUnknown = "unknown"

	// CodeExpired is a record whose deadline passed before it was sent.
	CodeExpired = "expired"

	// CodeWrongShard is a container that was put on a shard whose hash keys
	// are not those of all its records, which happens while shards split and
	// merge.
	CodeWrongShard = "wrong_shard"

	// CodeClosed is a record that was under way when Close gave up.
	CodeClosed = "closed"

	// CodeAutoDistribution is a record that waited while the stream was
	// switched to the record distribution strategy AUTO.
	CodeAutoDistribution = "auto_distribution"
)

// RejectedError says why a record was given up. Its last attempt may still have
// reached the stream when Code is CodeTimeout, CodeConnection or CodeClosed.
type RejectedError struct {
	// ShardID is the shard the record was meant for, empty when that is not
	// known.
	ShardID string

	// Code is the service's error code, or one of the Code constants.
	Code string

	// Attempts is how often the record was sent.
	Attempts int

	// Err is the cause.
	Err error
}

// Error tells the shard, the attempts, the code and the cause.
func (e *RejectedError) Error() string {
	var b strings.Builder
	b.WriteString("producer: record")
	if e.ShardID != "" {
		b.WriteString(" for " + e.ShardID)
	}
	if e.Attempts == 0 {
		b.WriteString(" rejected unsent: ")
	} else {
		fmt.Fprintf(&b, " rejected at attempt %d: ", e.Attempts)
	}
	cause := fmt.Sprint(e.Err)
	if !strings.Contains(cause, e.Code) {
		b.WriteString(e.Code + ": ")
	}
	b.WriteString(cause)
	return b.String()
}

// Unwrap returns the cause.
func (e *RejectedError) Unwrap() error { return e.Err }

// ErrorCode returns Code; it is the error.type of the record's span.
func (e *RejectedError) ErrorCode() string { return e.Code }

// UndeliveredError is what Close returns when its context ended before every
// record was delivered. Each of the records also got its Result.
type UndeliveredError struct {
	// Records are the records that were given up, in the order they were
	// put. Those that were in a request may have reached the stream.
	Records []kinetrail.Record

	// Err is why Close gave up.
	Err error
}

// Error tells how many records and why.
func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("close producer: %d records undelivered: %v", len(e.Records), e.Err)
}

// Unwrap returns the cause.
func (e *UndeliveredError) Unwrap() error { return e.Err }

// IsRetryable reports whether putting the same record again can succeed: the
// buffer was full, or the record was given up over something that passes, such
// as throttling. A record that may already be in the stream is then there twice.
func IsRetryable(err error) bool {
	if errors.Is(err, ErrBufferFull) {
		return true
	}
	var rejected *RejectedError
	if !errors.As(err, &rejected) {
		return false
	}
	switch rejected.Code {
	case CodeClosed, CodeAutoDistribution:
		return false
	}
	return verdictOn(rejected.Code) == retry
}

// serviceError is an error code with its message, as an entry of a PutRecords
// response has them.
type serviceError struct{ code, message string }

func (e *serviceError) Error() string {
	if e.message == "" {
		return e.code
	}
	return e.code + ": " + e.message
}

// verdict is what becomes of a Kinesis record that the service did not take.
type verdict uint8

const (
	retry verdict = iota
	reject
)

// rejectedCodes are the failures that do not pass by waiting. Whatever is not
// listed is retried until the record's deadline, so that a code nobody has seen
// yet loses nothing. Source: PutRecords, "Errors"; Kinesis API, "Common errors".
var rejectedCodes = map[string]bool{
	"AccessDeniedException":               true,
	"AccessDenied":                        true,
	"NotAuthorized":                       true,
	"OptInRequired":                       true,
	"UnauthorizedOperation":               true,
	"UnrecognizedClientException":         true,
	"InvalidClientTokenId":                true,
	"MissingAuthenticationToken":          true,
	"MissingAuthenticationTokenException": true,
	"IncompleteSignature":                 true,
	"IncompleteSignatureException":        true,
	"ResourceNotFoundException":           true,
	"ValidationException":                 true,
	"ValidationError":                     true,
	"InvalidArgumentException":            true,
	"InvalidParameterValue":               true,
	"SerializationException":              true,
	"UnknownOperationException":           true,
	"KMSAccessDeniedException":            true,
	"KMSDisabledException":                true,
	"KMSInvalidStateException":            true,
	"KMSNotFoundException":                true,
	"KMSOptInRequired":                    true,
	"DryRunOperationException":            true,
}

// blames reports whether code can be about one record of a request that was
// refused as a whole, such as one larger than the stream's maximum has become.
func blames(code string) bool {
	switch code {
	case "ValidationException", "ValidationError", "InvalidArgumentException", "InvalidParameterValue", "SerializationException":
		return true
	}
	return false
}

func verdictOn(code string) verdict {
	if rejectedCodes[code] {
		return reject
	}
	return retry
}

// throttles reports whether code says that the stream's own write quota was
// exceeded. KMS throttling is another quota's matter.
func throttles(code string) bool {
	switch code {
	case "ProvisionedThroughputExceededException", "LimitExceededException",
		"ThrottlingException", "Throttling", "RequestLimitExceeded":
		return true
	}
	return false
}

// codeOf names the failure of a whole request: the service's code, or timeout,
// connection or unknown.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() != "" {
		return bareCode(api.ErrorCode())
	}
	var network net.Error
	var operation *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return CodeTimeout
	case errors.As(err, &operation), errors.As(err, &network),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return CodeConnection
	}
	return CodeUnknown
}

// bareCode cuts what some errors have around their code:
// com.amazonaws.kinesis#ResourceNotFoundException.
func bareCode(code string) string {
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return code
}
