package main

import (
	"testing"

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
