//go:build unix

package diskstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// traffic is what writers do to a server.
type traffic struct {
	writers  sync.WaitGroup
	underWay atomic.Int64  // requests
	enough   chan struct{} // closed when enough was answered
}

// write starts writers on a server. It is enough when n requests were answered,
// one of them a reshard in a round of resharded.
func (k *killing) write(server *child, random *rand.Rand, n int64) *traffic {
	t := &traffic{enough: make(chan struct{})}
	isEnough := sync.OnceFunc(func() { close(t.enough) })
	var mu sync.Mutex
	acknowledge := func(a ...acknowledgement) {
		mu.Lock()
		defer mu.Unlock()
		k.acknowledged = append(k.acknowledged, a...)
	}
	var answered atomic.Int64
	var reshards atomic.Bool // is yet to be acknowledged
	reshards.Store(k.rounds%5 == resharded)
	for i := range 6 {
		w := &writer{k: k, server: server, index: i, random: rand.New(rand.NewPCG(random.Uint64(), 0)), acknowledge: acknowledge}
		put := w.putRecord
		if i%2 == 0 {
			put = w.putRecords
		}
		if i == 5 {
			put = func() error {
				if w.random.IntN(8) > 0 && !reshards.Load() {
					return w.tag()
				}
				err := w.reshard()
				if err == nil {
					reshards.Store(false)
				}
				return err
			}
		}
		t.writers.Go(func() {
			for {
				t.underWay.Add(1)
				err := put()
				if err != nil {
					return // the server is gone; what was under way was under way
				}
				t.underWay.Add(-1)
				if answered.Add(1) >= n && !reshards.Load() {
					isEnough()
				}
			}
		})
	}
	return t
}

// writer is a client that notes what it is told.
type writer struct {
	k           *killing
	server      *child
	index       int
	random      *rand.Rand
	acknowledge func(...acknowledgement)
}

// next is the data of the next record: its identity, and something behind it.
func (w *writer) next(largest int) (id uint64, data []byte) {
	id = w.k.record.Add(1)
	return id, fmt.Appendf(nil, "%d %s", id, strings.Repeat("x", w.random.IntN(largest)))
}

func (w *writer) key() *string { return aws.String(strconv.Itoa(w.random.IntN(1000))) }

func (w *writer) putRecord() error {
	id, data := w.next(2000)
	out, err := w.server.client.PutRecord(context.Background(), &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: w.key(), Data: data,
	})
	if err == nil {
		w.acknowledge(acknowledgement{*out.ShardId, *out.SequenceNumber, id, w.index})
	}
	return err
}

func (w *writer) putRecords() error {
	in := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
	largest := 200
	if w.random.IntN(20) == 0 {
		largest = 20_000
	}
	var ids []uint64
	for range 1 + w.random.IntN(60) {
		id, data := w.next(largest)
		ids = append(ids, id)
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: w.key(), Data: data})
	}
	out, err := w.server.client.PutRecords(context.Background(), in)
	if err != nil {
		return err
	}
	var told []acknowledgement
	for i, r := range out.Records {
		if r.ErrorCode != nil {
			w.k.t.Errorf("round %d: a record was refused: %s %s", w.k.rounds, *r.ErrorCode, *r.ErrorMessage)
			return errors.New("refused")
		}
		told = append(told, acknowledgement{*r.ShardId, *r.SequenceNumber, ids[i], w.index})
	}
	w.acknowledge(told...)
	return nil
}

// tag sets a tag. Only one writer does, the one that reshards.
func (w *writer) tag() error {
	w.k.tagTried++
	_, err := w.server.client.AddTagsToStream(context.Background(), &kinesis.AddTagsToStreamInput{
		StreamName: aws.String("orders"), Tags: map[string]string{"latest": strconv.Itoa(w.k.tagTried)},
	})
	if err == nil {
		w.k.tag = w.k.tagTried
	}
	return err
}

// reshard changes the number of shards.
func (w *writer) reshard() error {
	w.k.sum.reshards++
	_, err := w.server.client.UpdateShardCount(context.Background(), &kinesis.UpdateShardCountInput{
		StreamName: aws.String("orders"), TargetShardCount: aws.Int32(1 + w.random.Int32N(5)), ScalingType: types.ScalingTypeUniformScaling,
	})
	if err != nil {
		return err
	}
	w.k.sum.resharded++
	list, err := listShards(w.server.client)
	if err == nil {
		w.k.list = list
	}
	return err
}
