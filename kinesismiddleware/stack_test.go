package kinesismiddleware_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
)

// initializer is the Initialize step of a client, and nothing behind it but
// serve.
func initializer(t testing.TB, serve middleware.HandlerFunc, opts ...option) func(ctx context.Context, input any) (any, error) {
	t.Helper()
	var apiOptions []func(*middleware.Stack) error
	if _, err := kinesismiddleware.AppendMiddlewares(&apiOptions, opts...); err != nil {
		t.Fatal(err)
	}
	stack := middleware.NewStack("test", smithyhttp.NewStackRequest)
	for _, install := range apiOptions {
		if err := install(stack); err != nil {
			t.Fatal(err)
		}
	}
	return func(ctx context.Context, input any) (any, error) {
		out, _, err := stack.Initialize.HandleMiddleware(ctx, input, serve)
		return out, err
	}
}

// Changing the reader of a subscription races with the SDK.
func TestASubscriptionPassesUntouched(t *testing.T) {
	t.Parallel()
	input, output := new(kinesis.SubscribeToShardInput), new(kinesis.SubscribeToShardOutput)
	call := initializer(t, func(_ context.Context, got any) (any, middleware.Metadata, error) {
		if got != input {
			t.Errorf("the input is %v, want the caller's", got)
		}
		return output, middleware.Metadata{}, nil
	})
	if got, err := call(t.Context(), input); got != output || err != nil {
		t.Errorf("the call returned %v, %v; want the service's output", got, err)
	}
}
