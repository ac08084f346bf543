package producer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestEveryFailureHasACodeAndAVerdict(t *testing.T) {
	t.Parallel()
	operation := func(err error) error {
		return &smithy.OperationError{ServiceID: "Kinesis", OperationName: "PutRecords", Err: err}
	}
	tests := []struct {
		err     error
		code    string
		verdict verdict
	}{
		{operation(&types.ProvisionedThroughputExceededException{}), "ProvisionedThroughputExceededException", retry},
		{operation(&types.KMSThrottlingException{}), "KMSThrottlingException", retry},
		{operation(&types.InternalFailureException{}), "InternalFailureException", retry},
		{operation(&types.AccessDeniedException{}), "AccessDeniedException", reject},
		{operation(&types.ResourceNotFoundException{}), "ResourceNotFoundException", reject},
		{operation(&types.ValidationException{}), "ValidationException", reject},
		{operation(&types.InvalidArgumentException{}), "InvalidArgumentException", reject},
		{operation(&types.KMSDisabledException{}), "KMSDisabledException", reject},
		{operation(&types.KMSAccessDeniedException{}), "KMSAccessDeniedException", reject},
		{operation(&types.DryRunOperationException{}), "DryRunOperationException", reject},
		{apiError("com.amazonaws.kinesis#ResourceNotFoundException"), "ResourceNotFoundException", reject},
		{apiError("ExpiredTokenException"), "ExpiredTokenException", retry},
		{apiError("RequestTimeTooSkewed"), "RequestTimeTooSkewed", retry},
		{apiError("ServiceUnavailable"), "ServiceUnavailable", retry},
		{apiError("SomethingNew"), "SomethingNew", retry},
		{operation(&smithy.CanceledError{Err: context.DeadlineExceeded}), CodeTimeout, retry},
		{operation(&smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: timeoutError{}}}), CodeTimeout, retry},
		{operation(&smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}), CodeConnection, retry},
		{operation(&smithyhttp.RequestSendError{Err: io.EOF}), CodeConnection, retry},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), CodeConnection, retry},
		{errUncounted, CodeUnknown, retry},
		{errors.New("what is this"), CodeUnknown, retry},
	}
	for _, tt := range tests {
		code := codeOf(tt.err)
		if verdict := verdictOn(code); code != tt.code || verdict != tt.verdict {
			t.Errorf("%v: code %q, verdict %d; want %q, %d", tt.err, code, verdict, tt.code, tt.verdict)
		}
	}
}

func TestIsRetryableFollowsTheCode(t *testing.T) {
	t.Parallel()
	rejected := func(code string) error { return fmt.Errorf("put: %w", &RejectedError{Code: code, Err: io.EOF}) }
	tests := []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, false},
		{ErrClosed, false},
		{ErrBufferFull, true},
		{ErrInvalidRecord, false},
		{rejected("ProvisionedThroughputExceededException"), true},
		{rejected(CodeTimeout), true},
		{rejected(CodeExpired), true},
		{rejected(CodeWrongShard), true},
		{rejected(CodeClosed), false},
		{rejected(CodeAutoDistribution), false},
		{rejected("AccessDeniedException"), false},
	}
	for _, tt := range tests {
		if got := IsRetryable(tt.err); got != tt.want {
			t.Errorf("IsRetryable(%v) = %t, want %t", tt.err, got, tt.want)
		}
	}
}

func TestRejectedErrorTellsWhatHappened(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  RejectedError
		want string
	}{
		{
			RejectedError{ShardID: "shardId-000000000001", Code: "InternalFailure", Attempts: 3, Err: &serviceError{"InternalFailure", "Internal service failure."}},
			"producer: record for shardId-000000000001 rejected at attempt 3: InternalFailure: Internal service failure.",
		},
		{RejectedError{Code: CodeConnection, Attempts: 1, Err: io.EOF}, "producer: record rejected at attempt 1: connection: EOF"},
		{RejectedError{Code: CodeExpired, Err: ErrExpired}, "producer: record rejected unsent: expired: producer: the deadline passed before the record was sent"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}
