package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// timedAPI notes when GetRecords was called.
type timedAPI struct {
	*fakeStream

	mu    sync.Mutex
	calls []time.Time
}

func (a *timedAPI) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	a.mu.Lock()
	a.calls = append(a.calls, time.Now())
	a.mu.Unlock()
	return a.fakeStream.GetRecords(ctx, in, opts...)
}

// pauses returns the times between the calls since the last pauses.
func (a *timedAPI) pauses() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()

	var pauses []time.Duration
	for i := 1; i < len(a.calls); i++ {
		pauses = append(pauses, a.calls[i].Sub(a.calls[i-1]))
	}
	a.calls = nil
	return pauses
}

func TestAShardIsAskedFiveTimesASecondAndLessWhenItIsIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := &timedAPI{fakeStream: newFakeStream(1)}
		api.limit = 1
		for range 30 {
			api.put(0, "k", []byte("x"))
			time.Sleep(time.Millisecond)
		}
		c, err := consumer.New(api, "orders", memlease.New(), quiet) // with the defaults
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.Run(ctx, nothing)
		}()
		time.Sleep(5 * time.Second)
		for i, pause := range api.pauses() {
			if pause != 200*time.Millisecond {
				t.Errorf("pause %d while there are records is %v; want 200 ms, five calls a second", i, pause)
			}
		}
		time.Sleep(10 * time.Second)
		if pauses := api.pauses(); pauses[len(pauses)-1] != time.Second {
			t.Errorf("pauses when idle %v; want them to grow to 1 s", pauses)
		}
		api.put(0, "k", []byte("x"))
		time.Sleep(1100 * time.Millisecond)
		api.put(0, "k", []byte("x"))
		api.put(0, "k", []byte("x"))
		time.Sleep(time.Second)
		if pauses := api.pauses(); !slices.Contains(pauses, 200*time.Millisecond) {
			t.Errorf("pauses after a record came %v; want them short again", pauses)
		}
		cancel()
		<-done
	})
}

func TestFailedCallsAreRepeatedWithPauses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"throttled", &types.ProvisionedThroughputExceededException{}},
		{"key service throttled", &types.KMSThrottlingException{}},
		{"connection lost", errors.New("connection reset by peer")},
		{"access denied", &types.AccessDeniedException{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream := newFakeStream(1)
				want := numbered(stream, 0, 3)
				var mu sync.Mutex
				failing, failed := true, 0
				stream.failWith(func(op, _ string) error {
					mu.Lock()
					defer mu.Unlock()
					if failing && op != "ListShards" {
						failed++
						return tt.err
					}
					return nil
				})
				got := newSeen()
				worker := start(t, stream, memlease.New(), got.handle)
				time.Sleep(time.Minute)
				mu.Lock()
				if failed < 10 || failed > 35 {
					t.Errorf("%d calls in a minute of failures; want pauses that grow to 5 s", failed)
				}
				failing = false
				mu.Unlock()
				got.await(t, 3)
				worker.drain(t)
				if data := got.data(); !slices.Equal(data, want) {
					t.Errorf("handled %v; want %v", data, want)
				}
			})
		})
	}
}

func TestAnIteratorThatIsRefusedIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		want := numbered(stream, 0, 3)
		got := newSeen()
		worker := start(t, stream, memlease.New(), got.handle)
		got.await(t, 3)
		var refusing atomic.Bool // until there is another iterator
		refusing.Store(true)
		stream.failWith(func(op, _ string) error {
			switch {
			case op == "GetShardIterator":
				refusing.Store(false)
			case op == "GetRecords" && refusing.Load():
				return &types.InvalidArgumentException{Message: aws.String("the iterator is not valid")}
			}
			return nil
		})
		want = append(want, numbered(stream, 0, 3)...)
		got.await(t, 6)
		worker.drain(t)
		if data := got.data(); !slices.Equal(data, want) {
			t.Errorf("handled %v; want %v, each once", data, want)
		}
	})
}

func TestACallThatHangsIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		numbered(stream, 0, 1)
		api := &onceHanging{fakeStream: stream}
		got := newSeen()
		worker := start(t, api, memlease.New(), got.handle, func(o *consumer.Options) { o.RequestTimeout = 7 * time.Second })
		began := time.Now()
		got.await(t, 1)
		if took := time.Since(began); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("the record came after %v; want it soon after the timeout of 7 s", took)
		}
		worker.drain(t)
	})
}

// onceHanging never answers its first GetRecords.
type onceHanging struct {
	*fakeStream

	once sync.Once
}

func (a *onceHanging) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	hang := false
	a.once.Do(func() { hang = true })
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return a.fakeStream.GetRecords(ctx, in, opts...)
}

// checkedAPI looks at every call.
type checkedAPI struct {
	*fakeStream

	check func(ctx context.Context, op string, opts []func(*kinesis.Options))
}

func (a checkedAPI) ListShards(ctx context.Context, in *kinesis.ListShardsInput, opts ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	a.check(ctx, "ListShards", opts)
	return a.fakeStream.ListShards(ctx, in, opts...)
}

func (a checkedAPI) GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput, opts ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	a.check(ctx, "GetShardIterator", opts)
	return a.fakeStream.GetShardIterator(ctx, in, opts...)
}

func (a checkedAPI) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	a.check(ctx, "GetRecords", opts)
	return a.fakeStream.GetRecords(ctx, in, opts...)
}

func (a checkedAPI) DescribeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput, opts ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	a.check(ctx, "DescribeStreamSummary", opts)
	return a.fakeStream.DescribeStreamSummary(ctx, in, opts...)
}

func TestEveryCallIsMarkedAndFetchesAreNotRetriedBelowUs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		numbered(stream, 0, 1)
		var mu sync.Mutex
		seenOps := make(map[string]bool)
		api := checkedAPI{stream, func(ctx context.Context, op string, opts []func(*kinesis.Options)) {
			mu.Lock()
			defer mu.Unlock()
			seenOps[op] = true
			if !tracing.Marked(ctx) {
				t.Errorf("%s is not marked as ours", op)
			}
			o := kinesis.Options{}
			for _, set := range opts {
				set(&o)
			}
			_, off := o.Retryer.(aws.NopRetryer)
			if fetch := op == "GetRecords" || op == "GetShardIterator"; fetch != off {
				t.Errorf("%s: the SDK's retries are off: %t; want %t", op, off, fetch)
			}
		}}
		got := newSeen()
		worker := start(t, api, memlease.New(), got.handle, func(o *consumer.Options) { o.Streams = []string{"payments"} })
		got.await(t, 2)
		worker.drain(t)
		if len(seenOps) != 4 {
			t.Errorf("saw %v; want all four operations", seenOps)
		}
	})
}

func TestFetchedBytesStayWithinTheBuffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const shards, size, limit = 20, 100_000, 1_000_000
		stream := newFakeStream(shards)
		stream.limit = 2
		for shard := range shards {
			for range 10 {
				stream.put(shard, "k", make([]byte, size))
			}
		}
		release := make(chan struct{})
		got := newSeen()
		worker := start(t, stream, memlease.New(), func(ctx context.Context, r kinetrail.Record) error {
			<-release
			return got.handle(ctx, r)
		}, func(o *consumer.Options) { o.MaxBufferedBytes = limit })
		time.Sleep(time.Minute)
		// A call may bring less than was reserved for it, never more than a page.
		if n := stream.count("GetRecords"); n*2*size > limit+2*size {
			t.Errorf("%d pages of %d bytes were fetched while nothing is handled; want no more than %d bytes", n, 2*size, limit)
		}
		close(release)
		got.await(t, shards*10)
		worker.drain(t)
	})
}

func TestReadFollowsReshardsAndStopsAtTheTip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(2)
		want := append(numbered(stream, 0, 3), numbered(stream, 1, 3)...)
		stream.reshard(1, 0, 1)
		want = append(want, numbered(stream, 2, 3)...)
		stream.reshard(2, 2)
		want = append(want, numbered(stream, 3, 2)...)
		want = append(want, numbered(stream, 4, 2)...)
		var got []string
		for r, err := range consumer.Read(t.Context(), stream, "orders", consumer.StopAtTip(), fast, quiet) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.Data))
		}
		for _, generation := range [][2]int{{0, 6}, {6, 9}, {9, 13}} {
			a, b := slices.Clone(got[generation[0]:generation[1]]), slices.Clone(want[generation[0]:generation[1]])
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("read %v; want %v with every generation after its parents", got, want)
			}
		}
	})
}

func TestReadUpToTheTipDoesNotEndBeforeTheShardListCouldBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Retention has removed one parent of a merge. Whether its child may be
		// read is settled by another listing, which fails at first.
		stream := newFakeStream(2)
		want := numbered(stream, 0, 2)
		numbered(stream, 1, 2)
		stream.reshard(1, 0, 1)
		want = append(want, numbered(stream, 2, 2)...)
		stream.forget(shardID(1))
		var mu sync.Mutex
		lists := 0
		stream.failWith(func(op, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == "ListShards" {
				lists++
			}
			if op == "ListShards" && lists == 2 {
				return errors.New("connection reset by peer")
			}
			return nil
		})
		var got []string
		for r, err := range consumer.Read(t.Context(), stream, "orders", consumer.StopAtTip(), fast, quiet) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.Data))
		}
		if !slices.Equal(got, want) {
			t.Errorf("read %v with %d listings; want %v", got, lists, want)
		}
	})
}

func TestReadUpToTheTipListsTheChildrenThatAServerDoesNotName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		want := numbered(stream, 0, 3)
		var got []string
		for r, err := range consumer.Read(t.Context(), stream, "orders", consumer.StopAtTip(), fast, quiet, func(o *consumer.Options) { o.MaxRecords = 1 }) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, string(r.Data)); len(got) == 1 {
				stream.reshard(2, 0)
				stream.shards[0].children = nil
				want = append(want, numbered(stream, 2, 1)...)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("read %v; want %v", got, want)
		}
	})
}

func TestReadFromEachPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		stream.put(0, "k", []byte("one"))
		second := stream.put(0, "k", container("k", "two-a", "two-b", "two-c"))
		time.Sleep(time.Hour)
		moment := time.Now()
		stream.put(0, "k", []byte("three"))
		one := consumer.Shard(shardID(0))
		for _, tt := range []struct {
			name string
			opts []func(*consumer.Options)
			want []string
		}{
			{"the default is the trim horizon", nil, []string{"one", "two-a", "two-b", "two-c", "three"}},
			{"latest", []func(*consumer.Options){consumer.From(kinetrail.Latest())}, nil},
			{"a time", []func(*consumer.Options){consumer.From(kinetrail.AtTime(moment))}, []string{"three"}},
			{"a record, inclusive", []func(*consumer.Options){one, consumer.From(kinetrail.At(second, 0))}, []string{"two-a", "two-b", "two-c", "three"}},
			{"a record in a container, inclusive", []func(*consumer.Options){one, consumer.From(kinetrail.At(second, 1))}, []string{"two-b", "two-c", "three"}},
		} {
			var got []string
			for r, err := range consumer.Read(t.Context(), stream, "orders", append(tt.opts, consumer.StopAtTip(), fast, quiet)...) {
				if err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				got = append(got, string(r.Data))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: read %v; want %v", tt.name, got, tt.want)
			}
		}
	})
}

func TestAReadWhoseIteratorExpiresLeavesNothingOutAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		from func(second string) kinetrail.Position
		want []string
	}{
		{"latest", func(string) kinetrail.Position { return kinetrail.Latest() }, []string{"three", "four"}},
		{"a record in a container", func(second string) kinetrail.Position { return kinetrail.At(second, 1) }, []string{"two-b", "three", "four"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream := newFakeStream(1)
				stream.put(0, "k", []byte("one"))
				second := stream.put(0, "k", container("k", "two-a", "two-b"))
				time.Sleep(time.Hour)
				var mu sync.Mutex
				broken := true
				stream.failWith(func(op, _ string) error {
					mu.Lock()
					defer mu.Unlock()
					if broken && op == "GetRecords" {
						return errors.New("connection reset by peer")
					}
					return nil
				})
				go func() {
					time.Sleep(time.Minute) // without an answer, and with an iterator
					stream.put(0, "k", []byte("three"))
					stream.expireIterators()
					mu.Lock()
					broken = false
					mu.Unlock()
					time.Sleep(time.Minute)
					stream.expireIterators()
					stream.put(0, "k", []byte("four"))
				}()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var got []string
				for r, err := range consumer.Read(ctx, stream, "orders", consumer.Shard(shardID(0)), consumer.From(tt.from(second)), quiet) {
					if err != nil {
						t.Fatalf("after %v: %v", got, err)
					}
					if got = append(got, string(r.Data)); got[len(got)-1] == "four" {
						break
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("read %v; want %v", got, tt.want)
				}
			})
		})
	}
}

func TestReadFromATimeThatLiesAheadWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		stream.put(0, "k", []byte("before"))
		go func() {
			time.Sleep(time.Minute)
			stream.put(0, "k", []byte("later"))
		}()
		for r, err := range consumer.Read(t.Context(), stream, "orders", consumer.From(kinetrail.AtTime(time.Now().Add(time.Second))), quiet) {
			if err != nil || string(r.Data) != "later" {
				t.Errorf("read %s, %v; want the record that comes later", r.Data, err)
			}
			break
		}
	})
}

func TestReadOfOneShardEndsWithTheShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		want := numbered(stream, 0, 3)
		stream.reshard(2, 0)
		numbered(stream, 1, 3)
		var got []string
		for r, err := range consumer.Read(t.Context(), stream, "orders", consumer.Shard(shardID(0)), fast, quiet) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.Data))
		}
		if !slices.Equal(got, want) {
			t.Errorf("read %v; want %v and the end of the loop", got, want)
		}
	})
}

func TestReadWaitsForRecordsAndEndsWhenItsLoopIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(2)
		go func() {
			for i := range 5 {
				time.Sleep(time.Minute)
				numbered(stream, i%2, 1)
			}
		}()
		n := 0
		for _, err := range consumer.Read(t.Context(), stream, "orders", consumer.From(kinetrail.Latest()), quiet) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 5 {
				break
			}
		}
		if n != 5 {
			t.Errorf("read %d records; want 5", n)
		}
	})
}

func TestReadRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, stream string
		opts         []func(*consumer.Options)
		want         string
	}{
		{"a bad stream name", "no such name!", nil, "no such name!"},
		{"a record without its shard", "orders", []func(*consumer.Options){consumer.From(kinetrail.At("1", 0))}, "Options.Shards"},
		{"an end as a beginning", "orders", []func(*consumer.Options){consumer.From(kinetrail.ShardEnd())}, "SHARD_END"},
		{"several streams", "orders", []func(*consumer.Options){func(o *consumer.Options) { o.Streams = []string{"payments"} }}, "Options.Streams"},
		{"a shard that is not there", "orders", []func(*consumer.Options){consumer.Shard("shardId-000000000099")}, "shardId-000000000099"},
	} {
		var errs []error
		for _, err := range consumer.Read(t.Context(), newFakeStream(1), tt.stream, append(tt.opts, quiet)...) {
			errs = append(errs, err)
		}
		if len(errs) != 1 || errs[0] == nil || !strings.Contains(errs[0].Error(), tt.want) {
			t.Errorf("%s: %v; want one error that mentions %q", tt.name, errs, tt.want)
		}
	}
}

func TestAManyShardReadKeepsTheOrderOfEveryShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const shards, each = 50, 40
		stream := newFakeStream(shards)
		stream.limit = 7
		for i := range each {
			for shard := range shards {
				stream.put(shard, "k", []byte(fmt.Sprint(i)))
			}
		}
		next := make(map[string]int)
		for r, err := range consumer.Read(t.Context(), stream, "orders", consumer.StopAtTip(), fast, quiet) {
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint(next[r.ShardID]); string(r.Data) != want {
				t.Fatalf("shard %s gave %s; want %s", r.ShardID, r.Data, want)
			}
			next[r.ShardID]++
		}
		for shard := range shards {
			if n := next[shardID(shard)]; n != each {
				t.Errorf("shard %d gave %d records; want %d", shard, n, each)
			}
		}
	})
}
