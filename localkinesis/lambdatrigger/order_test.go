package lambdatrigger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/kinesislambda"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Any mix of settings, with a function that takes its time and fails at random,
// delivers the records of a key in the order they were put: a record is seen for
// the first time only when all before it are done.
func TestTheOrderOfEachKeyHoldsWhateverFails(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		options := lambdatrigger.Options{
			BatchSize:                  1 + random.IntN(8),
			ParallelizationFactor:      []int{1, 1, 3, 10}[random.IntN(4)],
			BisectBatchOnFunctionError: random.IntN(2) == 0,
			ReportBatchItemFailures:    random.IntN(2) == 0,
			MaximumBatchingWindow:      time.Duration(random.IntN(2)) * time.Second,
		}
		name := fmt.Sprintf("seed %d: %d at once, %d lanes, bisect %t, partial %t, window %v", seed, options.BatchSize,
			options.ParallelizationFactor, options.BisectBatchOnFunctionError, options.ReportBatchItemFailures, options.MaximumBatchingWindow)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, 2, func(s *stage) { s.playRandom(random, options) })
		})
	}
}

func (s *stage) playRandom(random *rand.Rand, options lambdatrigger.Options) {
	const keys, perKey = 7, 8
	for i := range perKey {
		for key := range keys {
			s.put(fmt.Sprint("key", key), fmt.Sprintf("key%d:%d", key, i))
		}
		if i == perKey/2 {
			s.reshard(3)
		}
	}
	var mu sync.Mutex
	done := map[string]int{} // by key, how many are done
	handle := func(_ context.Context, r kinetrail.Record) error {
		mu.Lock()
		pause := time.Duration(random.IntN(20)) * time.Millisecond
		fails := random.IntN(4) == 0
		mu.Unlock()
		<-time.After(pause)

		mu.Lock()
		defer mu.Unlock()
		var number int
		if _, err := fmt.Sscanf(strings.TrimPrefix(string(r.Data), r.PartitionKey+":"), "%d", &number); err != nil {
			s.Errorf("record %q: %v", r.Data, err)
		}
		if number > done[r.PartitionKey] {
			s.Errorf("%s came when %d of its key were done", r.Data, done[r.PartitionKey])
		}
		if fails {
			return errPoison
		}
		done[r.PartitionKey] = max(done[r.PartitionKey], number+1)
		return nil
	}
	function := kinesislambda.Records(handle, silent, func(o *kinesislambda.Options) { o.WholeBatch = !options.ReportBatchItemFailures })
	s.run(function, func(o *lambdatrigger.Options) {
		o.BatchSize, o.ParallelizationFactor = options.BatchSize, options.ParallelizationFactor
		o.BisectBatchOnFunctionError, o.ReportBatchItemFailures = options.BisectBatchOnFunctionError, options.ReportBatchItemFailures
		o.MaximumBatchingWindow = options.MaximumBatchingWindow
		o.MaxRetryPause = 20 * time.Millisecond
	})
	for key := range keys {
		if got := done[fmt.Sprint("key", key)]; got != perKey {
			s.Errorf("%d records of key%d are done, want %d", got, key, perKey)
		}
	}
}

// carriedRecord is a record as a carrier puts it.
func carriedRecord(carrier tracecarrier.Carrier, key, text string, trace kinetrail.TraceContext) *kinesis.PutRecordInput {
	input := &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(text)}
	if carrier == tracecarrier.Headers {
		var container aggregate.Builder
		container.Add(&aggregate.UserRecord{PartitionKey: key, Data: input.Data, Headers: tracecarrier.AddHeaders(nil, trace)})
		input.Data = container.AppendTo(nil)
		return input
	}
	stored, hashKey, _ := tracecarrier.Writer{Carrier: carrier}.Write(key, "", trace)
	input.PartitionKey = &stored
	if hashKey != "" {
		input.ExplicitHashKey = &hashKey
	}
	return input
}

// The trap: with ParallelizationFactor above 1, Lambda orders by the stored key,
// and a key that carries a context differs from record to record.
func TestKeyCarriersLoseTheOrderOfAGroupInParallelLanes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		carrier   tracecarrier.Carrier
		factor    int
		connected bool
		ordered   bool
	}{
		{tracecarrier.Off, 1, false, true},
		{tracecarrier.Off, 10, false, true},
		{tracecarrier.Traceparent, 1, true, true},
		{tracecarrier.Traceparent, 10, true, false},
		{tracecarrier.Lossless, 1, true, true},
		{tracecarrier.Lossless, 10, true, false},
		{tracecarrier.Headers, 1, true, true},
		{tracecarrier.Headers, 10, true, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, factor %d", tt.carrier, tt.factor), func(t *testing.T) {
			t.Parallel()
			onStage(t, 2, func(s *stage) {
				seen := s.playGroups(tt.carrier, tt.factor)
				if seen.total != groups*perGroup {
					t.Errorf("%d records were handled, want %d", seen.total, groups*perGroup)
				}
				if ordered := len(seen.disordered) == 0; ordered != tt.ordered {
					t.Errorf("out of order are %v; order should be kept: %t", seen.disordered, tt.ordered)
				}
				if overlap := len(seen.overlapping) > 0; overlap == tt.ordered {
					t.Errorf("handled at the same time are two records of %v; that should happen: %t", seen.overlapping, !tt.ordered)
				}
				if connected := seen.connected == seen.total; connected != tt.connected {
					t.Errorf("%d of %d records have the trace of their put; all should: %t", seen.connected, seen.total, tt.connected)
				}
			})
		})
	}
}

const groups, perGroup = 20, 5

// sightings is what the handler of playGroups has seen.
type sightings struct {
	total, connected        int
	disordered, overlapping []string // groups
}

// playGroups puts events of several groups in turn and handles each in 1 to 20
// milliseconds.
func (s *stage) playGroups(carrier tracecarrier.Carrier, factor int) (seen sightings) {
	parent := func(text string) string {
		group, event := 0, 0
		_, _ = fmt.Sscanf(text, "group-%d event %d", &group, &event)
		return fmt.Sprintf("00-%032x-%016x-01", group+1, event+1)
	}
	for event := range perGroup {
		for group := range groups {
			key := fmt.Sprintf("group-%d", group)
			text := fmt.Sprintf("%s event %d", key, event)
			input := carriedRecord(carrier, key, text, kinetrail.TraceContext{Parent: parent(text)})
			if _, err := s.client.PutRecord(s.Context(), input); err != nil {
				s.Fatal(err)
			}
		}
	}

	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	handling := map[string]bool{}
	last := map[string]string{}
	handle := func(_ context.Context, r kinetrail.Record) error {
		text := string(r.Data)
		group, _, _ := strings.Cut(text, " ")
		mu.Lock()
		if handling[group] {
			seen.overlapping = append(seen.overlapping, group)
		}
		handling[group] = true
		pause := time.Duration(1+random.IntN(20)) * time.Millisecond
		mu.Unlock()
		<-time.After(pause)

		mu.Lock()
		defer mu.Unlock()
		handling[group] = false
		if text < last[group] {
			seen.disordered = append(seen.disordered, group)
		}
		last[group] = text
		seen.total++
		if r.Trace.Parent == parent(text) {
			seen.connected++
		}
		return nil
	}
	s.run(kinesislambda.Records(handle, silent), batchSize(5), reportFailures,
		func(o *lambdatrigger.Options) { o.ParallelizationFactor = factor })
	seen.disordered, seen.overlapping = distinct(seen.disordered), distinct(seen.overlapping)
	return seen
}

func distinct(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

func TestAParallelizationFactorBoundsTheInvocationsOfAShard(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		for _, key := range number("key", 60) {
			s.put(key, key)
		}
		var gauge gauge
		s.run(s.function(func([]string) (any, error) {
			gauge.enter()
			<-time.After(time.Second)
			gauge.leave()
			return nil, nil
		}), batchSize(1), func(o *lambdatrigger.Options) { o.ParallelizationFactor = 4 })
		if gauge.most != 4 || len(s.invoked) != 60 {
			t.Errorf("at most %d of %d invocations were in flight, want 4 of 60", gauge.most, len(s.invoked))
		}
	})
}

// silent keeps the failures of handlers out of the tests' output.
func silent(o *kinesislambda.Options) { o.Logger = quietLogger }
