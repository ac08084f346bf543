package lambdatrigger_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

var errPoison = errors.New("poison")

// poisoned fails for batches with one of these records.
func poisoned(bad ...string) func(texts []string) (any, error) {
	return func(texts []string) (any, error) {
		for _, text := range texts {
			if slices.Contains(bad, text) {
				return nil, errPoison
			}
		}
		return nil, nil
	}
}

// mends fails so many times and succeeds then.
func mends(failures int) func([]string) (any, error) {
	return func([]string) (any, error) {
		if failures--; failures >= 0 {
			return nil, errPoison
		}
		return nil, nil
	}
}

func TestAFailedBatchIsRetriedAndTheOrderOfItsShardHolds(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", number("", 5)...)
		s.run(s.function(mends(2)), batchSize(2))
		s.wantInvoked("1 2", "1 2", "1 2", "3 4", "5")
	})
}

func TestAShardThatFailsDoesNotDisturbTheOthers(t *testing.T) {
	t.Parallel()
	onStage(t, 2, func(s *stage) {
		s.put("6", "bad", "behind") // shard 0
		s.put("0", "good")          // shard 1
		s.run(s.function(poisoned("bad")), batchSize(1))
		if !slices.Contains(s.invoked, "good") {
			t.Error("the record of the other shard was not delivered")
		}
		if slices.Contains(s.invoked, "behind") {
			t.Error("the record behind the failing one was delivered")
		}
		if len(s.invoked) < 50 {
			t.Errorf("the failing record was delivered %d times in a minute, want about once a second", len(s.invoked)-1)
		}
	})
}

func TestThePauseBeforeARetryDoubles(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1")
		var at []time.Duration
		started := time.Now()
		s.run(s.function(func([]string) (any, error) {
			at = append(at, time.Since(started))
			return nil, errPoison
		}), retries(5), func(o *lambdatrigger.Options) { o.RetryPause, o.MaxRetryPause = time.Second, 5*time.Second })
		want := []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 12 * time.Second, 17 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("the invocations were at %v, want %v", at, want)
		}
	})
}

func TestThePauseBeginsAnewWhenSomethingGotDone(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1", "2", "3", "4")
		var at []time.Duration
		started := time.Now()
		s.run(s.function(func(texts []string) (any, error) {
			at = append(at, time.Since(started))
			if len(texts) == 1 {
				return nil, nil
			}
			return s.failures(texts[1]), nil
		}), reportFailures, func(o *lambdatrigger.Options) { o.RetryPause, o.MaxRetryPause = time.Second, time.Minute })
		if want := []time.Duration{0, 1 * time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("the invocations were at %v, want %v", at, want)
		}
	})
}

func TestABatchThatFailsTooOftenIsDiscarded(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1", "bad", "3", "4")
		s.run(s.function(poisoned("bad")), batchSize(3), retries(1))
		s.wantInvoked("1 bad 3", "1 bad 3", "4")
	})
}

func TestBisectingIsolatesThePoison(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		retries int
		want    []string
	}{
		{"without retries", 0, []string{
			"1 2 3 bad 5 6 7", "1 2 3 bad", "1 2", "3 bad", "3", "bad", "5 6 7",
		}},
		{"splits are no retries", 1, []string{
			"1 2 3 bad 5 6 7", "1 2 3 bad", "1 2", "3 bad", "3", "bad", "bad", "5 6 7",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 1, func(s *stage) {
				s.put("k", "1", "2", "3", "bad", "5", "6", "7")
				s.run(s.function(poisoned("bad")), bisect, retries(tt.retries))
				s.wantInvoked(tt.want...)
			})
		})
	}
}

func TestAPartialResponseIsReadAsLambdaReadsIt(t *testing.T) {
	t.Parallel()
	raw := func(text string) func(*stage) any { return func(*stage) any { return json.RawMessage(text) } }
	tests := []struct {
		name   string
		answer func(s *stage) any // to the first invocation, of 1 2 3
		want   string             // the second one
	}{
		{"null", raw(`null`), ""},
		{"an empty object", raw(`{}`), ""},
		{"an empty list", raw(`{"batchItemFailures":[]}`), ""},
		{"no list", raw(`{"batchItemFailures":null}`), ""},
		{"one record", func(s *stage) any { return s.failures("2") }, "2 3"},
		{"several: the lowest counts", func(s *stage) any { return s.failures("3", "2") }, "2 3"},
		{"the first", func(s *stage) any { return s.failures("1") }, "1 2 3"},
		{"an empty identifier", raw(`{"batchItemFailures":[{"itemIdentifier":""}]}`), "1 2 3"},
		{"no identifier", raw(`{"batchItemFailures":[{"itemIdentifier":null}]}`), "1 2 3"},
		{"another name", raw(`{"batchItemFailures":[{"sequenceNumber":"1"}]}`), "1 2 3"},
		{"an identifier of a batch before", raw(`{"batchItemFailures":[{"itemIdentifier":"17"}]}`), "1 2 3"},
		{"an identifier of a batch behind", raw(`{"batchItemFailures":[{"itemIdentifier":"9` + strings.Repeat("0", 60) + `"}]}`), "1 2 3"},
		{"known and unknown", func(s *stage) any {
			answer := s.failures("3")
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: "17"})
			return answer
		}, "1 2 3"},
		{"another kind of response", raw(`"done"`), "1 2 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 1, func(s *stage) {
				s.put("k", "1", "2", "3")
				answered := false
				s.run(s.function(func([]string) (any, error) {
					if answered {
						return nil, nil
					}
					answered = true
					return tt.answer(s), nil
				}), reportFailures)
				want := []string{"1 2 3"}
				if tt.want != "" {
					want = append(want, tt.want)
				}
				s.wantInvoked(want...)
			})
		})
	}
}

func TestWithoutReportBatchItemFailuresEveryAnswerIsASuccess(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1", "2")
		s.run(s.function(func([]string) (any, error) { return s.failures("1"), nil }))
		s.wantInvoked("1 2")
	})
}

// The function names the bad record, and a batch that starts with it gets
// nothing done.
func TestPartialResponsesRetriesAndSplits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		opts []func(*lambdatrigger.Options)
		want []string
	}{
		{"a partial response is a retry", []func(*lambdatrigger.Options){retries(1)},
			[]string{"1 2 bad 4 5", "bad 4 5", "6"}},
		{"unless batches are split, which saves what follows", []func(*lambdatrigger.Options){retries(1), bisect},
			[]string{"1 2 bad 4 5", "bad 4 5", "bad 4", "bad", "bad", "4", "5", "6"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 1, func(s *stage) {
				s.put("k", "1", "2", "bad", "4", "5", "6")
				s.run(s.function(func(texts []string) (any, error) {
					if slices.Contains(texts, "bad") {
						return s.failures("bad"), nil
					}
					return nil, nil
				}), append(tt.opts, batchSize(5), reportFailures)...)
				s.wantInvoked(tt.want...)
			})
		})
	}
}

func TestWhatIsDiscardedIsToldAsLambdaTellsIt(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.server.Clock().Freeze()
		s.put("k", "1", "bad", "3")
		arrival := s.server.Clock().Now().UTC().Format("2006-01-02T15:04:05.000Z")
		var discarded []lambdatrigger.FailureRecord
		s.run(s.function(poisoned("bad")), retries(2), func(o *lambdatrigger.Options) {
			o.Now = s.server.Clock().Now
			o.OnFailure = func(_ context.Context, f lambdatrigger.FailureRecord) { discarded = append(discarded, f) }
		})
		if len(discarded) != 1 {
			t.Fatalf("%d failure records, want 1", len(discarded))
		}
		f := discarded[0]
		if f.RequestContext.RequestID == "" || !strings.Contains(f.Payload, `"sequenceNumber":"`+s.sequenceOf("bad")) {
			t.Errorf("the failure record has request ID %q and payload %s", f.RequestContext.RequestID, f.Payload)
		}
		f.RequestContext.RequestID, f.Payload = "id", ""
		got, err := json.MarshalIndent(f, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		want := `{
	"requestContext": {
		"requestId": "id",
		"functionArn": "arn:aws:lambda:us-east-1:000000000000:function:function",
		"condition": "RetryAttemptsExhausted",
		"approximateInvokeCount": 3
	},
	"responseContext": {
		"statusCode": 200,
		"executedVersion": "$LATEST",
		"functionError": "Unhandled"
	},
	"version": "1.0",
	"timestamp": "` + arrival + `",
	"KinesisBatchInfo": {
		"shardId": "shardId-000000000000",
		"startSequenceNumber": "` + s.sequenceOf("1") + `",
		"endSequenceNumber": "` + s.sequenceOf("3") + `",
		"approximateArrivalOfFirstRecord": "` + arrival + `",
		"approximateArrivalOfLastRecord": "` + arrival + `",
		"batchSize": 3,
		"streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/orders"
	}
}`
		if string(got) != want {
			t.Errorf("the failure record is\n%s\nwant\n%s", got, want)
		}
	})
}

func TestRecordsThatAreTooOldAreDiscarded(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "ancient")
		<-time.After(time.Hour)
		s.put("k", "bad", "young")
		var discarded []lambdatrigger.FailureRecord
		_, stop := s.start(s.function(func(texts []string) (any, error) {
			if texts[0] == "bad" {
				<-time.After(20 * time.Second)
				return s.failures("bad"), nil
			}
			return nil, nil
		}), reportFailures, func(o *lambdatrigger.Options) {
			o.MaximumRecordAge = time.Minute
			o.OnFailure = func(_ context.Context, f lambdatrigger.FailureRecord) { discarded = append(discarded, f) }
		})
		<-time.After(30 * time.Second)
		s.put("k", "after")
		<-time.After(time.Minute)
		stop()
		s.wantInvoked("bad young", "bad young", "bad young", "after")
		if len(discarded) != 2 {
			t.Fatalf("%d failure records, want 2", len(discarded))
		}
		for i, want := range []struct {
			first    string
			records  int
			invoked  int
			answered bool
		}{
			{"ancient", 1, 0, false},
			{"bad", 2, 3, true},
		} {
			f := discarded[i]
			if f.RequestContext.Condition != lambdatrigger.RecordAgeExceeded ||
				f.KinesisBatchInfo.StartSequenceNumber != s.sequenceOf(want.first) || f.KinesisBatchInfo.BatchSize != want.records ||
				f.RequestContext.ApproximateInvokeCount != want.invoked || (f.ResponseContext != nil) != want.answered {
				t.Errorf("failure record %d is %+v, want %+v with RecordAgeExceeded", i, f, want)
			}
			if want.answered && f.ResponseContext.FunctionError != "" {
				t.Errorf("FunctionError is %q, want none: the function has answered", f.ResponseContext.FunctionError)
			}
		}
	})
}

func TestAPanicAndAnOverrunAreFailures(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1")
		var calls int
		s.run(s.function(func([]string) (any, error) {
			switch calls++; calls {
			case 1:
				panic("no such order")
			case 2:
				<-time.After(4 * time.Second)
			}
			return nil, nil
		}), func(o *lambdatrigger.Options) { o.Timeout = 3 * time.Second })
		s.wantInvoked("1", "1", "1")
	})
}

func TestAnInvocationKnowsItsDeadlineItsIDAndItsFunction(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1", "2")
		ids := map[string]bool{}
		s.run(func(ctx context.Context, _ json.RawMessage) error {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) != 3*time.Second {
				t.Errorf("the deadline is %v, %t; want in 3 s", deadline, ok)
			}
			lc, ok := lambdacontext.FromContext(ctx)
			if want := "arn:aws:lambda:us-east-1:000000000000:function:ship"; !ok || lc.InvokedFunctionArn != want {
				t.Errorf("the Lambda context is %+v, want ARN %s", lc, want)
			}
			ids[lc.AwsRequestID] = true
			return nil
		}, batchSize(1), func(o *lambdatrigger.Options) { o.Timeout, o.FunctionName = 3*time.Second, "ship" })
		if len(ids) != 2 {
			t.Errorf("the request IDs are %v, want two", ids)
		}
	})
}
