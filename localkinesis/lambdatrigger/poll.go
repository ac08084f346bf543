package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
)

// shard reads one shard and delivers its records.
type shard struct {
	*Trigger
	id       string
	source   source
	next     kinetrail.Position // where to read from when the iterator has expired
	iterator *string
	children []types.ChildShard // known when the shard was read to its end
	backlog  *backlog
}

func (r *run) newShard(id string, position kinetrail.Position) *shard {
	return &shard{
		Trigger: r.Trigger,
		id:      id,
		source:  newSource(r.streamARN, id),
		next:    position,
		backlog: newBacklog(&r.options),
	}
}

// deliverAll delivers the shard to its end. When it returns, nothing is in
// flight.
func (s *shard) deliverAll(ctx context.Context) error {
	var lanes sync.WaitGroup
	for lane := range s.options.ParallelizationFactor {
		lanes.Go(func() { s.work(ctx, lane) })
	}
	err := s.poll(ctx)
	s.backlog.close()
	lanes.Wait()
	if err != nil {
		return fmt.Errorf("lambdatrigger: read shard %s of stream %s: %w", s.id, s.stream, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// poll puts what the shard holds into the backlog, until its end.
func (s *shard) poll(ctx context.Context) error {
	for s.iterator != nil {
		page, err := s.fetch(ctx)
		if err != nil {
			return err
		}
		if err := s.add(page.Records); err != nil {
			return err
		}
		s.iterator, s.children = page.NextShardIterator, page.ChildShards
		if len(page.Records) == 0 && s.iterator != nil {
			err = sleep(ctx, s.options.PollInterval)
		} else {
			err = s.backlog.waitForRoom(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch gets the next page, with a new iterator when the old one has expired.
func (s *shard) fetch(ctx context.Context) (page *kinesis.GetRecordsOutput, err error) {
	_, arn := s.stream.APINames()
	err = s.persist(ctx, "GetRecords", func() error {
		if s.iterator == nil {
			if err := s.seek(ctx); err != nil {
				return err
			}
		}
		page, err = s.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: s.iterator, StreamARN: arn})
		if _, expired := errors.AsType[*types.ExpiredIteratorException](err); expired {
			s.iterator = nil
		}
		return err
	})
	return page, err
}

// seek gets an iterator for the next record to read.
func (s *shard) seek(ctx context.Context) error {
	name, arn := s.stream.APINames()
	input := &kinesis.GetShardIteratorInput{StreamName: name, StreamARN: arn, ShardId: &s.id}
	if at, ok := s.next.Time(); ok {
		input.ShardIteratorType, input.Timestamp = types.ShardIteratorTypeAtTimestamp, &at
	} else if s.next.IsLatest() {
		input.ShardIteratorType = types.ShardIteratorTypeLatest
	} else if s.next.IsRecord() {
		input.ShardIteratorType, input.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(s.next.Sequence())
	} else {
		input.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	}
	out, err := s.client.GetShardIterator(ctx, input)
	if err != nil {
		return err
	}
	s.iterator = out.ShardIterator
	if s.next.IsLatest() {
		s.next = kinetrail.AtTime(s.options.Now()) // should this iterator expire unused
	}
	return nil
}

// add encodes records and puts each into the lane of its key.
func (s *shard) add(records []types.Record) error {
	lanes := make([][]entry, s.options.ParallelizationFactor)
	for i := range records {
		e, err := s.source.encode(&records[i])
		if err != nil {
			return err
		}
		lane := shardmap.HashKeyOf(aws.ToString(records[i].PartitionKey)).Lo % uint64(len(lanes))
		lanes[lane] = append(lanes[lane], e)
		s.next = kinetrail.At(e.sequence, 0)
	}
	s.backlog.add(lanes)
	return nil
}
