package cli

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// shown is what a command prints on a terminal of so many columns.
func shown(t *testing.T, width int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, lookupEnv: noVariables, width: width}
	if code := a.run(t.Context(), args); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("kinetrail %s: exit code %d, stderr %q; want 0 and silence", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

func TestTablesFitTheTerminalThereIs(t *testing.T) {
	t.Parallel()
	// The folder of the groups has a name wider than any of the terminals: how
	// long that of a test's own folder is depends on the machine, and on chance.
	place := "file:" + filepath.Join(t.TempDir(), strings.Repeat("g", 120))
	server, flags := frozenGroup(t, place)
	client := server.Client()
	if _, err := client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("orders")}); err != nil { // made before the clock stood still
		t.Fatal(err)
	}
	create(t, client, "events-of-the-billing-department.in-the-second-version", 3)
	succeed(t, with(flags, "reshard", "events", "--shards", "3")...)
	records, err := server.Records("events", "")
	if err != nil {
		t.Fatal(err)
	}
	first, second := shardID(1), shardID(2)
	const host = "ip-10-0-0-17.eu-west-1.internal-"
	billing := opened(t, place, "billing")
	give(t, billing, lease.Lease{ShardID: first, Checkpoint: kinetrail.TrimHorizon()}, host+"l3xipf76idpu", kinetrail.At(records[0].Number.String(), 1))
	give(t, billing, lease.Lease{ShardID: second, Checkpoint: kinetrail.TrimHorizon()}, host+"vh7q2mzk4b3e", kinetrail.ShardEnd())
	give(t, billing, lease.Lease{ShardID: shardID(5), Parents: []string{first, second}, Checkpoint: kinetrail.TrimHorizon()}, host+"vh7q2mzk4b3e", kinetrail.Position{})
	_, traced := frozenServer(t)

	for _, width := range []int{60, 80, 120} {
		var all strings.Builder
		for _, command := range [][]string{
			{"list"}, {"describe", "events"}, {"tail", "orders", "--no-follow"}, {"hashkey", "--shards", "3", "group-1", "a-rather-long-partition-key"},
			{"group", "list"}, {"group", "describe", "billing", "--stream", "events"}, {"group", "lag", "billing", "--stream", "events"},
			{"group", "reset", "billing", "--to", "2023-11-14T09:02:30Z"}, {"group", "copy", "billing", "trial", "--dry-run", "--lease-duration", "10ms"},
		} {
			fmt.Fprintf(&all, "$ kinetrail %s\n", strings.Join(command, " "))
			if command[0] == "group" {
				command = append(command, "--store", place)
			}
			flags := flags
			if command[0] == "tail" {
				flags = traced
			}
			text := strings.ReplaceAll(shown(t, width, with(flags, command...)...), strings.TrimPrefix(place, "file:"), "/groups")
			all.WriteString(text)
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				isPath := strings.Contains(line, "arn:") || strings.Contains(line, "/groups") // one word, whatever its length
				if displayWidth(line) > width && !isPath {
					t.Errorf("kinetrail %q prints on %d columns a line of %d:\n%s", command, width, displayWidth(line), line)
				}
			}
		}
		golden(t, fmt.Sprintf("narrow_%d.txt", width), all.String())
	}
}

func TestLagFitsTheTerminalThereIs(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 60, 80} {
		var stdout bytes.Buffer
		a := &app{stdout: &stdout, stderr: &stdout, lookupEnv: noVariables, width: width}
		if err := a.writeLag(&choice{value: asTable}, aLook()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(stdout.String()) {
			if got := displayWidth(strings.TrimSuffix(line, "\n")); got > width {
				t.Errorf("on %d columns lag prints a line of %d: %q", width, got, line)
			}
		}
	}
}

func TestATableGivesUpOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	header := []string{"NAME", "NOTE"}
	rows := [][]string{{"abcdefghij", "0123456789"}} // 22 columns with the gap
	narrowings := []narrowing{shortenEnd("NOTE", 6), leaveOut("NOTE"), shortenMiddle("NAME", 5)}
	tests := []struct {
		width   int
		cells   []string
		without []string
	}{
		{0, []string{"abcdefghij", "0123456789"}, nil},
		{22, []string{"abcdefghij", "0123456789"}, nil},
		{20, []string{"abcdefghij", "0123456…"}, nil},
		{18, []string{"abcdefghij", "01234…"}, nil},
		{17, []string{"abcdefghij"}, []string{"NOTE"}},
		{7, []string{"abc…hij"}, []string{"NOTE"}},
		{3, []string{"ab…ij"}, []string{"NOTE"}}, // no narrower than told
	}
	for _, tt := range tests {
		_, got, without := narrow(header, rows, tt.width, narrowings)
		if !slices.Equal(got[0], tt.cells) || !slices.Equal(without, tt.without) {
			t.Errorf("on %d columns the cells are %q without %q; want %q without %q", tt.width, got[0], without, tt.cells, tt.without)
		}
	}
	if !slices.Equal(rows[0], []string{"abcdefghij", "0123456789"}) {
		t.Errorf("the table that was given is %q now; want it as it was", rows[0])
	}
}

func TestTextIsWrappedBetweenWords(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{0: "one two three", 13: "one two three", 12: "one two|three", 3: "one|two|three"} {
		if got := strings.Join(wrapped("one two three", width), "|"); got != want {
			t.Errorf("wrapped to %d columns it is %q; want %q", width, got, want)
		}
	}
}
