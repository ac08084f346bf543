package redislease_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/lease/redislease"
)

func TestGroupsAreThoseWithLeases(t *testing.T) {
	t.Parallel()
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := runID+"a*b}c", runID+"orders-app"
			for _, group := range []string{b, a} {
				if err := redislease.New(client, group).Create(t.Context(), lease.Lease{Key: "s", ShardID: "s", Checkpoint: kinetrail.TrimHorizon()}); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.Set(t.Context(), "kinetrail:{other", "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
			groups, err := redislease.Groups(t.Context(), client)
			if err != nil || !slices.Contains(groups, a) || !slices.Contains(groups, b) || slices.Contains(groups, "other") || !slices.IsSorted(groups) {
				t.Errorf("Groups = %q, %v; want %q and %q among them", groups, err, a, b)
			}
		})
	}
}

func TestAGroupIsCopiedIntoRedisAndBack(t *testing.T) {
	t.Parallel()
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, there, back := memlease.New(), redislease.New(client, runID+"copied"), memlease.New()
			want := lease.Lease{
				Key: "123456789012:orders:1700000000:shardId-000000000001", Stream: "123456789012:orders:1700000000", ShardID: "shardId-000000000001",
				Parents: []string{"shardId-000000000000"}, Checkpoint: kinetrail.At("4963", 17),
			}
			if err := from.Create(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct{ from, to lease.Store }{{from, there}, {there, back}} {
				if _, err := lease.Copy(t.Context(), step.from, step.to); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := back.List(t.Context()); err != nil || len(got) != 1 || got[0].Key != want.Key || got[0].Checkpoint != want.Checkpoint {
				t.Errorf("after there and back %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestMissingRightsAreErrorsThatNoRepetitionHeals(t *testing.T) {
	t.Parallel()
	server, client := inMemory(t)
	store := redislease.New(client, "orders-app")
	for message, want := range map[string]bool{
		"NOPERM User worker has no permissions to run the 'eval' command": true, "NOAUTH Authentication required.": true,
		"WRONGTYPE Operation against a key holding the wrong kind of value": true, "LOADING Redis is loading the dataset in memory": false,
	} {
		server.SetError(message)
		_, err := store.List(t.Context())
		if errors.Is(err, lease.ErrUnusable) != want || err == nil {
			t.Errorf("List with %q: %v; want an error that is lease.ErrUnusable: %t", message, err, want)
		}
		if err := store.Create(t.Context(), lease.Lease{Key: "s", ShardID: "s"}); errors.Is(err, lease.ErrUnusable) != want || err == nil {
			t.Errorf("Create with %q: %v; want an error that is lease.ErrUnusable: %t", message, err, want)
		}
	}
}
