package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// aLook is a look at five shards, one of each kind.
func aLook() lagLook {
	owner, number := "host-a.example.com-l3xipf76idpu", func(ms int64) *int64 { return &ms }
	pace, upTo := 12.34, "2023-11-14T09:02:00Z"
	return lagLook{
		At: time.Date(2023, 11, 14, 9, 31, 26, 0, time.UTC), Group: "audit", Stream: "orders", BehindMs: 1_766_000, Finished: 2,
		Shards: []laggingShard{
			{ShardID: shardID(2), Started: true, Owner: &owner, BehindMs: number(0), UpTo: &upTo},
			{ShardID: shardID(3), Started: true, Owner: &owner, BehindMs: number(1_766_000), Pace: &pace, UpTo: &upTo},
			{ShardID: shardID(4), Started: true, BehindMs: number(42_500)},
			{ShardID: shardID(5), Started: true, Owner: &owner, Problem: "the shard is gone"},
			{ShardID: shardID(6), BehindMs: number(1_000)},
		},
	}
}

func TestLagIsDrawnIntoTheTerminalThereIs(t *testing.T) {
	t.Parallel()
	for _, size := range []struct {
		name          string
		width, height int
		paint         paint
	}{
		{"lag_screen_wide.txt", 110, 30, false},
		{"lag_screen_colour.txt", 110, 30, true},
		{"lag_screen_60.txt", 60, 30, false},
		{"lag_screen_40.txt", 40, 30, false},
		{"lag_screen_short.txt", 80, 6, false},
	} {
		drawn := drawLag(aLook(), size.paint, size.width, size.height)
		golden(t, size.name, strings.Join(drawn, "\n")+"\n")
		if len(drawn) > size.height {
			t.Errorf("%s: %d lines are drawn on a terminal of %d", size.name, len(drawn), size.height)
		}
		for _, line := range drawn {
			if displayWidth(line) > size.width {
				t.Errorf("%s: %q is wider than the terminal", size.name, line)
			}
		}
	}
}

func TestTheLagScreenLeavesTheLastLookBehind(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	screen := &lagScreen{out: &out, size: func() (int, int) { return 60, 20 }}
	for range 2 {
		if err := screen.show(aLook()); err != nil {
			t.Fatal(err)
		}
	}
	screen.end()
	got := out.String()
	if n := strings.Count(got, enterScreen); n != 1 || !strings.HasPrefix(got, enterScreen) {
		t.Errorf("the screen is entered %d times; want once, first of all", n)
	}
	_, after, left := strings.Cut(got, leaveScreen)
	if want := strings.Join(drawLag(aLook(), false, 60, 20), "\n") + "\n"; !left || after != want {
		t.Errorf("behind the screen stands %q; want the last look %q", after, want)
	}
}

func TestLagMeasuresThePaceOfCheckpoints(t *testing.T) {
	t.Parallel()
	start := time.Date(2023, 11, 14, 9, 0, 0, 0, time.UTC)
	w := new(lagWatch)
	behind := int64(60_000)
	look := func(after, read time.Duration) *float64 {
		l := lagLook{At: start.Add(after), Shards: []laggingShard{{key: "s", BehindMs: &behind, at: start.Add(read)}}}
		w.pace(&l)
		return l.Shards[0].Pace
	}
	if got := look(0, 0); got != nil {
		t.Errorf("the pace after one look is %v; want none", *got)
	}
	if got := look(10*time.Second, 40*time.Second); got == nil || *got != 4 {
		t.Errorf("the pace of 40 s in 10 s is %v; want 4", got)
	}
	// The first look is too old by now; the second is what is compared with.
	if got := look(35*time.Second, 65*time.Second); got == nil || *got != 1 {
		t.Errorf("the pace of 25 s in the 25 s since the oldest look is %v; want 1", got)
	}
	behind = 0
	if got := look(36*time.Second, 65*time.Second); got != nil {
		t.Errorf("the pace at the tip is %v; want none, there is nothing to read", *got)
	}
}

// threeQuarters of the hash keys lie below it.
const threeQuarters = "255211775190703847597530955573826158592"

func TestLagCountsShardsThatNoWorkerHasSeenYet(t *testing.T) {
	t.Parallel()
	place := "file:" + t.TempDir()
	server, flags := localServer(t)
	server.Clock().Freeze()
	start := time.Date(2023, 11, 14, 9, 0, 0, 0, time.UTC)
	server.Clock().Set(start)
	create(t, server.Client(), "events", 1)
	succeed(t, with(flags, "reshard", "events", "--shards", "2")...)
	// The group has begun behind that reshard, and is at the end of both shards.
	audit := opened(t, place, "audit")
	for shard := 1; shard <= 2; shard++ {
		give(t, audit, lease.Lease{ShardID: shardID(shard), Checkpoint: kinetrail.TrimHorizon()}, "host-a", kinetrail.Position{})
	}
	show := func(form string) string {
		return succeed(t, with(flags, "group", "lag", "audit", "--stream", "events", "--store", place, "-o", form)...)
	}
	look := func() (l lagLook) {
		t.Helper()
		if err := json.Unmarshal([]byte(show(asJSON)), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if got := look(); len(got.Shards) != 2 || got.BehindMs != 0 {
		t.Errorf("before the second reshard lag shows %+v; want the two shards the group has, with no lag: what was split before it began is none of its business", got)
	}

	if _, err := server.Client().SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String("events"), ShardToSplit: aws.String(shardID(2)), NewStartingHashKey: aws.String(threeQuarters),
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := lagSentence(look()), "Group audit has caught up with events; 2 shards not started."; got != want {
		t.Errorf("with empty shards that nobody has seen lag says %q; want %q", got, want)
	}
	put := func(hashKey string) {
		t.Helper()
		succeed(t, with(flags, "put", "events", "x", "-k", "k", "--explicit-hash-key", hashKey)...)
	}
	put("0") // the first shard was not split
	put("340282366920938463463374607431768211455")
	server.Clock().Set(start.Add(time.Hour))
	golden(t, "group_lag_not_started.txt", show(asTable))
	golden(t, "group_lag_not_started.tsv", show(asTSV))
	got := look()
	if got.BehindMs != time.Hour.Milliseconds() || len(got.Shards) != 4 {
		t.Fatalf("lag shows %+v; want four shards and an hour", got)
	}
	described := succeed(t, with(flags, "group", "describe", "audit", "--stream", "events", "--store", place)...)
	if want := "Not started  " + shardID(3) + " " + shardID(4); !strings.Contains(described, want) {
		t.Errorf("group describe --stream prints\n%s\nwant a line %q", described, want)
	}
}

func TestLagOfAGroupWithoutLeasesIsThatOfEveryShard(t *testing.T) {
	t.Parallel()
	place := "file:" + t.TempDir()
	server, flags := localServer(t)
	create(t, server.Client(), "events", 2)
	opened(t, place, "audit")
	got := succeed(t, with(flags, "group", "lag", "audit", "--stream", "events", "--store", place)...)
	if want := "Group audit has caught up with events; 2 shards not started.\n"; !strings.HasSuffix(got, want) {
		t.Errorf("lag of a group that no worker has begun prints\n%s\nwant the end %q", got, want)
	}
}

func TestLagGoesOnInLinesWhereThereIsNoTerminal(t *testing.T) {
	t.Parallel()
	place := "file:" + t.TempDir()
	_, flags := frozenGroup(t, place)
	watch := func(after int, form string) string {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		stdout := &onLines{counts: map[int]func(){after: interrupt}}
		var stderr bytes.Buffer
		code := Run(ctx, with(flags, "lag", "events", "--group", "audit", "--store", place, "--interval", "1ms", "-o", form), strings.NewReader(""), stdout, &stderr, noVariables)
		if code != exitInterrupted || stderr.Len() > 0 {
			t.Errorf("lag -o %s: exit code %d, stderr %q; want %d and silence", form, code, stderr.String(), exitInterrupted)
		}
		return stdout.text.String()
	}
	table := strings.Split(watch(5, "table"), "\n")
	if !strings.HasPrefix(table[0], "AT ") || !strings.Contains(table[1], shardID(1)+"  host-a") || !strings.Contains(table[4], shardID(2)) {
		t.Errorf("lag printed %q; want a header, and two looks at two shards", table)
	}
	for text := range strings.Lines(watch(2, "json")) {
		var look lagLook
		if err := json.Unmarshal([]byte(text), &look); err != nil || look.BehindMs != (57*time.Minute).Milliseconds() || len(look.Shards) != 2 {
			t.Errorf("lag -o json printed %s (%v); want 57 minutes for two shards", text, err)
		}
	}
	if got, want := strings.Split(watch(2, "tsv"), "\n")[0], shardID(1)+"\thost-a\t3420000\t2023-11-14T09:02:00Z"; got != want {
		t.Errorf("lag -o tsv printed %q; want %q", got, want)
	}
}

func TestLagGoesOnWhenALookFails(t *testing.T) {
	t.Parallel()
	place := "file:" + t.TempDir()
	server, flags := frozenGroup(t, place)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	stdout := &onLines{counts: map[int]func(){
		1: func() { addFault(t, server, "GetShardIterator nth=1 times=2 error=AccessDeniedException") },
		3: interrupt,
	}}
	code := Run(ctx, with(flags, "lag", "events", "--group", "audit", "--store", place, "--interval", "1ms", "-o", "json"), strings.NewReader(""), stdout, io.Discard, noVariables)
	var look lagLook
	if err := json.Unmarshal([]byte(strings.Split(stdout.text.String(), "\n")[1]), &look); err != nil {
		t.Fatal(err)
	}
	if code != exitInterrupted || look.Shards[0].Problem == "" || look.Shards[0].BehindMs != nil {
		t.Errorf("lag: exit code %d, and the second look is %+v; want %d and shards whose lag is not known", code, look, exitInterrupted)
	}
	screen := lagSentence(lagLook{Trouble: "file:x: gone", Shards: aLook().Shards})
	if want := "Nothing new: file:x: gone"; screen != want {
		t.Errorf("a look that failed says %q; want %q", screen, want)
	}
}

func TestAgesHaveTwoUnits(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]string{
		0: "0s", 7 * time.Millisecond: "7ms", 1500 * time.Millisecond: "1.5s", 61 * time.Second: "1m01s",
		59*time.Minute + 59*time.Second: "59m59s", 25*time.Hour + time.Minute: "1d01h", 2*time.Hour + 5*time.Minute: "2h05m",
	} {
		if got := ageText(age); got != want {
			t.Errorf("ageText(%v) = %q; want %q", age, got, want)
		}
	}
}
