package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

func TestReshardStepsKeepWithinDoubleAndHalf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to int
		want     []int
	}{
		{2, 2, []int{}},
		{1, 2, []int{2}},
		{2, 13, []int{4, 8, 13}},
		{13, 3, []int{7, 4, 3}},
		{3, 1, []int{2, 1}},
		{10, 5, []int{5}},
	}
	for _, tt := range tests {
		if got := reshardSteps(tt.from, tt.to); !slices.Equal(got, tt.want) {
			t.Errorf("reshardSteps(%d, %d) = %v; want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

// strictServer keeps to the limits of the service.
func strictServer(t *testing.T, opts ...func(*localkinesis.Options)) (server *localkinesis.Server, flags []string) {
	t.Helper()
	opts = append(opts, func(o *localkinesis.Options) { o.Strict, o.Streams = true, map[string]int{"orders": 2} })
	server = localkinesis.Start(t, opts...)
	return server, []string{"--local", "--endpoint-url", server.URL()}
}

// watched lets before see the operation of every call to the server, and
// returns the flags that lead there.
func watched(t *testing.T, server *localkinesis.Server, before func(operation string)) (flags []string) {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Kinesis_20131202."))
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return []string{"--local", "--endpoint-url", front.URL}
}

func openShards(t *testing.T, flags []string, stream string) int {
	t.Helper()
	var described describedStream
	if err := json.Unmarshal([]byte(succeed(t, with(flags, "describe", stream, "-o", "json")...)), &described); err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, shard := range described.Shards {
		if shard.Open {
			open++
		}
	}
	return open
}

func TestReshardTakesTheStepsTheServiceAllows(t *testing.T) {
	t.Parallel()
	_, flags := strictServer(t)
	if got, want := succeed(t, with(flags, "reshard", "orders", "--shards", "5", "--dry-run")...), "orders would go 2 → 4 → 5, in 2 calls.\n"; got != want {
		t.Errorf("reshard --dry-run printed %q; want %q", got, want)
	}
	if n := openShards(t, flags, "orders"); n != 2 {
		t.Errorf("after --dry-run there are %d open shards; want 2", n)
	}
	if got, want := succeed(t, with(flags, "reshard", "orders", "--shards", "5")...), "orders has 5 open shards now: 2 → 4 → 5, in "; !strings.HasPrefix(got, want) {
		t.Errorf("reshard printed %q; want %q and a time", got, want)
	}
	var result reshardResult
	if err := json.Unmarshal([]byte(succeed(t, with(flags, "reshard", "orders", "--shards", "2", "-o", "json")...)), &result); err != nil {
		t.Fatal(err)
	}
	if want := []int{3, 2}; result.From != 5 || result.To != 2 || !slices.Equal(result.Steps, want) {
		t.Errorf("reshard -o json printed %+v; want steps %v from 5 to 2", result, want)
	}
	if got, want := succeed(t, with(flags, "reshard", "orders", "--shards", "2")...), "orders has 2 open shards already.\n"; got != want {
		t.Errorf("reshard to what there is printed %q; want %q", got, want)
	}
}

func TestReshardWaitsForTheStreamAndSaysOnCtrlCWhatIsLeft(t *testing.T) {
	t.Parallel()
	server, _ := strictServer(t, func(o *localkinesis.Options) { o.UpdateDelay = time.Minute })
	server.Clock().Freeze()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var asked atomic.Int32
	flags := watched(t, server, func(operation string) {
		if operation != "DescribeStreamSummary" {
			return
		}
		switch asked.Add(1) {
		case 3:
			server.Clock().Advance(time.Minute) // the first step is done
		case 6:
			interrupt() // in the middle of the second
		}
	})
	var stdout, stderr bytes.Buffer
	code := Run(ctx, with(flags, "reshard", "orders", "--shards", "16"), strings.NewReader(""), &stdout, &stderr, noVariables)
	want := "kinetrail: interrupted: the service goes on to bring orders to 8 shards; \"kinetrail " + strings.Join(flags, " ") + " reshard orders --shards 16\" does the rest\n"
	if code != exitInterrupted || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("reshard: exit code %d, stderr %q, stdout %q; want %d, %q, silence", code, stderr.String(), stdout.String(), exitInterrupted, want)
	}
}

func TestReshardSaysHowFarItCameWhenAStepIsRefused(t *testing.T) {
	t.Parallel()
	server, flags := strictServer(t)
	rule, err := fault.Parse("UpdateShardCount nth=2 error=AccessDeniedException")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Faults().Add(rule); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", with(flags, "reshard", "orders", "--shards", "16")...)
	if got.code != exitFailure || !strings.HasSuffix(got.stderr, "(AccessDeniedException); orders has 4 open shards\n") || got.stdout != "" {
		t.Errorf("reshard: %+v; want the refusal and the 4 open shards there are", got)
	}
}
