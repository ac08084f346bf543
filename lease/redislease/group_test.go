package redislease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/redislease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// A second worker joins while records flow and takes shards over, gracefully:
// every record is handled exactly once.
func TestWorkersShareAGroupAndHandleNothingTwice(t *testing.T) {
	t.Parallel()
	_, client := inMemory(t)
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	streams := server.Client()
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
}
