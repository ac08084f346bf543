package redislease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/redislease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// Time is virtual, and stands still while the server answers.
func TestAShardIsHandedOverWithinTwoSecondsAndNothingIsHandledTwice(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	synctest.Test(t, func(t *testing.T) {
		local, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} })
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		store, streams := redislease.New(dial(t, server), "orders-app"), local.Client()

		var mu sync.Mutex
		handled := make(map[string]int)
		start := func() (*consumer.Consumer, func()) {
			c, err := consumer.New(streams, "orders", store, func(o *consumer.Options) { o.Logger = slog.New(slog.DiscardHandler) })
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				ended <- c.Run(t.Context(), func(ctx context.Context, r kinetrail.Record) error {
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					handled[string(r.Data)]++
					return ctx.Err()
				})
			}()
			return c, func() {
				t.Helper()
				if err := errors.Join(c.Drain(t.Context()), <-ended); err != nil {
					t.Errorf("a worker ended with %v; want no error", err)
				}
			}
		}
		const records = 4000
		for i := range records {
			text := fmt.Sprintf("%05d", i)
			if _, err := streams.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte(text), PartitionKey: &text}); err != nil {
				t.Fatal(err)
			}
		}
		first, stopFirst := start()
		<-first.Ready()
		time.Sleep(2 * time.Second)
		began := time.Now()
		second, stopSecond := start()
		for held := 0; held == 0; time.Sleep(20 * time.Millisecond) {
			leases, err := store.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range leases {
				if l.Owner == second.Worker() {
					held++
				}
			}
			if time.Since(began) > 2*time.Second {
				t.Fatalf("the second worker has no shard after %v; want one within 2 s", time.Since(began))
			}
		}
		t.Logf("handed over after %v", time.Since(began))
		time.Sleep(time.Minute)
		stopFirst()
		stopSecond()
		once := 0
		for _, times := range handled {
			if times == 1 {
				once++
			}
		}
		if once != records {
			t.Errorf("%d of %d records were handled once; want all, none twice", once, records)
		}
	})
}

// A second worker joins while records flow and takes shards over, gracefully:
// every record is handled exactly once.
func TestWorkersShareAGroupAndHandleNothingTwice(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	synctest.Test(t, func(t *testing.T) {
		local, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} })
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		client, streams := dial(t, server), local.Client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		var (
			mu   sync.Mutex
			data []string // in the order it was handled
		)
		handled := make(chan string, 1<<16) // the workers that handled the records
		start := func(name string) (stop func()) {
			t.Helper()
			c, err := consumer.New(streams, "orders", redislease.New(client, "orders-app"), func(o *consumer.Options) {
				o.PollInterval, o.MaxPollInterval, o.Logger = 0, 20*time.Millisecond, slog.New(slog.DiscardHandler)
			})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				ended <- c.Run(ctx, func(_ context.Context, r kinetrail.Record) error {
					mu.Lock()
					data = append(data, string(r.Data))
					mu.Unlock()
					handled <- name
					return nil
				})
			}()
			<-c.Ready()
			return func() {
				t.Helper()
				if err := errors.Join(c.Drain(ctx), <-ended); err != nil {
					t.Errorf("the %s worker ended with %v; want no error", name, err)
				}
			}
		}
		sent := 0
		put := func() {
			t.Helper()
			text := fmt.Sprintf("%05d", sent)
			in := &kinesis.PutRecordInput{StreamName: aws.String("orders"), Data: []byte(text), PartitionKey: &text}
			if _, err := streams.PutRecord(ctx, in); err != nil {
				t.Fatal(err)
			}
			sent++
		}

		stopFirst := start("first")
		stopSecond := start("second")
		received := 0
		for joined := false; !joined; received++ { // one record after the other
			put()
			select {
			case name := <-handled:
				joined = name == "second"
			case <-ctx.Done():
				t.Fatalf("record %d was not handled: %v", sent, ctx.Err())
			}
		}
		for range 200 {
			put()
		}
		for ; received < sent; received++ {
			select {
			case <-handled:
			case <-ctx.Done():
				t.Fatalf("%d of %d records were handled: %v", received, sent, ctx.Err())
			}
		}
		stopFirst()
		stopSecond()

		slices.Sort(data)
		if n := len(slices.Compact(slices.Clone(data))); n != sent || len(data) != sent {
			t.Errorf("%d records were handled, %d of them different; want %d, none twice", len(data), n, sent)
		}
		leases, err := redislease.New(client, "orders-app").List(t.Context())
		if err != nil || len(leases) != 4 {
			t.Fatalf("List = %+v, %v; want 4 leases", leases, err)
		}
		for _, l := range leases {
			if !l.Checkpoint.IsRecord() {
				t.Errorf("after both have drained a lease is %+v; want it at a record", l)
			}
		}
	})
}
