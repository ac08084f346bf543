package dynamolease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// handled is the records that workers have handled.
type handled struct {
	mu   sync.Mutex
	data []string
}

// handle takes its time, so that shards are handed over in the middle.
func (s *handled) handle(_ context.Context, r kinetrail.Record) error {
	time.Sleep(20 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()

	s.data = append(s.data, string(r.Data))
	return nil
}

func (s *handled) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	return len(s.data)
}

// different is how many different records were handled.
func (s *handled) different() int {
	s.mu.Lock()
	defer s.mu.Unlock()

	once := make(map[string]bool)
	for _, data := range s.data {
		once[data] = true
	}
	return len(once)
}

// owners counts the leases of each owner.
func owners(t *testing.T, store *Store) map[string]int {
	t.Helper()
	leases, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	for _, l := range leases {
		counts[l.Owner]++
	}
	return counts
}

func TestAFleetInNativeKCL3ModeEndsRunWithTheSentenceOfTheDocs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		db := kcl3(true, nil, item{"cv": text("CLIENT_VERSION_3X")})
		c, err := consumer.New(server.Client(), "orders", New(db, "orders-app"))
		if err != nil {
			t.Fatal(err)
		}
		err = c.Run(t.Context(), new(handled).handle)
		if !errors.Is(err, ErrKCL3) || !strings.Contains(err.Error(), ErrKCL3.Error()) {
			t.Errorf("Run = %v; want it to end with ErrKCL3", err)
		}
		if n := len(db.tables["orders-app"].rows); n != 0 {
			t.Errorf("%d rows in the table; want none written", n)
		}
	})
}

func TestMissingRightsAreErrorsThatNoRepetitionHeals(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"AccessDeniedException": true, "UnrecognizedClientException": true,
		"ProvisionedThroughputExceededException": false, "ExpiredTokenException": false,
	} {
		db := newFake()
		store := New(db, "orders-app")
		if err := store.Create(t.Context(), merged()); err != nil {
			t.Fatal(err)
		}
		leases, err := store.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		db.err = &smithy.GenericAPIError{Code: code}
		for op, call := range map[string]func() error{
			"list":       func() error { _, err := store.List(t.Context()); return err },
			"open":       func() error { _, err := New(db, "orders-app").List(t.Context()); return err },
			"create":     func() error { return store.Create(t.Context(), merged()) },
			"take":       func() error { _, err := store.Take(t.Context(), leases[0], "go-1"); return err },
			"checkpoint": func() error { _, err := store.Checkpoint(t.Context(), leases[0], kinetrail.TrimHorizon()); return err },
			"delete":     func() error { return store.Delete(t.Context(), leases[0]) },
		} {
			if err := call(); err == nil || errors.Is(err, lease.ErrUnusable) != want {
				t.Errorf("%s with %s: %v; want an error that is lease.ErrUnusable: %t", op, code, err, want)
			}
		}
	}
}

// await waits up to within until done.
func await(t *testing.T, within time.Duration, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func TestGoWorkersHandShardsOverWithinARenewalAndASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} })
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		streams, db, got := server.Client(), newFake(), &handled{}
		put := func(from, to int) {
			t.Helper()
			for i := from; i < to; i += 100 {
				in := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
				for n := range 100 {
					text := fmt.Sprintf("%05d", i+n)
					in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte(text), PartitionKey: &text})
				}
				if out, err := streams.PutRecords(t.Context(), in); err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
					t.Fatalf("PutRecords: %v, %+v", err, out)
				}
			}
		}
		start := func() (worker *consumer.Consumer, stop func()) {
			c, err := consumer.New(streams, "orders", New(db, "orders-app"), func(o *consumer.Options) { o.Logger = slog.New(slog.DiscardHandler) })
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- c.Run(t.Context(), got.handle) }()
			return c, func() {
				t.Helper()
				if err := errors.Join(c.Drain(t.Context()), <-ended); err != nil {
					t.Errorf("the worker %s ended with %v; want no error", c.Worker(), err)
				}
			}
		}
		look := New(db, "orders-app")
		put(0, 1000)
		first, stopFirst := start()
		await(t, 10*time.Second, "the first worker has all shards", func() bool { return owners(t, look)[first.Worker()] == 4 })

		second, stopSecond := start()
		await(t, 10*time.Second/3+time.Second, "the second worker has a shard", func() bool { return owners(t, look)[second.Worker()] > 0 })
		await(t, 20*time.Second, "the shards are shared", func() bool { return owners(t, look)[second.Worker()] == 2 })
		await(t, time.Minute, "every record is handled", func() bool { return got.count() >= 1000 })
		if n := got.different(); n != 1000 || got.count() != 1000 {
			t.Errorf("%d records were handled during the hand-overs, %d of them different; want 1000, none twice", got.count(), n)
		}

		// A worker of KCL 2.x takes a shard and is gone; nobody stumbles.
		await(t, time.Second, "the KCL worker takes a shard", func() bool {
			row, _, err := look.read(t.Context(), "shardId-000000000001")
			if err != nil {
				t.Fatal(err)
			}
			return kclWrite(t.Context(), db, "orders-app", row.Key, row.Counter, ", leaseOwner = :java", values{":java": text("java-1")}) == nil
		})
		put(1000, 2000)
		await(t, 10*time.Second, "the KCL worker keeps the shard", func() bool { return owners(t, look)["java-1"] == 1 })
		await(t, time.Minute, "its shard is taken when it does not renew it", func() bool { return owners(t, look)["java-1"] == 0 })
		await(t, time.Minute, "every record is handled", func() bool { return got.count() >= 2000 })
		stopFirst()
		stopSecond()

		if n := got.different(); n != 2000 {
			t.Errorf("%d different records were handled; want 2000", n)
		}
	})
}
