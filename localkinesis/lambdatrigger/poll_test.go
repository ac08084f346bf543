package lambdatrigger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

// reshard splits or merges to so many shards.
func (s *stage) reshard(shards int32) {
	s.Helper()
	_, err := s.client.UpdateShardCount(s.Context(), &kinesis.UpdateShardCountInput{
		StreamName: aws.String("orders"), TargetShardCount: &shards, ScalingType: types.ScalingTypeUniformScaling,
	})
	if err != nil {
		s.Fatal(err)
	}
}

// The function fails for the parents' records at first. Every key has one
// record in each generation of shards.
func TestParentsAreDeliveredToTheirEndBeforeTheirChildren(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("resharded while it runs: %t", running), func(t *testing.T) {
			t.Parallel()
			onStage(t, 2, func(s *stage) {
				keys := number("key", 8)
				failed := map[string]bool{}
				play := func() {
					for generation, shards := range []int32{2, 4, 1} {
						if generation > 0 {
							s.reshard(shards)
						}
						for _, key := range keys {
							s.put(key, fmt.Sprintf("%s:%d", key, generation))
						}
						<-time.After(2 * time.Second)
					}
				}
				function := s.function(func(texts []string) (any, error) {
					s.mu.Lock()
					defer s.mu.Unlock()
					if !failed[texts[0]] {
						failed[texts[0]] = true
						return nil, errPoison
					}
					return nil, nil
				})
				if running {
					_, stop := s.start(function, batchSize(1))
					play()
					<-time.After(time.Minute)
					stop()
				} else {
					play()
					s.run(function, batchSize(1))
				}
				for _, key := range keys {
					of := slices.DeleteFunc(slices.Clone(s.invoked), func(text string) bool { return !strings.HasPrefix(text, key+":") })
					want := []string{key + ":0", key + ":0", key + ":1", key + ":1", key + ":2", key + ":2"}
					if !slices.Equal(of, want) {
						t.Errorf("the records of %s came as %v, want %v, each failing once", key, of, want)
					}
				}
			})
		})
	}
}

// A stream is resharded before and after the trigger begins, and a record is put
// into each generation of shards, and one more just before the trigger begins.
func TestATriggerBeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		start func(s *stage) kinetrail.Position
		want  []string
	}{
		{"trim horizon", func(*stage) kinetrail.Position { return kinetrail.TrimHorizon() }, []string{"1", "2", "3", "4", "5"}},
		{"at a time in a parent", func(s *stage) kinetrail.Position { return kinetrail.AtTime(s.stored("1").ArrivedAt) }, []string{"1", "2", "3", "4", "5"}},
		{"at a time in a child", func(s *stage) kinetrail.Position { return kinetrail.AtTime(s.stored("3").ArrivedAt) }, []string{"3", "4", "5"}},
		{"latest", func(*stage) kinetrail.Position { return kinetrail.Latest() }, []string{"4", "5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 1, func(s *stage) {
				s.put("k", "1")
				s.reshard(2)
				s.put("k", "2")
				<-time.After(time.Second)
				s.put("k", "3")
				<-time.After(time.Second)
				position := tt.start(s)
				trigger, stop := s.start(s.function(succeed), batchSize(1), func(o *lambdatrigger.Options) { o.StartingPosition = position })
				<-trigger.Ready()
				s.put("k", "4")
				<-time.After(2 * time.Second)
				s.reshard(4)
				s.put("k", "5")
				<-time.After(time.Minute)
				stop()
				s.wantInvoked(tt.want...)
			})
		})
	}
}

// The record lies behind the place where the trigger began, and before the one
// where Latest would be by now.
func TestLatestIsAPlaceThatAnExpiredIteratorDoesNotMove(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		if err := s.server.Faults().Add(fault.Rule{Operation: "GetRecords", Nth: 2, Error: "ExpiredIteratorException"}); err != nil {
			t.Fatal(err)
		}
		s.put("k", "before")
		<-time.After(time.Second)
		_, stop := s.start(s.function(succeed), func(o *lambdatrigger.Options) { o.StartingPosition = kinetrail.Latest() })
		<-time.After(time.Second / 2) // between the first and the second call
		s.put("k", "1")
		<-time.After(time.Minute)
		stop()
		s.wantInvoked("1")
	})
}

func TestFailedCallsAreRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, rule string
	}{
		{"an iterator expires", "GetRecords nth=2 error=ExpiredIteratorException"},
		{"an iterator expires and no new one is to be had", "GetRecords nth=2 error=ExpiredIteratorException; GetShardIterator nth=2 error=InternalFailureException"},
		{"a shard is throttled", "GetRecords nth=2 error=ProvisionedThroughputExceededException"},
		{"the shards of a reshard cannot be listed", "ListShards nth=2 error=LimitExceededException"},
		{"the list is older than the reshard", "ListShards nth=2 stale"},
		{"a child has no iterator at first", "GetShardIterator nth=2 error=InternalFailureException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 1, func(s *stage) {
				for rule := range strings.SplitSeq(tt.rule, ";") {
					parsed, err := fault.Parse(strings.TrimSpace(rule))
					if err != nil {
						t.Fatal(err)
					}
					if err := s.server.Faults().Add(parsed); err != nil {
						t.Fatal(err)
					}
				}
				_, stop := s.start(s.function(succeed), batchSize(1))
				s.put("k", "1")
				<-time.After(3 * time.Second)
				s.put("k", "2")
				<-time.After(3 * time.Second)
				s.reshard(2)
				s.put("k", "3")
				<-time.After(time.Minute)
				stop()
				s.wantInvoked("1", "2", "3")
				for _, hit := range s.server.Faults().Hits() {
					if hit.Hits == 0 {
						t.Errorf("the fault %v did not happen", hit.Rule)
					}
				}
			})
		})
	}
}

func TestAStreamThatIsGoneEndsRun(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		gone := func(when string, client lambdatrigger.API, name string, during func()) {
			trigger, err := lambdatrigger.New(client, name, s.function(succeed), quiet)
			if err != nil {
				t.Fatal(err)
			}
			result := make(chan error, 1)
			go func() { result <- trigger.Run(s.Context()) }()
			during()
			if err := <-result; !isNotFound(err) {
				t.Errorf("%s: Run = %v, want a ResourceNotFoundException", when, err)
			}
		}
		gone("a stream that never was", s.client, "unknown", func() {})
		gone("a stream that is deleted before its shards are begun", withoutIterators{s.client}, "orders", func() {})
		gone("a stream that is deleted", s.client, "orders", func() {
			<-time.After(3 * time.Second)
			if _, err := s.client.DeleteStream(s.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("orders")}); err != nil {
				t.Error(err)
			}
		})
	})
}

// withoutIterators finds the shards of a stream, and then no longer the stream.
type withoutIterators struct{ lambdatrigger.API }

func (withoutIterators) GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	return nil, &types.ResourceNotFoundException{}
}

func TestShardsOfEveryPageAreRead(t *testing.T) {
	t.Parallel()
	onStage(t, 5, func(s *stage) {
		for _, key := range number("key", 20) {
			s.put(key, key)
		}
		shards := make(map[string]bool)
		for _, text := range number("key", 20) {
			shards[s.stored(text).ShardID] = true
		}
		if len(shards) != 5 {
			s.Fatalf("the records lie on %d shards; want all 5", len(shards))
		}
		trigger, err := lambdatrigger.New(inPairs{s.client}, "orders", s.function(succeed), quiet, batchSize(1))
		if err != nil {
			s.Fatal(err)
		}
		ctx, cancel := context.WithCancel(s.Context())
		result := make(chan error, 1)
		go func() { result <- trigger.Run(ctx) }()
		<-time.After(time.Minute)
		cancel()
		<-result
		s.mu.Lock()
		defer s.mu.Unlock()
		slices.Sort(s.invoked)
		want := number("key", 20)
		slices.Sort(want)
		if !slices.Equal(s.invoked, want) {
			s.Errorf("delivered are %v; want %v", s.invoked, want)
		}
	})
}

// inPairs lists two shards a page.
type inPairs struct{ lambdatrigger.API }

func (p inPairs) ListShards(ctx context.Context, in *kinesis.ListShardsInput, opts ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	page := *in
	page.MaxResults = aws.Int32(2)
	return p.API.ListShards(ctx, &page, opts...)
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[*types.ResourceNotFoundException](err)
	return ok
}

func TestRunWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1")
		began, finished := make(chan struct{}), false
		_, stop := s.start(s.function(func([]string) (any, error) {
			close(began)
			<-time.After(time.Minute)
			finished = true
			return nil, nil
		}), func(o *lambdatrigger.Options) { o.Timeout = 5 * time.Minute })
		<-began
		stop()
		if !finished {
			t.Error("Run has returned before the function")
		}
	})
}

func tenLanes(o *lambdatrigger.Options) { o.ParallelizationFactor = 10 }

func TestABlockedLaneDoesNotBlockTheOthers(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("blocked", "bad", "behind")
		s.put("other", "good")
		s.run(s.function(poisoned("bad")), batchSize(1), tenLanes)
		if !slices.Contains(s.invoked, "good") || slices.Contains(s.invoked, "behind") {
			t.Errorf("delivered were %v, want good and not behind", slices.Compact(s.invoked))
		}
	})
}

func TestOptionsThatCannotWorkAreRefusedTogether(t *testing.T) {
	t.Parallel()
	_, err := lambdatrigger.New(nil, "no stream!", nil, func(o *lambdatrigger.Options) {
		*o = lambdatrigger.Options{
			BatchSize: 10_001, MaximumBatchingWindow: time.Hour, ParallelizationFactor: 11, MaximumRetryAttempts: -2,
			MaximumRecordAge: -1, Timeout: time.Hour, RetryPause: 2, MaxRetryPause: 1,
		}
	})
	if err == nil {
		t.Fatal("New accepts them all")
	}
	for _, want := range []string{
		"invalid stream", "the client is nil", "the function is nil",
		`StartingPosition is "", not TrimHorizon, Latest or AtTime`, "BatchSize is 10001, not between 1 and 10000",
		"MaximumBatchingWindow is 1h0m0s", "ParallelizationFactor is 11", "MaximumRetryAttempts is -2",
		"MaximumRecordAge is -1ns", "FunctionName is empty", "Timeout is 1h0m0s", "PollInterval is 0s",
		"RetryPause is 2ns and MaxRetryPause 1ns", "Now is nil",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}
