package consumer_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// pagedAPI answers with sequence numbers that lie in a page of pageBytes, as
// those of kinesisprotocol do.
type pagedAPI struct{ *fakeStream }

const pageBytes = 256 << 10

func (a pagedAPI) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	out, err := a.fakeStream.GetRecords(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	for i := range out.Records {
		page := make([]byte, pageBytes)
		n := copy(page, *out.Records[i].SequenceNumber)
		inPage := unsafe.String(&page[0], n)
		out.Records[i].SequenceNumber = &inPage
	}
	return out, nil
}

// Not parallel: it looks at the memory of the process.
func TestAnIdleWorkerKeepsNoneOfThePagesItRead(t *testing.T) {
	const shards, mostBytes = 100, 32 << 10 // of a shard
	for name, perKey := range map[string]int{"in order": 1, "per key": 4} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stream := newFakeStream(shards)
				for i := range shards {
					numbered(stream, i, 3)
				}
				before := heapInUse()
				got := newSeen()
				start(t, pagedAPI{stream}, memlease.New(), func(ctx context.Context, _ kinetrail.Record) error { return got.handle(ctx, kinetrail.Record{}) }, func(o *consumer.Options) { o.PerKey, o.MaxPollInterval = perKey, time.Second })
				got.await(t, 3*shards)
				time.Sleep(10 * time.Second) // until the positions are written
				if kept := (heapInUse() - before) / shards; kept > mostBytes {
					t.Errorf("an idle shard keeps %d bytes; want at most %d, and so nothing of its page of %d", kept, mostBytes, pageBytes)
				}
			})
		})
	}
}

func heapInUse() int {
	var memory runtime.MemStats
	runtime.GC()
	runtime.GC() // what a sync.Pool holds goes with the second
	runtime.ReadMemStats(&memory)
	return int(memory.HeapAlloc)
}

func TestManyIdleShardsAreAskedTwoHundredAndFiftyTimesASecondAndNotAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		shards, perSecond int
		standstill        time.Duration // of the service
	}{{100, 100, 0}, {1000, 250, 0}, {1000, 250, 6 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			stream := newFakeStream(tt.shards)
			c, err := consumer.New(stream, "orders", memlease.New(), quiet) // with the defaults
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- c.Run(t.Context(), nothing) }()
			time.Sleep(10 * time.Second)
			until := time.Now().Add(tt.standstill)
			stream.failWith(func(string, string) error {
				time.Sleep(time.Until(until))
				return nil
			})
			time.Sleep(tt.standstill + 5*time.Second + 50*time.Millisecond) // to the middle between two moments
			const moment, moments = 100 * time.Millisecond, 80
			most, sum := 0, 0
			for range moments {
				before := stream.count("GetRecords")
				time.Sleep(moment)
				n := stream.count("GetRecords") - before
				most, sum = max(most, n), sum+n
			}
			perSecond := float64(sum) / (moments * moment).Seconds()
			if perSecond < 0.95*float64(tt.perSecond) || perSecond > 1.05*float64(tt.perSecond) {
				t.Errorf("%d idle shards, after a standstill of %v, are asked %.0f times a second; want %d", tt.shards, tt.standstill, perSecond, tt.perSecond)
			}
			if average := tt.perSecond * int(moment) / int(time.Second); most > average+2 {
				t.Errorf("%d idle shards, after a standstill of %v: %d calls within %v; want them spread, %d on average", tt.shards, tt.standstill, most, moment, average)
			}
			if err := c.Drain(t.Context()); err != nil || <-ended != nil {
				t.Errorf("Drain = %v; want no error", err)
			}
		})
	}
}
