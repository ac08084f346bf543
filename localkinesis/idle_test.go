package localkinesis_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// What an idle subscription may take up, client and server together: about twice
// what it does. The race detector adds a quarter.
const (
	maxIdleBytes           = 32 << 10
	maxIdleBytesOnANetwork = 128 << 10 // with a connection of its own over HTTP/1.1
)

// subscribeAll opens a subscription for each of the stream's shards and each of
// twenty consumers, and returns them once they have nothing more to say.
func subscribeAll(t *testing.T, s *localkinesis.Server, shards int, transport http.RoundTripper) (idle []io.ReadCloser) {
	t.Helper()
	url := s.URL()
	if url == "" {
		url = "http://localkinesis.internal"
	}
	for c := range 20 {
		name := fmt.Sprint("consumer-", c)
		registered := mustSend(t, s, "RegisterStreamConsumer", `{"StreamARN":"`+arnOfOrders+`","ConsumerName":"`+name+`"}`)
		arn := registered[strings.Index(registered, "arn:"):]
		arn = arn[:strings.IndexByte(arn, '"')]
		for shard := range shards {
			body := fmt.Sprintf(`{"ConsumerARN":"%s","ShardId":"shardId-%012d","StartingPosition":{"Type":"LATEST"}}`, arn, shard)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
			must(t, r, err)
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			r.Header.Set("X-Amz-Target", "Kinesis_20131202.SubscribeToShard")
			r.Header.Set("X-Amz-Date", "20231114T093126Z")
			r.Header.Set("Authorization", signature)
			response, err := transport.RoundTrip(r)
			must(t, response, err)
			if response.StatusCode != http.StatusOK {
				t.Fatalf("subscription %d of %s: %d", shard, name, response.StatusCode)
			}
			readFrame(t, response.Body) // that it has begun
			readFrame(t, response.Body) // and one event without records
			idle = append(idle, response.Body)
		}
	}
	return idle
}

// readFrame reads one frame of an event stream: its length comes first.
func readFrame(t *testing.T, from io.Reader) {
	t.Helper()
	var length [4]byte
	_, err := io.ReadFull(from, length[:])
	must(t, 0, err)
	_, err = io.CopyN(io.Discard, from, int64(binary.BigEndian.Uint32(length[:]))-4)
	must(t, 0, err)
}

// inUse is the memory of the process that is in use once garbage is collected,
// stacks included.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what pools held survives the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// The tests below run one at a time, before those that run in parallel: they
// look at the memory and the goroutines of the whole process.

func TestThousandsOfIdleSubscriptionsTakeUpLittleMemoryAndEndWithTheServer(t *testing.T) {
	const shards = 250
	goroutines := runtime.NumGoroutine()
	s := inProcess(t, withStream("orders", shards))
	s.Clock().Freeze()
	// Each shard gets records, so that subscriptions have been busy once.
	for shard := range shards {
		mustSend(t, s, "PutRecord", fmt.Sprintf(`{"StreamName":"orders","PartitionKey":"%d","Data":"%s"}`, shard, strings.Repeat("AAAA", 1000)))
	}
	before := inUse()
	idle := subscribeAll(t, s, shards, s.Transport())
	each := (inUse() - before) / int64(len(idle))
	t.Logf("%d idle subscriptions take up %d bytes each", len(idle), each)
	if each > maxIdleBytes {
		t.Errorf("%d idle subscriptions take up %d bytes each; want at most %d", len(idle), each, maxIdleBytes)
	}
	must(t, 0, s.Close())
	for _, body := range idle {
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Errorf("a subscription ended with %v; want its end", err)
		}
		must(t, 0, body.Close())
	}
	// A goroutine whose end was noticed may still have its last steps to do.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines a minute after the server closed; %d before it was made", runtime.NumGoroutine(), goroutines)
		}
	}
}

func TestIdleSubscriptionsOverTheNetworkEndWithTheServer(t *testing.T) {
	for what, setUp := range map[string]func(*http.Protocols){
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2":   func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		t.Run(what, func(t *testing.T) {
			const shards = 20
			s := localkinesis.Start(t, withStream("orders", shards))
			s.Clock().Freeze()
			transport := &http.Transport{Protocols: new(http.Protocols)}
			setUp(transport.Protocols)
			defer transport.CloseIdleConnections()
			before := inUse()
			idle := subscribeAll(t, s, shards, transport)
			each := (inUse() - before) / int64(len(idle))
			t.Logf("%d idle subscriptions over %s take up %d bytes each", len(idle), what, each)
			if each > maxIdleBytesOnANetwork {
				t.Errorf("%d idle subscriptions over %s take up %d bytes each; want at most %d", len(idle), what, each, maxIdleBytesOnANetwork)
			}
			must(t, 0, s.Close())
			for _, body := range idle {
				if _, err := io.Copy(io.Discard, body); err != nil {
					t.Errorf("a subscription ended with %v; want its end", err)
				}
				must(t, 0, body.Close())
			}
		})
	}
}
