package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// workload is what every client of a comparison does.
type workload struct {
	name    string
	bytes   int // of a user record's data
	records int // in one sample, at scale 1
	stream  string
	clients []client
}

// client is one way to do it.
type client struct {
	name  string
	start func(ctx context.Context, api *kinesis.Client, w *workload) (worker, error)
}

// worker does a client's work.
type worker interface {
	// work puts or reads about so many user records and returns how many it
	// was, when all of them are acknowledged or handled.
	work(ctx context.Context, records int) (int, error)

	close(ctx context.Context) error
}

// workloads are all there are. Every put goes to the stream "bench"; a stream
// that is read is named after the kind of its pages.
func workloads() []workload {
	return []workload{
		{name: "put-100", bytes: 100, records: 1_000_000, stream: "bench", clients: []client{
			{"sdk", putWithSDK()},
			{"sdk+kinesisprotocol", putWithSDK(withJSON)},
			{"sdk+cbor", putWithSDK(withCBOR)},
			{"sdk+by-hand", putByHand},
			{"a8m", putWithA8M},
			{"besteffort", putWithProducer(bestEffort)},
			{"perkey", putWithProducer()},
			{"byshard", putWithProducer(byShard)},
			{"byshard+besteffort", putWithProducer(byShard, bestEffort)},
			{"besteffort+carried", putWithProducer(bestEffort, inKeys, withoutSpans)},
			{"byshard+carried", putWithProducer(byShard, withoutSpans)},
			{"byshard+besteffort+carried", putWithProducer(byShard, bestEffort, withoutSpans)},
			{"besteffort+unsampled", putWithProducer(bestEffort, inKeys, withUnsampledSpans)},
			{"byshard+unsampled", putWithProducer(byShard, withUnsampledSpans)},
			{"besteffort+sampled", putWithProducer(bestEffort, inKeys, withSampledSpans)},
			{"byshard+sampled", putWithProducer(byShard, withSampledSpans)},
		}},
		{name: "put-1024", bytes: 1024, records: 250_000, stream: "bench", clients: []client{
			{"sdk", putWithSDK()},
			{"sdk+kinesisprotocol", putWithSDK(withJSON)},
			{"sdk+cbor", putWithSDK(withCBOR)},
			{"sdk+by-hand", putByHand},
			{"a8m", putWithA8M},
			{"besteffort", putWithProducer(bestEffort)},
			{"perkey", putWithProducer()},
			{"byshard", putWithProducer(byShard)},
			{"byshard+besteffort", putWithProducer(byShard, bestEffort)},
		}},
		{name: "get-100", bytes: 100, records: 1_000_000, stream: "plain-100", clients: []client{
			{"sdk", getWithSDK(plainRecords)},
			{"sdk+kinesisprotocol", getWithSDK(plainRecords, withJSON)},
			{"sdk+cbor", getWithSDK(plainRecords, withCBOR)},
			{"harlow", getWithHarlow},
			{"read", getWithRead()},
			{"read+json", getWithRead(inJSON)},
			{"read+off", getWithRead(withoutExtraction)},
			{"run", getWithRun()},
			{"run+off", getWithRun(withoutExtraction)},
		}},
		{name: "get-1024", bytes: 1024, records: 300_000, stream: "plain-1024", clients: []client{
			{"sdk", getWithSDK(plainRecords)},
			{"sdk+kinesisprotocol", getWithSDK(plainRecords, withJSON)},
			{"sdk+cbor", getWithSDK(plainRecords, withCBOR)},
			{"harlow", getWithHarlow},
			{"read", getWithRead()},
			{"read+json", getWithRead(inJSON)},
			{"run", getWithRun()},
		}},
		{name: "get-aggregated-100", bytes: 100, records: 1_000_000, stream: "aggregated-100", clients: []client{
			{"sdk+awslabs", getWithSDK(deaggregated)},
			{"harlow", getWithHarlow},
			{"read", getWithRead()},
			{"read+json", getWithRead(inJSON)},
			{"run", getWithRun()},
		}},
		{name: "get-traced-100", bytes: 100, records: 1_000_000, stream: "plain-100-traced", clients: []client{
			{"read", getWithRead()},
			{"read+off", getWithRead(withoutExtraction)},
			{"run", getWithRun()},
			{"run+asked", getWithAskingRun},
			{"run+off", getWithRun(withoutExtraction)},
		}},
		{name: "get-aggregated-traced-100", bytes: 100, records: 1_000_000, stream: "aggregated-100-traced", clients: []client{
			{"read", getWithRead()},
			{"read+off", getWithRead(withoutExtraction)},
			{"run", getWithRun()},
			{"run+asked", getWithAskingRun},
			{"run+off", getWithRun(withoutExtraction)},
		}},
	}
}

// find returns a client by the names it has in the results.
func find(workloadName, clientName string) (*workload, client, error) {
	for _, w := range workloads() {
		if w.name != workloadName {
			continue
		}
		for _, c := range w.clients {
			if c.name == clientName {
				return &w, c, nil
			}
		}
	}
	return nil, client{}, fmt.Errorf("workload %q has no client %q", workloadName, clientName)
}

// comparison is one line of what is promised.
type comparison struct {
	title    string
	workload string
	ours     string
	theirs   string

	// One kind of the two is set: how many times less CPU, or how much more in
	// per cent. Without any, the difference is only reported.
	timesAtLeast, timesAim float64
	moreAtMost, moreAim    float64
}

// comparisons are the table of what producer and consumer promise.
func comparisons() []comparison {
	return []comparison{
		{title: "100 B un-aggregated, BestEffort, against the plain SDK", workload: "put-100", ours: "besteffort", theirs: "sdk", timesAtLeast: 1.6, timesAim: 2},
		{title: "100 B un-aggregated, PerKey, against the plain SDK", workload: "put-100", ours: "perkey", theirs: "sdk", timesAtLeast: 1.3, timesAim: 1.7},
		{title: "100 B ByShard, PerKey, against the plain SDK", workload: "put-100", ours: "byshard", theirs: "sdk", timesAtLeast: 1.6, timesAim: 2.5},
		{title: "100 B ByShard, BestEffort, against the plain SDK", workload: "put-100", ours: "byshard+besteffort", theirs: "sdk", timesAtLeast: 1.6, timesAim: 2.5},
		{title: "100 B ByShard, PerKey, against the SDK and an aggregator by hand", workload: "put-100", ours: "byshard", theirs: "sdk+by-hand", timesAtLeast: 2, timesAim: 3},
		{title: "100 B ByShard, BestEffort, against the SDK and an aggregator by hand", workload: "put-100", ours: "byshard+besteffort", theirs: "sdk+by-hand", timesAtLeast: 2, timesAim: 3},
		{title: "1 KiB un-aggregated, BestEffort, against the plain SDK", workload: "put-1024", ours: "besteffort", theirs: "sdk", timesAtLeast: 1.6, timesAim: 3},
		{title: "1 KiB ByShard, PerKey, against the SDK and an aggregator by hand", workload: "put-1024", ours: "byshard", theirs: "sdk+by-hand", timesAtLeast: 1.6, timesAim: 3},
		{title: "1 KiB ByShard, BestEffort, against the SDK and an aggregator by hand", workload: "put-1024", ours: "byshard+besteffort", theirs: "sdk+by-hand", timesAtLeast: 1.6, timesAim: 3},
		{title: "100 B BestEffort, contexts carried in keys", workload: "put-100", ours: "besteffort+carried", theirs: "besteffort", moreAtMost: 45, moreAim: 25},
		{title: "100 B ByShard, PerKey, contexts carried in headers", workload: "put-100", ours: "byshard+carried", theirs: "byshard", moreAtMost: 45, moreAim: 25},
		{title: "100 B ByShard, BestEffort, contexts carried in headers", workload: "put-100", ours: "byshard+besteffort+carried", theirs: "byshard+besteffort", moreAtMost: 45, moreAim: 25},
		{title: "100 B BestEffort, create spans, unsampled", workload: "put-100", ours: "besteffort+unsampled", theirs: "besteffort"},
		{title: "100 B BestEffort, create spans, sampled", workload: "put-100", ours: "besteffort+sampled", theirs: "besteffort"},
		{title: "100 B ByShard, create spans, unsampled", workload: "put-100", ours: "byshard+unsampled", theirs: "byshard"},
		{title: "100 B ByShard, create spans, sampled", workload: "put-100", ours: "byshard+sampled", theirs: "byshard"},
		{title: "kinesisprotocol under the plain SDK, put 100 B", workload: "put-100", ours: "sdk+kinesisprotocol", theirs: "sdk", timesAtLeast: 1.8, timesAim: 2},
		{title: "kinesisprotocol in CBOR under the plain SDK, put 100 B", workload: "put-100", ours: "sdk+cbor", theirs: "sdk", timesAtLeast: 1.8, timesAim: 2},
		{title: "kinesisprotocol under the plain SDK, get 100 B", workload: "get-100", ours: "sdk+kinesisprotocol", theirs: "sdk", timesAtLeast: 3, timesAim: 3.6},
		{title: "kinesisprotocol in CBOR under the plain SDK, get 100 B", workload: "get-100", ours: "sdk+cbor", theirs: "sdk", timesAtLeast: 3, timesAim: 3.6},
		{title: "Read, plain 100 B, against the plain SDK", workload: "get-100", ours: "read", theirs: "sdk", timesAtLeast: 3, timesAim: 5},
		{title: "Run, plain 100 B, against the plain SDK", workload: "get-100", ours: "run", theirs: "sdk", timesAtLeast: 3, timesAim: 5},
		{title: "Read in JSON, plain 100 B, against the plain SDK", workload: "get-100", ours: "read+json", theirs: "sdk", timesAtLeast: 3, timesAim: 5},
		{title: "Read, plain 1 KiB, against the plain SDK", workload: "get-1024", ours: "read", theirs: "sdk", timesAtLeast: 2.7, timesAim: 5},
		{title: "Run, plain 1 KiB, against the plain SDK", workload: "get-1024", ours: "run", theirs: "sdk", timesAtLeast: 2.7, timesAim: 5},
		{title: "Read in JSON, plain 1 KiB, against the plain SDK", workload: "get-1024", ours: "read+json", theirs: "sdk", timesAtLeast: 2.7, timesAim: 5},
		{title: "Read, aggregated 100 B, against the SDK and awslabs' deaggregation", workload: "get-aggregated-100", ours: "read", theirs: "sdk+awslabs", timesAtLeast: 3, timesAim: 4.5},
		{title: "Run, aggregated 100 B, against the SDK and awslabs' deaggregation", workload: "get-aggregated-100", ours: "run", theirs: "sdk+awslabs", timesAtLeast: 3, timesAim: 4.5},
		{title: "Read in JSON, aggregated 100 B, against the SDK and awslabs' deaggregation", workload: "get-aggregated-100", ours: "read+json", theirs: "sdk+awslabs", timesAtLeast: 3, timesAim: 4.5},
		{title: "Read, plain 100 B, extraction, no record with a context", workload: "get-100", ours: "read", theirs: "read+off", moreAtMost: 15, moreAim: 5},
		{title: "Run, plain 100 B, extraction, no record with a context", workload: "get-100", ours: "run", theirs: "run+off", moreAtMost: 15, moreAim: 5},
		{title: "Read, plain 100 B, extraction, every record with a context in its key", workload: "get-traced-100", ours: "read", theirs: "read+off", moreAtMost: 60, moreAim: 30},
		{title: "Run, plain 100 B, extraction, every record with a context in its key", workload: "get-traced-100", ours: "run", theirs: "run+off", moreAtMost: 60, moreAim: 30},
		{title: "Run, plain 100 B, the same, and the handler asks for it", workload: "get-traced-100", ours: "run+asked", theirs: "run"},
		{title: "Read, aggregated 100 B, extraction, every record with a context in headers", workload: "get-aggregated-traced-100", ours: "read", theirs: "read+off", moreAtMost: 60, moreAim: 30},
		{title: "Run, aggregated 100 B, extraction, every record with a context in headers", workload: "get-aggregated-traced-100", ours: "run", theirs: "run+off", moreAtMost: 60, moreAim: 30},
		{title: "Run, aggregated 100 B, the same, and the handler asks for it", workload: "get-aggregated-traced-100", ours: "run+asked", theirs: "run"},
	}
}
