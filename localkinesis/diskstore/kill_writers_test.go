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

// write starts writers on a server. writing is how many requests are under way.
func (k *killing) write(server *child, random *rand.Rand) (writing *atomic.Int64, writers *sync.WaitGroup) {
	writing, writers = new(atomic.Int64), new(sync.WaitGroup)
	var mu sync.Mutex
	acknowledge := func(a ...acknowledgement) {
		mu.Lock()
		defer mu.Unlock()
		k.acknowledged = append(k.acknowledged, a...)
	}
	for i := range 6 {
		w := &writer{k: k, server: server, index: i, random: rand.New(rand.NewPCG(random.Uint64(), 0)), acknowledge: acknowledge}
		put := w.putRecord
		if i%2 == 0 {
			put = w.putRecords
		}
		if i == 5 {
			put = w.changeStream
		}
		writers.Go(func() {
			for {
				writing.Add(1)
				err := put()
				if err != nil {
					return // the server is gone; what was under way was under way
				}
				writing.Add(-1)
			}
		})
	}
	return writing, writers
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

// changeStream sets a tag, or reshards now and then. It is the only one that
// does.
func (w *writer) changeStream() error {
	if w.random.IntN(8) > 0 {
		w.k.tagTried++
		_, err := w.server.client.AddTagsToStream(context.Background(), &kinesis.AddTagsToStreamInput{
			StreamName: aws.String("orders"), Tags: map[string]string{"latest": strconv.Itoa(w.k.tagTried)},
		})
		if err == nil {
			w.k.tag = w.k.tagTried
		}
		return err
	}
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
