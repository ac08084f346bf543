package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// serve starts a server with one stream and returns it with a client.
func serve(t *testing.T, shards int) (*localkinesis.Server, *kinesis.Client) {
	t.Helper()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": shards} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server, server.Client()
}

// put puts records key/data and returns nothing: their order is that of the calls.
func put(t *testing.T, client *kinesis.Client, key string, data ...string) {
	t.Helper()
	for _, d := range data {
		_, err := client.PutRecord(context.Background(), &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(d)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fast makes a reader poll as a local server allows.
func fast(o *consumer.Options) { o.PollInterval, o.MaxPollInterval = 0, 10*time.Millisecond }

func TestReadYieldsTheWholeStreamUpToItsTip(t *testing.T) {
	t.Parallel()
	_, client := serve(t, 3)
	var want []string
	for i := range 50 {
		d := fmt.Sprintf("d%02d", i)
		put(t, client, fmt.Sprintf("key-%d", i%7), d)
		want = append(want, d)
	}
	var got []string
	for r, err := range consumer.Read(t.Context(), client, "orders", consumer.StopAtTip(), fast) {
		if err != nil {
			t.Fatal(err)
		}
		if !r.OriginalKeyKnown || r.ShardID == "" || !r.Position.IsRecord() || r.Stream.Name() != "orders" || r.ArrivedAt.IsZero() {
			t.Errorf("record %+v; want every field filled in", r)
		}
		got = append(got, string(r.Data))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("read %v; want %v", got, want)
	}
}
