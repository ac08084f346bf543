package lambdatrigger_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

func TestAFuncOfAnySignatureOfLambdaIsInvoked(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var called []string
	call := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		called = append(called, name)
	}
	functions := map[string]any{
		"nothing": func() { call("nothing") },
		"event":   func(events.KinesisEvent) { call("event") },
		"raw":     func(json.RawMessage) (json.RawMessage, error) { call("raw"); return nil, nil },
		"handler": lambda.NewHandler(func() { call("handler") }),
	}
	onStage(t, 1, func(s *stage) {
		s.put("k", "1")
		for _, function := range functions {
			s.run(function)
		}
	})
	slices.Sort(called)
	if want := []string{"event", "handler", "nothing", "raw"}; !slices.Equal(called, want) {
		t.Errorf("called were %v, want %v", called, want)
	}
}

// The function names, after a while, the second record of each batch as failed.
// Would it answer one shard in memory that it uses for another, the trigger would
// read numbers of no record of the batch, and deliver the whole batch again.
func TestAnswersOfConcurrentInvocationsDoNotMix(t *testing.T) {
	t.Parallel()
	onStage(t, 8, func(s *stage) {
		for _, key := range number("key", 40) {
			s.put(key, key+":1", key+":2")
		}
		seen := map[string]int{}
		var answered sync.Map
		s.run(s.function(func(texts []string) (any, error) {
			s.mu.Lock()
			for _, text := range texts {
				seen[text]++
			}
			s.mu.Unlock()
			<-time.After(time.Millisecond)
			second := slices.IndexFunc(texts, func(text string) bool { return strings.HasSuffix(text, ":2") })
			if second < 0 {
				return nil, nil
			}
			if _, again := answered.LoadOrStore(texts[second], true); again {
				return nil, nil
			}
			return s.failures(texts[second]), nil
		}), batchSize(2), reportFailures, tenLanes)
		for text, times := range seen {
			if strings.HasSuffix(text, ":1") && times != 1 {
				s.Errorf("record %s was delivered %d times, want once", text, times)
			}
		}
		if len(seen) != 80 {
			s.Errorf("%d records were delivered, want 80", len(seen))
		}
	})
}

func TestOneInvocationPerShardIsInFlightAndOneOfALambdaHandler(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		kind func(f func(events.KinesisEvent) error) any
		most int
	}{
		{"func", func(f func(events.KinesisEvent) error) any { return f }, 3},
		{"lambda.Handler", func(f func(events.KinesisEvent) error) any { return lambda.NewHandler(f) }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 3, func(s *stage) {
				for _, key := range number("key", 12) {
					s.put(key, key)
				}
				var gauge gauge
				s.run(tt.kind(func(events.KinesisEvent) error {
					gauge.enter()
					<-time.After(time.Second)
					gauge.leave()
					return nil
				}), batchSize(1))
				if gauge.most != tt.most || gauge.all != 12 {
					t.Errorf("%d invocations, at most %d in flight; want 12, %d", gauge.all, gauge.most, tt.most)
				}
			})
		})
	}
}

// gauge knows how many came in, and the most that were inside at once.
type gauge struct {
	mu                sync.Mutex
	inside, most, all int
}

func (g *gauge) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside++
	g.all++
	g.most = max(g.most, g.inside)
}

func (g *gauge) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
}

func TestWhatCannotBeInvokedIsRefused(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		for function, want := range map[any]string{
			nil: "the function is nil",
			42:  "the function is a int, not what lambda.Start takes or a *Runtime",
		} {
			if _, err := lambdatrigger.New(s.client, "orders", function); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("New with function %v: %v, want %q", function, err, want)
			}
		}
	})
}
