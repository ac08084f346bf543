package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/internal/demo"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/spf13/cobra"
)

// demoOutcome is what the document says of one reader in one act, apart from
// overlapping_groups, which is not the same every time.
type demoOutcome struct {
	Connected    bool `json:"connected"`
	ShardsMatch  bool `json:"shards_match"`
	OrderKept    bool `json:"order_kept"`
	KeysRestored bool `json:"keys_restored"`
	Records      int  `json:"records"`
	Traces       int  `json:"traces"`
}

type demoAct struct {
	Carrier string `json:"carrier"`
	demoOutcome
	Lambda demoOutcome `json:"lambda"`
}

func TestDemoDocumentSaysWhatEachActMustComeTo(t *testing.T) {
	t.Parallel()
	printed := succeed(t, "demo", "--output", "json")
	var got struct {
		Acts []demoAct `json:"acts"`
	}
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Fatalf("the document is no JSON: %v\n%s", err, printed)
	}
	both := func(carrier string, outcome demoOutcome) demoAct { return demoAct{carrier, outcome, outcome} }
	want := []demoAct{
		both("off", demoOutcome{false, true, true, true, 100, 200}),
		both("partition-key", demoOutcome{true, false, false, false, 100, 100}),
		both("traceparent", demoOutcome{true, true, true, false, 100, 100}),
		both("lossless", demoOutcome{true, true, true, true, 100, 100}),
		both("headers", demoOutcome{true, true, true, true, 100, 100}),
	}
	if !reflect.DeepEqual(got.Acts, want) {
		t.Errorf("acts are\n%+v; want\n%+v", got.Acts, want)
	}
	checkOverlaps(t, printed)
	checkAssignments(t, printed)
}

// checkOverlaps wants events of a group to be handled at once in the act of the
// partition key and in no other.
func checkOverlaps(t *testing.T, printed string) {
	t.Helper()
	type overlapping struct {
		Groups *int `json:"overlapping_groups"`
	}
	var got struct {
		Acts []struct {
			overlapping
			Carrier string      `json:"carrier"`
			Lambda  overlapping `json:"lambda"`
		} `json:"acts"`
	}
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Fatal(err)
	}
	for _, act := range got.Acts {
		for reader, groups := range map[string]*int{"consumer": act.Groups, "Lambda": act.Lambda.Groups} {
			if groups == nil || (*groups > 0) != (act.Carrier == "partition-key") {
				t.Errorf("act %s, %s: overlapping_groups is %v; want more than 0 in partition-key, and 0 elsewhere", act.Carrier, reader, groups)
			}
		}
	}
}

// checkAssignments wants what was recorded of Kinesis.
func checkAssignments(t *testing.T, printed string) {
	t.Helper()
	file, err := os.Open("testdata/hashkey_vectors.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	vectors, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want []demo.Assignment
	for _, v := range vectors[1:] {
		if strings.HasPrefix(v[0], "group-") {
			shard := "shardId-00000000000" + v[3]
			want = append(want, demo.Assignment{Key: v[0], HashKey: v[2], ShardByPartitionKey: shard, ShardByHashKey: shard})
		}
	}
	var got demo.Report
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Assignments, want) {
		t.Errorf("assignments are\n%+v; want\n%+v", got.Assignments, want)
	}
	if len(got.Shards) != 5 || got.Shards[1] != (demo.Shard{ID: "shardId-000000000001", Start: "68056473384187692692674921486353642291", End: "136112946768375385385349842972707284581"}) {
		t.Errorf("shards are %+v; want 5, with AWS's ranges", got.Shards)
	}
}

// varying is what is different in every run of the demo.
var varying = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(` +\d+\.\d –`), " TIME –"},
	{regexp.MustCompile(`– +\d+\.\d ms`), "– TIME ms"},
	{regexp.MustCompile(`(, ACT 5  )[0-9a-f]{32}`), "${1}TRACE"},
	{regexp.MustCompile(`[·█]+`), "BAR"},
	{regexp.MustCompile(`(?s)(ACT 2 .*?)shard \d(.*?)shard \d(.*?)on shards? [^\n]*`), "${1}shard N${2}shard N${3}on shards N"},
	{regexp.MustCompile(`(partition-key .*no / no +)[1-9]\d* / [1-9]\d* +100 / 100`), "${1}N / N  100 / 100"},
}

func TestDemoTellsItsStory(t *testing.T) {
	t.Parallel()
	story := succeed(t, "demo")
	for _, v := range varying {
		story = v.pattern.ReplaceAllString(story, v.replacement)
	}
	golden(t, "demo.txt", story)
}

// runDemo runs the demo with options that the command line has not.
func runDemo(t *testing.T, opts func(*demo.Options), args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, lookupEnv: func(string) (string, bool) { return "", false }}
	root := &cobra.Command{Use: "kinetrail", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(a.demoCommand(opts))
	root.SetArgs(append([]string{"demo"}, args...))
	cmd, err := root.ExecuteContextC(t.Context())
	code := a.report(t.Context(), cmd, err)
	return ran{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

func TestDemoFailsWhenAnActComesOutDifferently(t *testing.T) {
	t.Parallel()
	withoutTrace := func(o *demo.Options) {
		lossless := demo.Script()[3]
		lossless.Carrier = tracecarrier.Off // what is expected stays
		o.Script = []demo.Act{lossless}
	}
	const want = "kinetrail: 4 values came out differently: act off: connected is false, expected true; " +
		"act off: traces is 200, expected 100; act off, Lambda: connected is false, expected true; act off, Lambda: traces is 200, expected 100\n"
	for _, form := range []string{"table", "json"} {
		got := runDemo(t, withoutTrace, "-o", form)
		if got.code != exitFailure || got.stderr != want {
			t.Errorf("demo -o %s with an act that comes out differently: exit code %d, stderr %q; want %d, %q", form, got.code, got.stderr, exitFailure, want)
		}
		if form == "json" && !json.Valid([]byte(got.stdout)) {
			t.Errorf("demo -o json prints no document when an act comes out differently:\n%s", got.stdout)
		}
		if form == "table" && !strings.Contains(got.stdout, "  not as expected: act off: connected is false, expected true\n") {
			t.Errorf("the story does not say what came out differently:\n%s", got.stdout)
		}
		if strings.Contains(got.stdout, "as expected.") {
			t.Errorf("the story ends well:\n%s", got.stdout)
		}
	}
}

// cancelAt cancels when a text has been written.
type cancelAt struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (w *cancelAt) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.text) {
		w.cancel()
	}
	return n, err
}

func TestDemoEndsOnCtrlC(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"event-producer", "ACT 2"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stdout := &cancelAt{text: text, cancel: cancel}
		var stderr bytes.Buffer
		code := Run(ctx, []string{"demo"}, strings.NewReader(""), stdout, &stderr, func(string) (string, bool) { return "", false })
		if code != exitInterrupted || stderr.Len() > 0 || strings.Contains(stdout.String(), "ACT 3") {
			t.Errorf("Ctrl-C at %q: exit code %d, stderr %q; want %d and silence; stdout:\n%s", text, code, stderr.String(), exitInterrupted, stdout.String())
		}
	}
}

func TestDemoRefusesWhatItCannotPlay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--shards", "1"}, "kinetrail: --shards \"1\": with one shard no record can land on the wrong one, and the act of the partition key would show nothing\n"},
		{[]string{"--shards", "51"}, "kinetrail: --shards \"51\": it takes a number from 2 to 50\n"},
		{[]string{"--shards", "0"}, `kinetrail: --shards "0": it takes a number from 2 to 50` + "\n"},
		{[]string{"--output", "tsv"}, `kinetrail: --output "tsv": it takes table or json` + "\n"},
		{[]string{"now"}, `kinetrail: demo takes no arguments, so "now" is too much` + "\n"},
	}
	for _, tt := range tests {
		got := run(t, "", append([]string{"demo"}, tt.args...)...)
		want := tt.want + "Run \"kinetrail demo --help\" for how to use it.\n"
		if got.code != exitUsage || got.stderr != want || got.stdout != "" {
			t.Errorf("demo %q: exit code %d, stderr %q, stdout %q; want %d, %q and no output", tt.args, got.code, got.stderr, got.stdout, exitUsage, want)
		}
	}
}

// The environment is the process's, so this test is alone.
func TestDemoSaysWhyItCannotChooseCarriers(t *testing.T) {
	t.Setenv(tracecarrier.EnvironmentVariable, "off")
	want := "kinetrail: KINETRAIL_PROPAGATION is set, which keeps the acts from choosing their carriers\nUnset it for the demo.\n"
	for _, form := range []string{asTable, asJSON} {
		got := run(t, "", "demo", "-o", form)
		if got.code != exitFailure || got.stderr != want || got.stdout != "" {
			t.Errorf("demo -o %s with the variable set: exit code %d, stderr %q, stdout %q; want %d, %q and no output", form, got.code, got.stderr, got.stdout, exitFailure, want)
		}
	}
}
