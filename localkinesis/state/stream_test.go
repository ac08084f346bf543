package state_test

import (
	"errors"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/shardmap"
)

// A call looks its stream up and then changes it; another one may delete it
// between the two.
func TestAChangeThatComesAfterTheDeletionLeavesTheStreamDeleted(t *testing.T) {
	t.Parallel()
	const shard0, shard1 = "shardId-000000000000", "shardId-000000000001"
	for name, change := range map[string]func(*state.Stream) error{
		"delete":             func(s *state.Stream) error { return s.Delete(true) },
		"split":              func(s *state.Stream) error { return s.Split(shard0, shardmap.HashKey{Lo: 7}) },
		"merge":              func(s *state.Stream) error { return s.Merge(shard0, shard1) },
		"update shard count": func(s *state.Stream) error { _, err := s.UpdateShardCount(3); return err },
		"increase retention": func(s *state.Stream) error { return s.IncreaseRetention(48) },
		"encrypt":            func(s *state.Stream) error { return s.SetEncryption("alias/aws/kinesis") },
		"change the mode":    func(s *state.Stream) error { return s.SetMode(true, 0) },
		"change the size":    func(s *state.Stream) error { return s.SetMaxRecordBytes(2 << 20) },
		"register":           func(s *state.Stream) error { _, err := s.RegisterConsumer("reports", nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			region := newRegion(t)
			old := newStream(t, region)
			if err := old.Delete(true); err != nil {
				t.Fatal(err)
			}
			if err := change(old); !isNotFound(err) {
				t.Errorf("the change: %v; want ResourceNotFoundException", err)
			}
			if _, err := region.Stream("orders"); !isNotFound(err) {
				t.Errorf("the stream after the change: %v; want ResourceNotFoundException", err)
			}

			young := newStream(t, region)
			if err := change(old); !isNotFound(err) {
				t.Errorf("the change when the name is taken again: %v; want ResourceNotFoundException", err)
			}
			if now, err := region.Stream("orders"); now != young || err != nil {
				t.Errorf("the stream of the name is %p, %v; want the new one, %p", now, err, young)
			}
		})
	}
}

func newRegion(t *testing.T) *state.Region {
	t.Helper()
	account, err := state.NewAccount(state.Config{Clock: &state.Clock{}, ID: "000000000000", ShardLimit: 10})
	if err != nil {
		t.Fatal(err)
	}
	region, _, err := account.Region("us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	return region
}

func newStream(t *testing.T, region *state.Region) *state.Stream {
	t.Helper()
	if err := region.CreateStream(state.CreateStream{Name: "orders", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	stream, err := region.Stream("orders")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func isNotFound(err error) bool {
	refused, ok := errors.AsType[*state.Error](err)
	return ok && refused.Code == state.ResourceNotFound
}
