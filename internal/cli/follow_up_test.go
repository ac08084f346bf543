package cli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pasted are the words of a command as a shell takes them, for text whose only
// quotes are single ones.
func pasted(command string) []string {
	var words []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func TestCommandsThatArePrintedCanBePasted(t *testing.T) {
	t.Parallel()
	place := "file:" + filepath.Join(t.TempDir(), "of ana & ben")
	server, flags := frozenGroup(t, place)
	flags = append(flags, "--region", "us-east-1")
	addFault(t, server, "DescribeStreamSummary stream=orders nth=2 error=AccessDeniedException")
	for _, command := range [][]string{
		{"describe", "nosuch"},
		{"tail", "events", "--shard", shardID(9)},
		{"reshard", "orders", "--shards", "8"}, // fails behind the first of two steps
		{"group", "describe", "nosuch", "--store", place},
		{"group", "move", "audit", shardID(9), "host-b", "--store", place},
		{"group", "release", "audit", "--worker", "host-z", "--store", place},
	} {
		got := run(t, "", with(flags, command...)...)
		named := namedCommand.FindStringSubmatch(got.stderr)
		if got.code != exitFailure || named == nil {
			t.Errorf("kinetrail %q: exit code %d, stderr %q; want %d and a command to run next", command, got.code, got.stderr, exitFailure)
			continue
		}
		next := pasted(named[1])
		if !slices.Equal(next[:len(flags)], flags) {
			t.Errorf("after kinetrail %q the next command is %q; want that it begins with %q", command, next, flags)
		}
		if again := run(t, "", next...); again.code != exitOK {
			t.Errorf("kinetrail %q, as kinetrail %q says: %+v; want exit code 0", next, command, again)
		}
	}
}

func TestAPasswordIsNotPrintedIntoTheNextCommand(t *testing.T) {
	t.Parallel()
	a := &app{}
	cmd := a.groupListCommand()
	if err := cmd.Flags().Set("store", "redis://ana:secret@127.0.0.1:6379"); err != nil {
		t.Fatal(err)
	}
	got := a.followUp(cmd, `"kinetrail group list" shows those there are.`)
	if want := `"kinetrail group list" shows those there are. Give it the same --store.`; got != want {
		t.Errorf("the hint is %q; want %q", got, want)
	}
}

func TestAHintForAnEndpointWhereNobodyIsStartsAServerThere(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:4567":                    `Is it running? "kinetrail serve" starts a local Kinesis there.`,
		"http://localhost:5000":                    `Is it running? "kinetrail serve --addr localhost:5000" starts a local Kinesis there.`,
		"https://127.0.0.1:5000":                   `Is it running? "kinetrail serve --addr 127.0.0.1:5000 --tls" starts a local Kinesis there.`,
		"http://kinesis.example:4567":              "Is it running, and is the URL right?",
		"https://kinesis.eu-west-9.amazonaws.com":  "Is this machine online, and is the region right? For the local server add --local.",
		"https://vpce-1.kinesis.example.com/a%zzz": "Is it running, and is the URL right?",
	} {
		if got := endpointHint(endpoint); got != want {
			t.Errorf("endpointHint(%q) = %q; want %q", endpoint, got, want)
		}
	}
}
