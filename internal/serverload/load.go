package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// What is put and read.
const (
	stream      = "load"
	payload     = 100    // bytes of data in a record
	batch       = 500    // records in a PutRecords
	pageRecords = 10_000 // in a GetRecords
	keys        = 1 << 16
)

// newClient is what a program gets that sets nothing but the endpoint. It does
// not retry, so that what fails is counted.
func newClient(url string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("load", "load", ""),
		BaseEndpoint:     aws.String(url),
		RetryMaxAttempts: 1,
	})
}

func firstAnswer(ctx context.Context, url string) error {
	_, err := newClient(url).ListStreams(ctx, &kinesis.ListStreamsInput{})
	return err
}

func key(n int) *string { return aws.String(fmt.Sprintf("key-%05d", n%keys)) }

// load is a workload on one server.
type load struct {
	ctx     context.Context
	until   time.Time // no call begins later; the first one of each client always does
	client  *kinesis.Client
	clients int

	calls, records, failed atomic.Int64
}

// each runs f in as many goroutines as there are clients, until the time is
// over or f reports that nothing is left.
func (l *load) each(f func(worker, n int) (records int, more bool, err error)) {
	var wg sync.WaitGroup
	for worker := range l.clients {
		wg.Go(func() {
			for n, more := 0, true; more && l.ctx.Err() == nil && (n == 0 || time.Now().Before(l.until)); n++ {
				var records int
				var err error
				records, more, err = f(worker, n)
				switch {
				case err == nil:
					l.calls.Add(1)
					l.records.Add(int64(records))
				case l.ctx.Err() == nil:
					l.failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
}

func (l *load) putRecord() {
	data := make([]byte, payload)
	l.each(func(worker, n int) (int, bool, error) {
		_, err := l.client.PutRecord(l.ctx, &kinesis.PutRecordInput{
			StreamName: aws.String(stream), PartitionKey: key(n*l.clients + worker), Data: data,
		})
		return 1, true, err
	})
}

func (l *load) putRecords() {
	data := make([]byte, payload)
	inputs := make([]*kinesis.PutRecordsInput, 64)
	for i := range inputs {
		inputs[i] = &kinesis.PutRecordsInput{StreamName: aws.String(stream)}
		for n := range batch {
			inputs[i].Records = append(inputs[i].Records, types.PutRecordsRequestEntry{PartitionKey: key(i*batch + n), Data: data})
		}
	}
	l.each(func(worker, n int) (int, bool, error) {
		_, err := l.client.PutRecords(l.ctx, inputs[(n*l.clients+worker)%len(inputs)])
		return batch, true, err
	})
}

// getRecords reads every shard from its beginning to the tip.
func (l *load) getRecords() {
	l.clients = shards
	iterators := make([]*string, shards)
	l.each(func(worker, _ int) (int, bool, error) {
		if iterators[worker] == nil {
			out, err := l.client.GetShardIterator(l.ctx, &kinesis.GetShardIteratorInput{
				StreamName: aws.String(stream), ShardId: aws.String(fmt.Sprintf("shardId-%012d", worker)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
			})
			if err != nil {
				return 0, true, err
			}
			iterators[worker] = out.ShardIterator
		}
		out, err := l.client.GetRecords(l.ctx, &kinesis.GetRecordsInput{ShardIterator: iterators[worker], Limit: aws.Int32(pageRecords)})
		if err != nil {
			return 0, true, err
		}
		iterators[worker] = out.NextShardIterator
		return len(out.Records), *out.MillisBehindLatest > 0, nil
	})
}

// workload is one of the things a server is loaded with.
type workload struct {
	name string
	run  func(*load)
}

var workloads = []workload{
	{"`PutRecord` of 100 B", (*load).putRecord},
	{"`PutRecords` of 500 × 100 B", (*load).putRecords},
	{"`GetRecords`, pages of 10,000", (*load).getRecords},
}

// result is what one workload on one server came to.
type result struct {
	calls, records, failed  int64
	took                    time.Duration
	serverCPU, clientCPU    time.Duration
	memoryBefore, memoryNow int64
}

func (r result) recordsPerSecond() float64 { return float64(r.records) / r.took.Seconds() }

// cpuPerRecord is the time server and client take together, in microseconds:
// what bounds the rate when they have all cores to themselves.
func (r result) cpuPerRecord() float64 {
	return float64((r.serverCPU + r.clientCPU).Nanoseconds()) / 1e3 / float64(r.records)
}
