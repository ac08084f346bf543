package docs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// goStandIn stands in for the go command while the README's shell blocks run:
// kinetrail is built already, and its server takes a free port instead of 4567,
// where somebody may be at work.
const goStandIn = `#!/bin/sh
if [ "$1 $2" != "run ./cmd/kinetrail" ]; then
	echo "only go run ./cmd/kinetrail is known here, not go $*" >&2
	exit 2
fi
shift 2
case "$1" in
serve)
	echo $$ >"$STANDIN_PROCESS"
	exec "$STANDIN_KINETRAIL" "$@" --addr 127.0.0.1:0
	;;
--local) exec "$STANDIN_KINETRAIL" "$@" --endpoint-url "$STANDIN_URL" ;;
*) exec "$STANDIN_KINETRAIL" "$@" ;;
esac
`

// shared is the folder of what all tests use: kinetrail, and the stand-in under
// the name go. TestMain makes and removes it.
var shared string

// build fills the shared folder.
var build = sync.OnceValue(func() error {
	if err := os.WriteFile(filepath.Join(shared, "go"), []byte(goStandIn), 0o700); err != nil {
		return err
	}
	_, err := goCommand(context.Background(), "build", "-o", filepath.Join(shared, "kinetrail"), "./cmd/kinetrail")
	return err
})

// shell is the terminal in which the shell blocks run.
type shell struct {
	pid   string // the file where the server's process is noted
	url   string // of the server, once one runs
	serve *process
}

// playShell runs the shell blocks in the order of the page. A server that one of
// them starts runs until the last is done.
func (r *readme) playShell() {
	for _, b := range r.of(ownTests) {
		if err := ciRuns(strings.TrimSpace(b.text)); err != nil {
			r.fail(b, err)
		}
	}
	if _, err := exec.LookPath("sh"); err != nil {
		if slices.Contains(required(), "sh") {
			r.fail(block{}, fmt.Errorf("the shell blocks cannot be run: %w", err))
			return
		}
		r.t.Logf("the shell blocks were not run, because sh is not on the PATH; %s=sh makes this a failure", require)
		return
	}
	if err := build(); err != nil {
		r.fail(block{}, err)
		return
	}
	s := &shell{pid: filepath.Join(r.folder, "pid")}
	for _, b := range r.of(commands) {
		if err := s.run(b); err != nil {
			r.fail(b, err)
		}
	}
	if err := s.close(); err != nil {
		r.fail(block{}, err)
	}
}

// ciRuns checks that .ci/run runs the command of the README, to the letter.
func ciRuns(command string) error {
	script, err := os.ReadFile(filepath.Join(root(), ".ci", "run"))
	if err != nil {
		return err
	}
	if line := "\ntest_step() { " + command + "; }\n"; !strings.Contains(string(script), line) {
		return fmt.Errorf(".ci/run does not have the line %q", strings.TrimSpace(line))
	}
	return nil
}

// run runs a block as it stands on the page. A block that starts a server has
// begun when the server listens.
func (s *shell) run(b block) error {
	serves := strings.TrimSpace(b.text) == "go run ./cmd/kinetrail serve"
	command := exec.Command("sh", "-e", "-c", b.text)
	command.Dir = root()
	p, err := start(command, "PATH="+shared+string(os.PathListSeparator)+os.Getenv("PATH"),
		"STANDIN_KINETRAIL="+filepath.Join(shared, "kinetrail"), "STANDIN_PROCESS="+s.pid, "STANDIN_URL="+s.url)
	if err != nil {
		return err
	}
	if serves {
		return s.listen(p)
	}
	if err := p.end(); err != nil {
		return err
	}
	if complaints := p.complaints(); complaints != "" {
		return fmt.Errorf("it complains:\n%s", complaints)
	}
	return judge(b, strings.Split(p.printed(), "\n"))
}

var listening = regexp.MustCompile(`listening on (http://\S+)`)

// listen waits for a server to say where it is.
func (s *shell) listen(p *process) error {
	p.await(func() bool { return listening.MatchString(p.printed()) })
	found := listening.FindStringSubmatch(p.printed())
	if found == nil {
		return errors.Join(errors.New("the server does not say where it listens"), p.end())
	}
	s.serve, s.url = p, found[1]
	return nil
}

// close stops the server as Ctrl-C does.
func (s *shell) close() error {
	if s.serve == nil {
		return nil
	}
	text, err := os.ReadFile(s.pid)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	server, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	if err := server.Signal(os.Interrupt); err != nil {
		return err
	}
	var status *exec.ExitError
	if err := s.serve.end(); !errors.As(err, &status) || status.ExitCode() != 130 {
		return fmt.Errorf("the server ends with %w, want exit code 130", err)
	}
	return nil
}

// judge checks what a block has printed.
func judge(b block, printed []string) error {
	last := printed[len(printed)-1]
	switch {
	case strings.HasSuffix(b.text, " demo\n"):
		if want := "Every act came out as expected."; last != want {
			return fmt.Errorf("it ends with %q, want %q", last, want)
		}
		return nil
	case len(printed) == 2:
		return judgePutAndTail(printed[0], last)
	}
	return fmt.Errorf("it prints %d lines that nobody expects:\n%s", len(printed), strings.Join(printed, "\n"))
}

// judgePutAndTail checks the line of tail, member by member, against that of put.
func judgePutAndTail(put, tail string) error {
	shard, number, _ := strings.Cut(put, "  ")
	if _, err := sequence.Parse(number); err != nil {
		return fmt.Errorf("put prints %q, want shard and sequence number: %w", put, err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(tail), &got); err != nil {
		return fmt.Errorf("tail prints %q, which is no JSON: %w", tail, err)
	}
	arrived, _ := got["arrived_at"].(string)
	if at, err := time.Parse(time.RFC3339, arrived); err != nil || time.Since(at).Abs() > time.Hour {
		return fmt.Errorf("tail prints arrived_at %q, want a time of now", arrived)
	}
	want := map[string]any{
		"shard_id": shard, "sequence_number": number, "sub_sequence_number": 0.0,
		"partition_key": "user-1", "stored_partition_key": "user-1", "headers": []any{},
		"trace_id": nil, "span_id": nil, "arrived_at": arrived, "data": "hello",
	}
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
		return fmt.Errorf("tail prints the members %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for name := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
			return fmt.Errorf("tail prints %s %v, want %v", name, got[name], want[name])
		}
	}
	return nil
}
