package lambdatrigger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

// stage is a local server with the stream orders and a function that writes
// down how it was invoked, in a bubble whose time passes when all wait.
type stage struct {
	*testing.T
	server *localkinesis.Server
	client *kinesis.Client

	mu      sync.Mutex
	invoked []string // the data of each invocation's records, with spaces between
}

// onStage plays a test with a stream of so many shards.
func onStage(t *testing.T, shards int, play func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": shards} })
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = server.Close() }()
		// Without the SDK's own retries the trigger sees every failure.
		client := server.Client(func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} })
		play(&stage{T: t, server: server, client: client})
	})
}

// put puts records of one key, each with a text as its data.
func (s *stage) put(key string, texts ...string) {
	s.Helper()
	for _, text := range texts {
		_, err := s.client.PutRecord(s.Context(), &kinesis.PutRecordInput{
			StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(text),
		})
		if err != nil {
			s.Fatal(err)
		}
	}
}

// succeed is a function that answers nothing.
func succeed([]string) (any, error) { return nil, nil }

// function decides by the data of an invocation's records.
func (s *stage) function(decide func(texts []string) (any, error)) any {
	return func(event events.KinesisEvent) (any, error) {
		var texts []string
		for _, r := range event.Records {
			texts = append(texts, string(r.Kinesis.Data))
		}
		s.mu.Lock()
		s.invoked = append(s.invoked, strings.Join(texts, " "))
		s.mu.Unlock()
		return decide(texts)
	}
}

var quietLogger = slog.New(slog.DiscardHandler)

// quiet keeps the log out of the tests' output and polls once a second, so that
// a minute of the bubble's time costs sixty calls.
func quiet(o *lambdatrigger.Options) {
	o.Logger = quietLogger
	o.PollInterval = time.Second
}

// start runs a trigger in the background. The stop it returns ends it and waits
// for it.
func (s *stage) start(function any, opts ...func(*lambdatrigger.Options)) (trigger *lambdatrigger.Trigger, stop func()) {
	s.Helper()
	trigger, err := lambdatrigger.New(s.client, "orders", function, append([]func(*lambdatrigger.Options){quiet}, opts...)...)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(s.Context())
	result := make(chan error, 1)
	go func() { result <- trigger.Run(ctx) }()
	errStop := errors.New("the test is over")
	return trigger, func() {
		s.Helper()
		cancel(errStop)
		if err := <-result; !errors.Is(err, errStop) {
			s.Errorf("Run = %v, want the cause of its ctx", err)
		}
	}
}

// run runs a trigger for a minute of the bubble's time.
func (s *stage) run(function any, opts ...func(*lambdatrigger.Options)) {
	s.Helper()
	_, stop := s.start(function, opts...)
	<-time.After(time.Minute)
	stop()
}

// wantInvoked compares the invocations in their order.
func (s *stage) wantInvoked(want ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.invoked, want) {
		s.Errorf("the function was invoked with\n  %s\nwant\n  %s", strings.Join(s.invoked, "\n  "), strings.Join(want, "\n  "))
	}
}

// number are texts from 1 to n with a name before them.
func number(name string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s%d", name, i+1)
	}
	return texts
}

// stored is the record with this data, as the server has it.
func (s *stage) stored(text string) localkinesis.Record {
	s.Helper()
	records, err := s.server.Records("orders", "")
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(records, func(r localkinesis.Record) bool { return string(r.Data) == text })
	if i < 0 {
		s.Fatalf("there is no record %q", text)
	}
	return records[i]
}

func (s *stage) sequenceOf(text string) string { return s.stored(text).Number.String() }

// failures is a partial batch response that names records by their data.
func (s *stage) failures(texts ...string) events.KinesisEventResponse {
	var answer events.KinesisEventResponse
	for _, text := range texts {
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: s.sequenceOf(text)})
	}
	return answer
}

func reportFailures(o *lambdatrigger.Options) { o.ReportBatchItemFailures = true }

func bisect(o *lambdatrigger.Options) { o.BisectBatchOnFunctionError = true }

func batchSize(n int) func(*lambdatrigger.Options) {
	return func(o *lambdatrigger.Options) { o.BatchSize = n }
}

func retries(n int) func(*lambdatrigger.Options) {
	return func(o *lambdatrigger.Options) { o.MaximumRetryAttempts = n }
}
