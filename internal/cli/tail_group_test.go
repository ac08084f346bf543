package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// stores are places for groups, one of each kind that runs in this process.
func stores(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"file": "file:" + t.TempDir(), "redis": "redis://" + miniredis.RunT(t).Addr()}
}

// putLinesInto puts records with the keys that their data are.
func putLinesInto(t *testing.T, flags []string, stream string, data ...string) {
	t.Helper()
	for _, d := range data {
		succeed(t, with(flags, "put", stream, d, "-k", d)...)
	}
}

func TestTailOfAGroupGoesOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	for kind, store := range stores(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			_, flags := localServer(t)
			putLinesInto(t, flags, "orders", "1", "2", "3", "4", "5")
			var shown []string
			for range 5 {
				got := succeed(t, with(flags, "tail", "orders", "--group", "audit", "--store", store, "--from", "trim-horizon", "-n", "1", "-o", "raw")...)
				shown = append(shown, strings.TrimSpace(got))
			}
			slices.Sort(shown)
			if want := []string{"1", "2", "3", "4", "5"}; !slices.Equal(shown, want) {
				t.Errorf("five tails of one record each showed %q; want each record once", shown)
			}
		})
	}
}

func TestTwoTailsOfAGroupShareTheShardsAndCtrlCKeepsThePlace(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	store := "file:" + t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	shown := make(chan int)
	results := make(chan ran, 2)
	for number := range 2 {
		go func() {
			var stderr bytes.Buffer
			stdout := &tellingOutput{tell: func() { shown <- number }}
			code := Run(ctx, with(flags, "tail", "orders", "--group", "audit", "--store", store, "--from", "trim-horizon", "-o", "raw"),
				strings.NewReader(""), stdout, &stderr, noVariables)
			results <- ran{code, stdout.text.String(), stderr.String()}
		}()
	}
	// One record for each shard at a time, until each tail has its shard.
	put := 0
	for seen := map[int]bool{}; len(seen) < 2; {
		putLinesInto(t, flags, "orders", "user-1", "user-2")
		put += 2
		for range 2 {
			seen[<-shown] = true
		}
	}
	interrupt()
	total := 0
	for range 2 {
		got := <-results
		n := lines(got.stdout)
		total += n
		if want := "kinetrail: interrupted: " + shownText(n, "audit") + "\n"; got.code != exitInterrupted || got.stderr != want {
			t.Errorf("tail ended with %d and said %q; want %d, %q", got.code, got.stderr, exitInterrupted, want)
		}
	}
	if total != put {
		t.Errorf("the two tails showed %d records; want each of the %d that were put once", total, put)
	}
	putLinesInto(t, flags, "orders", "user-3")
	if got := succeed(t, with(flags, "tail", "orders", "--group", "audit", "--store", store, "-n", "1", "-o", "raw")...); got != "user-3\n" {
		t.Errorf("the next tail showed %q; want what was put since", got)
	}
}

// tellingOutput is a stdout that tells of every line.
type tellingOutput struct {
	text bytes.Buffer
	tell func()
}

func (w *tellingOutput) Write(p []byte) (int, error) {
	w.text.Write(p)
	for range bytes.Count(p, []byte("\n")) {
		w.tell()
	}
	return len(p), nil
}

func TestTailOfAGroupWhosePlaceIsUnknownEndsWithWhatToDo(t *testing.T) {
	t.Parallel()
	store := "file:" + t.TempDir()
	for run := range 2 { // the second finds another stream under the old name
		server, flags := localServer(t)
		server.Clock().Advance(time.Duration(run) * time.Hour)
		create(t, server.Client(), "events", 2)
		putLinesInto(t, flags, "events", "user-1")
		got := runIn(t, flags, "tail", "events", "--group", "audit", "--store", store, "--from", "trim-horizon", "-n", "1", "-o", "raw")
		if run == 0 && got.code != exitOK {
			t.Fatalf("the first tail: %+v; want exit code 0", got)
		}
		want := "kinetrail: stream \"events\" does not know the place where group audit is in shardId-000000000001: it was deleted and made again\n" +
			"\"kinetrail --local --endpoint-url " + server.URL() + " group reset audit --to trim-horizon --store " + store + "\" lets the group begin again.\n"
		if run == 1 && (got.code != exitFailure || !strings.HasSuffix(got.stderr, want)) {
			t.Errorf("the second tail: exit code %d, stderr %q; want 1 and at the end %q", got.code, got.stderr, want)
		}
	}
}

func runIn(t *testing.T, flags []string, command ...string) ran {
	t.Helper()
	return run(t, "", with(flags, command...)...)
}

func TestTailOfAGroupSaysThatItsOutputCannotBeWrittenAndKeepsTheRecord(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	store := "file:" + t.TempDir()
	putLinesInto(t, flags, "orders", "user-1")
	args := with(flags, "tail", "orders", "--group", "audit", "--store", store, "--from", "trim-horizon", "-n", "1", "-o", "raw")
	var stderr bytes.Buffer
	code := Run(t.Context(), args, strings.NewReader(""), brokenOutput{}, &stderr, noVariables)
	if want := "kinetrail: no space left on device\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("tail: exit code %d, stderr %q; want 1, %q", code, stderr.String(), want)
	}
	if got := succeed(t, args...); got != "user-1\n" {
		t.Errorf("the next tail showed %q; want the record that could not be shown", got)
	}
}

func TestGroupsAreKeptWhereTheFlagTheVariableOrTheHomeSays(t *testing.T) {
	t.Parallel()
	home, other, named := t.TempDir(), t.TempDir(), t.TempDir()
	tests := []struct {
		flag string
		env  map[string]string
		want string
	}{
		{"file:" + named, map[string]string{storeVariable: "file:" + other, "HOME": home}, "file:" + named},
		{"", map[string]string{storeVariable: "file:" + other, "HOME": home}, "file:" + other},
		{"", map[string]string{"HOME": home}, "file:" + filepath.Join(home, ".local", "state", "kinetrail", "groups")},
		{"file:", map[string]string{"HOME": home, "XDG_STATE_HOME": other}, "file:" + filepath.Join(other, "kinetrail", "groups")},
		{"file:", map[string]string{"HOME": home, "XDG_STATE_HOME": "not/absolute"}, "file:" + filepath.Join(home, ".local", "state", "kinetrail", "groups")},
		{"redis://user:secret@127.0.0.1:7000/3", nil, "redis://user:xxxxx@127.0.0.1:7000/3"},
		{"redis://127.0.0.1:7000?cluster=true", nil, "redis://127.0.0.1:7000?cluster=true"},
		{"rediss://127.0.0.1:7000?addr=127.0.0.1:7001", nil, "rediss://127.0.0.1:7000?addr=127.0.0.1:7001"},
		{"dynamodb:orders-app?region=eu-west-1&endpoint=http://127.0.0.1:8000", nil, "dynamodb:orders-app?region=eu-west-1&endpoint=http://127.0.0.1:8000"},
	}
	for _, tt := range tests {
		a := &app{lookupEnv: func(name string) (string, bool) { value, ok := tt.env[name]; return value, ok }, connection: connection{local: true}}
		var flag storeFlag
		if tt.flag != "" {
			if err := flag.Set(tt.flag); err != nil {
				t.Fatalf("--store %s: %v", tt.flag, err)
			}
		}
		store, err := a.openStore(t.Context(), &flag)
		if err != nil {
			t.Errorf("--store %q with %v: %v", tt.flag, tt.env, err)
			continue
		}
		if store.String() != tt.want {
			t.Errorf("--store %q with %v is %s; want %s", tt.flag, tt.env, store, tt.want)
		}
		if err := store.close(); err != nil {
			t.Error(err)
		}
	}
}
