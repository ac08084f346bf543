package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// begin talks to a server of its own through the Go SDK.
func begin(t *testing.T, faults ...string) *talk {
	t.Helper()
	server := localkinesis.Start(t)
	for _, text := range faults {
		rule, err := fault.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Faults().Add(rule); err != nil {
			t.Fatal(err)
		}
	}
	return &talk{ctx: t.Context(), sdk: goSDK{server.Client(noRetries)}, endpoint: server.URL(), operations: make(map[string]bool)}
}

func TestEverySubjectHoldsForTheGoSDK(t *testing.T) {
	t.Parallel()
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			talk := begin(t, s.faults...)
			s.play(talk)
			if err := talk.result(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheSubjectsCallEveryOperation(t *testing.T) {
	t.Parallel()
	called := make(map[string]bool)
	for _, s := range subjects {
		talk := begin(t, s.faults...)
		s.play(talk)
		maps.Copy(called, talk.operations)
	}
	if got, want := slices.Sorted(maps.Keys(called)), goOperations(); !slices.Equal(got, want) {
		t.Errorf("the subjects call %q\nwant %q", got, want)
	}
}

// forgetful is a library that does not make its n-th call and answers with
// nothing. It does not wait long for records that were not put.
type forgetful struct {
	sdk
	n     int
	calls int
}

func (f *forgetful) call(ctx context.Context, endpoint string, c apiCall) (apiAnswer, error) {
	if f.calls++; f.calls == f.n {
		return apiAnswer{Output: json.RawMessage(`{}`)}, nil
	}
	if c.Operation == "SubscribeToShard" {
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		ctx = short
	}
	return f.sdk.call(ctx, endpoint, c)
}

func TestEverySubjectSeesACallThatWasNotMade(t *testing.T) {
	t.Parallel()
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			whole := begin(t, s.faults...)
			s.play(whole)
			for n := 1; n <= whole.calls; n++ {
				talk := begin(t, s.faults...)
				talk.sdk = &forgetful{sdk: talk.sdk, n: n}
				s.play(talk)
				if talk.result() == nil {
					t.Errorf("call %d of %d was not made, and nothing is wrong", n, whole.calls)
				}
			}
		})
	}
}
