package producer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

// creatingService is a stream that does not exist yet.
type creatingService struct {
	*fakeService
	created *kinesis.CreateStreamInput
	active  time.Time
	failure error
}

func newCreatingService() *creatingService {
	s := &creatingService{fakeService: newFakeService(1)}
	s.onDescribe = func() error {
		switch {
		case s.created == nil:
			return &types.ResourceNotFoundException{}
		case time.Now().Before(s.active):
			s.summary.StreamStatus = types.StreamStatusCreating
		default:
			s.summary.StreamStatus = types.StreamStatusActive
		}
		return nil
	}
	return s
}

func (s *creatingService) CreateStream(_ context.Context, in *kinesis.CreateStreamInput, _ ...func(*kinesis.Options)) (*kinesis.CreateStreamOutput, error) {
	if s.failure != nil {
		return nil, s.failure
	}
	s.created, s.active = in, time.Now().Add(20*time.Second)
	return &kinesis.CreateStreamOutput{}, nil
}

func TestNewCreatesTheStreamAndWaitsForIt(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			service := newCreatingService()
			started := time.Now()
			p := start(t, service, func(o *Options) { o.Create = &CreateStream{Shards: shards} })
			if waited := time.Since(started); waited < 20*time.Second || waited > 21*time.Second {
				t.Errorf("New returned after %v, want the 20s until the stream is active", waited)
			}
			onDemand := service.created.StreamModeDetails != nil && service.created.StreamModeDetails.StreamMode == types.StreamModeOnDemand
			if *service.created.StreamName != "orders" || int(aws.ToInt32(service.created.ShardCount)) != shards || onDemand != (shards == 0) {
				t.Errorf("the stream was created with %+v", service.created)
			}
			if _, err := p.Put(t.Context(), record("a", "b")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewTakesAStreamThatExistsAlready(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newCreatingService()
		service.created = &kinesis.CreateStreamInput{}
		service.failure = &types.ResourceInUseException{}
		start(t, service, func(o *Options) { o.Create = &CreateStream{Shards: 1} })
	})
}

func TestNewTellsWhyItCannotStart(t *testing.T) {
	t.Parallel()
	status := func(status types.StreamStatus) *fakeService {
		f := newFakeService(1)
		f.summary.StreamStatus = status
		return f
	}
	tests := []struct {
		name    string
		service API
		stream  string
		options func(*Options)
		ok      bool
		says    string
	}{
		{name: "a stream that is being updated", service: status(types.StreamStatusUpdating), ok: true},
		{name: "a stream by its ARN", service: newFakeService(1), stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/orders", ok: true},
		{name: "a stream that is being deleted", service: status(types.StreamStatusDeleting), says: "stream orders is DELETING"},
		{name: "a stream that stays CREATING", service: status(types.StreamStatusCreating), says: "wait until stream orders is active"},
		{name: "a stream that does not exist", service: newCreatingService(), says: "describe stream orders"},
		{name: "a name that is none", service: newFakeService(1), stream: "no spaces", says: "no spaces"},
		{
			name: "a client that cannot create", service: newFakeService(1),
			options: func(o *Options) { o.Create = &CreateStream{} }, says: "has no CreateStream",
		},
		{
			name: "an ARN cannot be created", service: newCreatingService(), stream: "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
			options: func(o *Options) { o.Create = &CreateStream{} }, says: "ARN",
		},
		{
			name: "creating fails", service: &creatingService{fakeService: newFakeService(1), failure: &types.LimitExceededException{}},
			options: func(o *Options) { o.Create = &CreateStream{} }, says: "create stream orders",
		},
		{
			name: "the shard list fails", service: func() API {
				f := newFakeService(1)
				f.onList = func() error { return errors.New("the line is cut") }
				return f
			}(), says: "list shards of orders: the line is cut",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream := tt.stream
				if stream == "" {
					stream = "orders"
				}
				p, err := New(tt.service, stream, quiet, func(o *Options) {
					if tt.options != nil {
						tt.options(o)
					}
				})
				if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("New: %v; want success: %t, or an error saying %q", err, tt.ok, tt.says)
				}
				if p != nil {
					if err := p.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func TestNewReturnsEveryMistakeInTheOptions(t *testing.T) {
	t.Parallel()
	service := newFakeService(1)
	_, err := New(service, "orders", func(o *Options) {
		o.Aggregation, o.Order = 9, 8
		o.Carrier = "pigeon"
		o.Linger, o.RequestTimeout, o.Deadline, o.RefreshInterval = -1, -2, -3, -4
		o.MaxBufferedBytes, o.MaxBufferedRecords = 0, -1
		o.MaxRecordBytes, o.MaxContainerBytes = 11<<20, 10
		o.MaxRequestRecords, o.MaxRequestBytes = 501, 0
		o.Concurrency, o.MaxAttempts, o.ShardShare = 0, -1, -0.5
		o.Create = &CreateStream{Shards: -1}
	})
	if err == nil {
		t.Fatal("New accepted everything")
	}
	for _, want := range []string{
		"Aggregation is Aggregation(9)", "Order is Order(8)", `Carrier is "pigeon"`,
		"Linger is -1ns", "RequestTimeout is -2ns", "Deadline is -3ns", "RefreshInterval is -4ns",
		"MaxBufferedBytes is 0", "MaxBufferedRecords is -1", "MaxRecordBytes is 11534336", "MaxContainerBytes is 10",
		"MaxRequestRecords is 501", "MaxRequestBytes is 0", "Concurrency is 0", "MaxAttempts is -1", "ShardShare is -0.5", "Create.Shards is -1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if service.lists != 0 {
		t.Error("the service was called with wrong options")
	}
}

func TestNewRefusesCombinationsThatCannotWork(t *testing.T) {
	t.Parallel()
	tests := []struct {
		options func(*Options)
		says    string
	}{
		{func(o *Options) { o.Carrier = tracecarrier.PartitionKey }, "needs Order BestEffort"},
		{func(o *Options) { o.Carrier, o.Aggregation = tracecarrier.Lossless, ByShard }, `Carrier is "lossless" with Aggregation ByShard`},
		{func(o *Options) { o.Carrier, o.Aggregation = tracecarrier.Traceparent, SameKey }, `use "headers"`},
		{func(o *Options) { o.Linger, o.Deadline = time.Minute, time.Second }, "Linger is 1m0s, want less than Deadline, 1s"},
		{func(o *Options) { o.MaxRecordBytes, o.MaxRequestBytes = 2<<20, 1<<20 }, "MaxRequestBytes is 1048576"},
	}
	for _, tt := range tests {
		_, err := New(newFakeService(1), "orders", quiet, tt.options)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("New: %v, want an error saying %q", err, tt.says)
		}
	}
}
