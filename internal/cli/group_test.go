package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// opened opens a group in a place, and makes it if it is new.
func opened(t *testing.T, place, group string) lease.Store {
	t.Helper()
	a := &app{lookupEnv: noVariables}
	store, err := a.openPlace(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.close() })
	g, err := store.open(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// give makes a lease, lets owner take it unless that is empty, and moves it to a
// checkpoint unless that is zero.
func give(t *testing.T, store lease.Store, l lease.Lease, owner string, done kinetrail.Position) lease.Lease {
	t.Helper()
	l.Key = l.ShardID
	err := store.Create(t.Context(), l)
	row := l
	if err == nil && owner != "" {
		row, err = store.Take(t.Context(), l, owner)
	}
	if err == nil && !done.IsZero() {
		row, err = store.Checkpoint(t.Context(), row, done)
	}
	if err == nil && done.IsShardEnd() {
		row, err = store.Release(t.Context(), row)
	}
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// frozenGroup is a server that stands still, with a stream "events" that was split
// once, and the group "audit": host-a is in the middle of a container of the first
// child, nobody has the second, and the parent is finished.
func frozenGroup(t *testing.T, place string) (server *localkinesis.Server, flags []string) {
	t.Helper()
	server, flags = localServer(t)
	server.Clock().Freeze()
	start := time.Date(2023, 11, 14, 9, 0, 0, 0, time.UTC)
	server.Clock().Set(start)
	create(t, server.Client(), "events", 1)
	server.Clock().Set(start.Add(time.Minute))
	succeed(t, with(flags, "reshard", "events", "--shards", "2")...)
	put := func(shard int, at time.Duration) kinetrail.Position {
		server.Clock().Set(start.Add(at))
		out, err := server.Client().PutRecord(t.Context(), &kinesis.PutRecordInput{
			StreamName: aws.String("events"), PartitionKey: aws.String("k"), Data: []byte("x"),
			ExplicitHashKey: aws.String([]string{"0", "340282366920938463463374607431768211455"}[shard]),
		})
		if err != nil {
			t.Fatal(err)
		}
		return kinetrail.At(*out.SequenceNumber, 3)
	}
	done := put(0, 2*time.Minute)
	put(0, 3*time.Minute)
	put(1, 4*time.Minute)
	server.Clock().Set(start.Add(time.Hour))

	group := opened(t, place, "audit")
	first, second := shardID(1), shardID(2)
	give(t, group, lease.Lease{ShardID: shardID(0), Checkpoint: kinetrail.TrimHorizon(), Children: []string{first, second}}, "host-a", kinetrail.ShardEnd())
	give(t, group, lease.Lease{ShardID: first, Parents: []string{shardID(0)}, Checkpoint: kinetrail.TrimHorizon()}, "host-a", done)
	give(t, group, lease.Lease{ShardID: second, Parents: []string{shardID(0)}, Checkpoint: kinetrail.Latest(), Start: kinetrail.AtTime(start.Add(90 * time.Second))}, "", kinetrail.Position{})
	return server, flags
}

func TestGroupCommandsShowWhatAnyStoreHolds(t *testing.T) {
	t.Parallel()
	for kind, place := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			_, flags := frozenGroup(t, place)
			shown := func(command ...string) string {
				text := succeed(t, with(flags, append(command, "--store", place)...)...)
				return strings.ReplaceAll(text, place, "STORE")
			}
			golden(t, "group_list.txt", shown("group", "list"))
			golden(t, "group_list.json", shown("group", "list", "-o", "json"))
			golden(t, "group_list.tsv", shown("group", "list", "-o", "tsv"))
			golden(t, "group_describe.txt", shown("group", "describe", "audit"))
			golden(t, "group_describe_stream.txt", shown("group", "describe", "audit", "--stream", "events", "--watch", "1ms"))
			golden(t, "group_describe.json", shown("group", "describe", "audit", "--stream", "events", "-o", "json"))
			golden(t, "group_describe.tsv", shown("group", "describe", "audit", "-o", "tsv"))
			golden(t, "group_lag.txt", shown("group", "lag", "audit", "--stream", "events"))
			golden(t, "group_lag.tsv", shown("group", "lag", "audit", "--stream", "events", "-o", "tsv"))
		})
	}
}

func TestLagKnowsOfAShardOnlyWhatTheStreamKnows(t *testing.T) {
	t.Parallel()
	place := "file:" + t.TempDir()
	server, flags := frozenGroup(t, place)
	create(t, server.Client(), "others", 1)
	for stream, want := range map[string]string{"orders": "the stream does not know this checkpoint", "others": "the shard is gone"} {
		var look lagLook
		if err := json.Unmarshal([]byte(succeed(t, with(flags, "group", "lag", "audit", "--stream", stream, "-o", "json", "--store", place)...)), &look); err != nil {
			t.Fatal(err)
		}
		if got := look.Shards[0]; got.Problem != want || got.BehindMs != nil {
			t.Errorf("lag of another stream's checkpoint is %+v; want the problem %q", got, want)
		}
	}
}

func TestResetShowsFirstAndActsOnlyWhenToldAndWhenNobodyIsAlive(t *testing.T) {
	t.Parallel()
	for kind, place := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			_, flags := frozenGroup(t, place)
			reset := func(args ...string) ran {
				return run(t, "", with(flags, append([]string{"group", "reset", "audit", "--store", place, "--lease-duration", "50ms"}, args...)...)...)
			}
			before := succeed(t, "group", "describe", "audit", "--store", place, "-o", "tsv")
			golden(t, "group_reset_dry.txt", reset("--to", "2023-11-14T09:02:30Z").stdout)
			if after := succeed(t, "group", "describe", "audit", "--store", place, "-o", "tsv"); after != before {
				t.Errorf("after a dry run the group is\n%s\nwant\n%s", after, before)
			}

			worker := keepAlive(t, opened(t, place, "audit"), shardID(1))
			got := reset("--to", "trim-horizon", "--yes", "--lease-duration", "1m") // the first renewal ends the look for the living
			const want = "kinetrail: group audit has living workers: host-a\nStop them first; --force takes their shards from them.\n"
			if got != (ran{code: exitFailure, stderr: want}) {
				t.Errorf("reset while a worker is alive: %+v; want exit code 1 and %q", got, want)
			}
			if got := reset("--to", "trim-horizon", "--yes", "--force", "--shard", shardID(1)); got.code != exitOK {
				t.Errorf("reset --force: %+v; want exit code 0", got)
			}
			worker.mustBeFenced()
			golden(t, "group_reset.txt", reset("--to", "2023-11-14T09:02:30Z", "--yes").stdout)
			// The second record of the first child came at 09:03, that of the second at 09:04.
			golden(t, "group_reset_lag.tsv", succeed(t, with(flags, "group", "lag", "audit", "--stream", "events", "-o", "tsv", "--store", place)...))
			golden(t, "group_reset_latest.txt", reset("--to", "latest", "--stream", "events", "--yes").stdout)
			golden(t, "group_reset_latest_lag.tsv", succeed(t, with(flags, "group", "lag", "audit", "--stream", "events", "-o", "tsv", "--store", place)...))
		})
	}
}

func TestResetToLatestKnowsShardsTheGroupDoesNot(t *testing.T) {
	t.Parallel()
	place := "file:" + t.TempDir()
	_, flags := frozenGroup(t, place)
	succeed(t, with(flags, "reshard", "events", "--shards", "3")...)
	succeed(t, with(flags, "put", "events", "old", "-k", "k")...)
	succeed(t, with(flags, "group", "reset", "audit", "--to", "latest", "--stream", "events", "--yes", "--lease-duration", "10ms", "--store", place)...)
	got := succeed(t, with(flags, "group", "describe", "audit", "--store", place, "--stream", "events", "-o", "json")...)
	var described describedGroup
	if err := json.Unmarshal([]byte(got), &described); err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, l := range described.Leases {
		if l.Checkpoint != "SHARD_END" {
			open++
			if at := "AT_TIMESTAMP:2023-11-14T10:00:00Z"; l.Checkpoint != at {
				t.Errorf("%s is at %s; want %s", l.ShardID, l.Checkpoint, at)
			}
		}
	}
	if open != 3 {
		t.Errorf("%d shards are open to the group; want the 3 that are", open)
	}
}

// owner renews a lease as its owner does, until it is fenced or the test ends.
type owner struct {
	t       *testing.T
	renewed chan struct{} // full after a renewal
	ended   chan error    // what the renewals ended with, then closed
	stop    func()
}

// keepAlive makes an owner that has renewed its lease once.
func keepAlive(t *testing.T, store lease.Store, key string) *owner {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	leases, err := store.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	held := leases[slices.IndexFunc(leases, func(l lease.Lease) bool { return l.Key == key })]
	o := &owner{t: t, renewed: make(chan struct{}, 1), ended: make(chan error, 1)}
	go func() {
		defer close(o.ended)
		for ctx.Err() == nil {
			if held, err = store.Renew(ctx, held); err != nil && ctx.Err() == nil {
				o.ended <- err
				return
			}
			select {
			case o.renewed <- struct{}{}:
			default:
			}
			_ = wait(ctx, 20*time.Millisecond)
		}
	}()
	o.stop = func() {
		cancel()
		<-o.ended
	}
	t.Cleanup(o.stop)
	o.mustGoOn(1)
	return o
}

// mustGoOn waits for renewals, of which the first may have been before.
func (o *owner) mustGoOn(renewals int) {
	o.t.Helper()
	for range renewals {
		select {
		case <-o.renewed:
		case err := <-o.ended:
			o.t.Fatalf("the worker could not go on renewing: %v", err)
		}
	}
}

// mustBeFenced waits for the renewal that fails.
func (o *owner) mustBeFenced() {
	o.t.Helper()
	select {
	case err := <-o.ended:
		if !errors.Is(err, lease.ErrConflict) {
			o.t.Errorf("the worker ended with %v; want that it is fenced", err)
		}
	case <-time.After(time.Minute):
		o.t.Error("the worker goes on renewing; want that it is fenced")
	}
}

func TestMoveAndReleaseSayWhatBecameOfALease(t *testing.T) {
	t.Parallel()
	for kind, place := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			frozenGroup(t, place)
			group := func(args ...string) ran {
				return run(t, "", append(append([]string{"group"}, args...), "--store", place)...)
			}
			tests := []struct {
				args []string
				want ran
			}{
				{[]string{"move", "audit", shardID(2), "host-b"}, ran{code: 1, stderr: "kinetrail: no lease of group audit belongs to a worker \"host-b\"\nIf it is a worker that has no shard yet, add --any-worker.\n"}},
				{[]string{"move", "audit", shardID(2), "host-b", "--any-worker"}, ran{stdout: "host-b has " + shardID(2) + ", which it goes on with at 2023-11-14T09:01:30.000Z.\n"}},
				{[]string{"move", "audit", shardID(1), "host-b", "--wait", "50ms"}, ran{code: 1, stderr: "kinetrail: host-a has not handed " + shardID(1) + " over within 50ms; the request stays, and host-b takes the shard when it can\n"}},
				{[]string{"move", "audit", shardID(7), "host-b"}, ran{code: 1, stderr: "kinetrail: group audit has no lease for shard \"" + shardID(7) + "\"\n\"kinetrail group describe audit --store " + shellWord(place) + "\" shows its shards.\n"}},
				{[]string{"release", "audit", "--worker", "host-c", "--lease-duration", "20ms"}, ran{code: 1, stderr: "kinetrail: no lease of group audit belongs to a worker \"host-c\"\n\"kinetrail group describe audit --store " + shellWord(place) + "\" shows the owners.\n"}},
				{[]string{"release", "audit", "--worker", "host-b", "--lease-duration", "20ms"}, ran{stdout: shardID(2) + " is free: it was with host-b, which is dead, and goes on at 2023-11-14T09:01:30.000Z.\n"}},
				{[]string{"release", "audit", shardID(2)}, ran{stdout: shardID(2) + " is nobody's already.\n"}},
			}
			for _, tt := range tests {
				if got := group(tt.args...); got != tt.want {
					t.Errorf("group %q: %+v; want %+v", tt.args, got, tt.want)
				}
			}
		})
	}
}

func TestReleaseAsksALivingWorkerWhichHandsOver(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	place := "file:" + t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	shown := make(chan struct{}, 10)
	ended := make(chan int, 1)
	go func() {
		stdout := &tellingOutput{tell: func() { shown <- struct{}{} }}
		ended <- Run(ctx, with(flags, "tail", "orders", "--group", "audit", "--store", place, "--from", "trim-horizon"), strings.NewReader(""), stdout, io.Discard, noVariables)
	}()
	putLinesInto(t, flags, "orders", "user-1")
	<-shown // the header
	<-shown
	got := run(t, "", "group", "release", "audit", shardID(1), "--store", place, "--wait", "2m")
	if got.code != exitOK || !strings.Contains(got.stdout, shardID(1)+" is free: it was with ") || !strings.Contains(got.stdout, ", which was asked, and goes on at 4") {
		t.Errorf("release: %+v; want that the worker was asked, and its checkpoint", got)
	}
	interrupt()
	<-ended
}

func TestCopyCarriesAGroupToAnotherStoreOnce(t *testing.T) {
	t.Parallel()
	from, to := "file:"+t.TempDir(), "redis://"+miniredis.RunT(t).Addr()
	frozenGroup(t, from)
	copyGroup := func(args ...string) ran {
		got := run(t, "", append([]string{"group", "copy", "audit", "--store", from, "--to-store", to, "--lease-duration", "50ms"}, args...)...)
		got.stdout = strings.ReplaceAll(strings.ReplaceAll(got.stdout, from, "FROM"), to, "TO")
		got.stderr = strings.ReplaceAll(got.stderr, to, "TO")
		return got
	}
	golden(t, "group_copy_dry.txt", copyGroup("--dry-run").stdout)
	if got := succeed(t, "group", "list", "--store", to); got != "There are no groups in "+to+".\n" {
		t.Errorf("after a dry run the target has %q; want nothing", got)
	}
	golden(t, "group_copy.txt", copyGroup().stdout)
	golden(t, "group_copy_again.txt", copyGroup().stdout)
	source, target := succeed(t, "group", "describe", "audit", "--store", from, "-o", "tsv"), succeed(t, "group", "describe", "audit", "--store", to, "-o", "tsv")
	if checkpoints(source) != checkpoints(target) {
		t.Errorf("the copy has the checkpoints\n%s\nwant\n%s", target, source)
	}
	succeed(t, "group", "reset", "audit", "--to", "trim-horizon", "--yes", "--store", from, "--lease-duration", "20ms")
	const occupied = "kinetrail: group audit in TO has other checkpoints for 3 shards already\n--replace overwrites them; --dry-run shows what it would write.\n"
	if got := copyGroup(); got != (ran{code: exitFailure, stderr: occupied}) {
		t.Errorf("copy onto other checkpoints: %+v; want exit code 1 and %q", got, occupied)
	}
	golden(t, "group_copy_replace.txt", copyGroup("--replace").stdout)
	succeed(t, "group", "copy", "audit", "trial", "--store", from)
	if got := succeed(t, "group", "list", "--store", from, "-o", "tsv"); !strings.Contains(got, "trial\t3\t") {
		t.Errorf("after a copy under another name there are\n%s\nwant trial", got)
	}
	same := run(t, "", "group", "copy", "audit", "--store", from)
	if same.code != exitUsage || !strings.Contains(same.stderr, "a group cannot be copied onto itself") {
		t.Errorf("copy of a group onto itself: %+v; want exit code 2", same)
	}
}

func TestCopyMakesNoGroupWhenItIsRefusedOrDry(t *testing.T) {
	t.Parallel()
	for kind, place := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			frozenGroup(t, place)
			before := succeed(t, "group", "list", "--store", place, "-o", "tsv")
			copyGroup := func(args ...string) ran {
				return run(t, "", append([]string{"group", "copy", "audit", "trial", "--store", place, "--lease-duration", "50ms"}, args...)...)
			}
			wantAsBefore := func(what string) {
				t.Helper()
				if got := succeed(t, "group", "list", "--store", place, "-o", "tsv"); got != before {
					t.Errorf("after %s there are the groups\n%s\nwant\n%s", what, got, before)
				}
			}
			if got := copyGroup("--dry-run"); got.code != exitOK {
				t.Errorf("copy --dry-run: %+v; want exit code 0", got)
			}
			wantAsBefore("a dry run")
			worker := keepAlive(t, opened(t, place, "audit"), shardID(1))
			for _, args := range [][]string{{"--lease-duration", "1m"}, {"--lease-duration", "1m", "--dry-run"}} {
				if got := copyGroup(args...); got.code != exitFailure || !strings.Contains(got.stderr, "group audit has living workers: host-a") {
					t.Errorf("copy %q while a worker is alive: %+v; want that it is refused", args, got)
				}
			}
			worker.mustGoOn(3)
			worker.stop()
			wantAsBefore("a copy that was refused")
			if got := copyGroup(); got.code != exitOK || !strings.Contains(got.stdout, "Group trial is in ") {
				t.Errorf("copy when nobody is alive: %+v; want that it is done", got)
			}
		})
	}
}

// checkpoints are shard and checkpoint of every line of group describe -o tsv.
func checkpoints(tsv string) string {
	var out strings.Builder
	for line := range strings.Lines(tsv) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		out.WriteString(fields[0] + " " + fields[3] + "\n")
	}
	return out.String()
}

func TestImportTakesOverTheCheckpointsOfAsyncKinesis(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	python := miniredis.RunT(t)
	const sequence = "49680413953099825461220036845490588149944335263760121858"
	if err := python.Set("pyredis-orders-"+shardID(0), `{"ref": null, "ts": null, "sequence": "`+sequence+`"}`); err != nil {
		t.Fatal(err)
	}
	place := "file:" + t.TempDir()
	args := with(flags, "group", "import", "audit", "--from", "redis://"+python.Addr(), "--name", "orders", "--stream", "orders", "--store", place)
	got := succeed(t, args...)
	if !strings.Contains(got, shardID(0)+"  created  "+sequence+"\n") || !strings.HasSuffix(got, "Group audit is in "+place+" now, with 1 shard.\n") {
		t.Errorf("import printed\n%s\nwant the checkpoint of the one shard that has one", got)
	}
	none := run(t, "", with(flags, "group", "import", "audit", "--from", "redis://"+python.Addr(), "--name", "nosuch", "--stream", "orders", "--store", place)...)
	if want := "kinetrail: in redis://" + python.Addr() + " there are no checkpoints of \"nosuch\" for shards of the stream\n"; none != (ran{code: exitFailure, stderr: want}) {
		t.Errorf("import of nothing: %+v; want %q", none, want)
	}
}

func TestGroupsOfDynamoDBAreItsLeaseTables(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"ListTables":    `{"TableNames":["orders-app","users"]}`,
		"DescribeTable": `{"Table":{"TableName":"orders-app","TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"leaseKey","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"leaseKey","AttributeType":"S"}]}}`,
		"Scan": `{"Count":1,"Items":[{"leaseKey":{"S":"shardId-000000000000"},"leaseOwner":{"S":"java-7"},"leaseCounter":{"N":"98"},
			"checkpoint":{"S":"TRIM_HORIZON"},"checkpointSubSequenceNumber":{"N":"0"},"ownerSwitchesSinceCheckpoint":{"N":"0"}}]}`,
	}
	database := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
		answer := answers[operation]
		if operation == "DescribeTable" && bytes.Contains(body, []byte(`"users"`)) {
			answer = `{"Table":{"TableName":"users","TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}}`
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(database.Close)
	for _, place := range []string{"dynamodb:?endpoint=" + database.URL, "dynamodb:orders-app?endpoint=" + database.URL + "&region=eu-west-1"} {
		if got, want := succeed(t, "--local", "group", "list", "--store", place, "-o", "tsv"), "orders-app\t1\t0\t0\tjava-7\n"; got != want {
			t.Errorf("group list --store %s printed %q; want %q", place, got, want)
		}
		if got, want := succeed(t, "--local", "group", "describe", "orders-app", "--store", place, "-o", "tsv"), "shardId-000000000000\tjava-7\t98\tTRIM_HORIZON\t\n"; got != want {
			t.Errorf("group describe --store %s printed %q; want %q", place, got, want)
		}
	}
	if got := run(t, "", "--local", "group", "describe", "users", "--store", "dynamodb:?endpoint="+database.URL); got.code != exitFailure || !strings.Contains(got.stderr, "there is no group \"users\"") {
		t.Errorf("group describe of a table of something else: %+v; want that there is no such group", got)
	}
}
