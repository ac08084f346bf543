package consumer_test

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// hangingStore answers no call while hang is set, until its ctx ends.
type hangingStore struct {
	lease.Store

	hang atomic.Bool
}

func (s *hangingStore) wait(ctx context.Context) error {
	if !s.hang.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *hangingStore) List(ctx context.Context) ([]lease.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Store.List(ctx)
}

func (s *hangingStore) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return lease.Lease{}, err
	}
	return s.Store.Renew(ctx, held)
}

func (s *hangingStore) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return lease.Lease{}, err
	}
	return s.Store.Checkpoint(ctx, held, done)
}

func (s *hangingStore) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return lease.Lease{}, err
	}
	return s.Store.Release(ctx, held)
}

// slowAPI is a service whose GetRecords hangs until its ctx ends.
type slowAPI struct {
	*fakeStream

	hangs bool
}

func (a slowAPI) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	if a.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return a.fakeStream.GetRecords(ctx, in, opts...)
}
