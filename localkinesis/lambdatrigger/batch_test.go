package lambdatrigger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

func TestRecordsComeInOrderAndInBatches(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", number("", 10)...)
		s.run(s.function(succeed), batchSize(4))
		s.wantInvoked("1 2 3 4", "5 6 7 8", "9 10")
	})
}

func TestWithoutAWindowABatchIsWhatIsThere(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		_, stop := s.start(s.function(succeed))
		for _, text := range number("", 3) {
			s.put("k", text)
			<-time.After(1100 * time.Millisecond)
		}
		stop()
		s.wantInvoked("1", "2", "3")
	})
}

func TestABatchWaitsForItsWindowUnlessItIsFull(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		_, stop := s.start(s.function(succeed), batchSize(4), func(o *lambdatrigger.Options) {
			o.MaximumBatchingWindow = 10 * time.Second
		})
		s.put("k", "1")
		<-time.After(5 * time.Second)
		s.put("k", "2")
		<-time.After(4 * time.Second)
		s.wantInvoked()
		<-time.After(3 * time.Second) // the first poll may have come before the record
		s.wantInvoked("1 2")

		s.put("k", number("full", 5)...)
		<-time.After(2 * time.Second)
		s.wantInvoked("1 2", "full1 full2 full3 full4")
		<-time.After(10 * time.Second)
		stop()
		s.wantInvoked("1 2", "full1 full2 full3 full4", "full5")
	})
}

func TestABatchOfSixMebibytesIsFull(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		// A mebibyte is 1.33 in the event's base64: four fit.
		large := strings.Repeat("x", 1<<20-100)
		s.put("k", large, large, large, large, large, "small")
		var sizes []int
		s.run(s.function(func(texts []string) (any, error) {
			sizes = append(sizes, len(texts))
			return nil, nil
		}))
		if len(sizes) != 2 || sizes[0] != 4 || sizes[1] != 2 {
			t.Errorf("the batches have %v records, want 4 and 2", sizes)
		}
	})
}

func TestABatchThatStillWaitsWhenRunEndsIsNotDelivered(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.put("k", "1")
		_, stop := s.start(s.function(succeed), func(o *lambdatrigger.Options) { o.MaximumBatchingWindow = time.Minute })
		<-time.After(10 * time.Second)
		stop()
		s.wantInvoked()
	})
}
