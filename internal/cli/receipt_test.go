package cli

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/producer"
)

func TestAReceiptSaysWhatBecameOfEveryRecord(t *testing.T) {
	t.Parallel()
	taken := func(sequence string) producer.Result {
		return producer.Result{ShardID: "shardId-000000000000", Position: kinetrail.At(sequence, 0)}
	}
	refused := func(why string) producer.Result { return producer.Result{Err: errors.New(why)} }
	type delivery struct {
		number int
		result producer.Result
	}
	for _, tt := range []struct {
		name        string
		deliveries  []delivery // in the order in which they come
		interrupted bool
		printed     string
		want        string
	}{
		{"all accepted, the second first", []delivery{{1, taken("11")}, {0, taken("10")}}, false,
			"shardId-000000000000\t10\nshardId-000000000000\t11\n", ""},
		{"two refused, the later one first", []delivery{{2, refused("late")}, {0, taken("10")}, {1, refused("early")}}, false,
			"shardId-000000000000\t10\n", "line 2 was not put: early; 1 record was accepted and is in the stream"},
		{"interrupted", []delivery{{0, taken("10")}, {1, taken("11")}}, true,
			"shardId-000000000000\t10\nshardId-000000000000\t11\n", "interrupted: 2 records were accepted and are in the stream"},
		{"interrupted before the answers were there", []delivery{{0, taken("10")}, {1, refused("too late")}, {2, refused("too late")}}, true,
			"shardId-000000000000\t10\n", "interrupted: 1 record was accepted and is in the stream; 2 more were not acknowledged"},
	} {
		var stdout bytes.Buffer
		a := &app{stdout: &stdout, stderr: &bytes.Buffer{}}
		receipt := a.newReceipt(&choice{value: asTSV}, true)
		for _, d := range tt.deliveries {
			receipt.deliver(d.number, d.result)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if tt.interrupted {
			cancel()
		}
		got := ""
		if err := receipt.conclude(ctx); err != nil {
			got = err.Error()
		}
		cancel()
		if got != tt.want || stdout.String() != tt.printed {
			t.Errorf("%s: %q, printed %q; want %q, %q", tt.name, got, stdout.String(), tt.want, tt.printed)
		}
	}
}

func TestColourIsWantedUnlessTheEnvironmentSaysOtherwise(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		variables map[string]string
		want      bool
	}{
		{nil, true},
		{map[string]string{"TERM": "xterm"}, true},
		{map[string]string{"TERM": "dumb"}, false},
		{map[string]string{"NO_COLOR": "1"}, false},
		{map[string]string{"NO_COLOR": ""}, true}, // as no-color.org has it
	} {
		a := &app{lookupEnv: func(name string) (string, bool) { value, set := tt.variables[name]; return value, set }}
		if got := a.wantsColour(); got != tt.want {
			t.Errorf("wantsColour with %v = %t; want %t", tt.variables, got, tt.want)
		}
	}
}
