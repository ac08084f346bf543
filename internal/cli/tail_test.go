package cli

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// brokenOutput is a full disk.
type brokenOutput struct{}

func (brokenOutput) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// frozenServer stands still at a minute of 2023 and holds three records: a
// traced one, a container of three, and one that could confuse a terminal.
func frozenServer(t *testing.T) (server *localkinesis.Server, flags []string) {
	t.Helper()
	server, flags = localServer(t)
	server.Clock().Freeze()
	server.Clock().Set(time.Date(2023, 11, 14, 9, 31, 26, 0, time.UTC))
	client := server.Client()
	for _, record := range []struct {
		key  string
		data []byte
	}{
		{testParent + "-k1=user-1", []byte("hello")},
		{"a", testContainer()},
		{"漢字", []byte("\x1b[2J" + strings.Repeat("long ", 100))},
	} {
		_, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{
			StreamName: aws.String("orders"), PartitionKey: &record.key, ExplicitHashKey: aws.String("0"), Data: record.data,
		})
		if err != nil {
			t.Fatal(err)
		}
		server.Clock().Advance(time.Minute)
	}
	return server, flags
}

func TestTailShowsKeysTracesAndHeadersInEveryForm(t *testing.T) {
	t.Parallel()
	_, flags := frozenServer(t)
	golden(t, "tail.txt", succeed(t, with(flags, "tail", "orders", "--no-follow")...))
	golden(t, "tail.raw", succeed(t, with(flags, "tail", "orders", "--no-follow", "-o", "raw")...))
}

func TestTailBeginsWhereFromSaysAndEndsAfterTheCount(t *testing.T) {
	t.Parallel()
	_, flags := frozenServer(t)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--from", "trim-horizon", "-n", "1"}, "hello\n"},
		{[]string{"--from", "trim-horizon", "-n", "2"}, "hello\nhello\n"}, // the second from the container
		{[]string{"--from", "2023-11-14T09:31:27Z", "-n", "1"}, "hello\n"},
		{[]string{"--from", "2023-11-14T09:32:27Z", "-n", "1"}, "\x1b[2J" + strings.Repeat("long ", 100) + "\n"},
		{[]string{"--no-follow", "-n", "1"}, "hello\n"},
		{[]string{"--no-follow", "--from", "latest"}, ""},
		{[]string{"--no-follow", "--shard", "shardId-000000000001"}, ""},
		{[]string{"--no-follow", "--shard", "shardId-000000000000", "-n", "1"}, "hello\n"},
	}
	for _, tt := range tests {
		if got := succeed(t, with(flags, append([]string{"tail", "orders", "-o", "raw"}, tt.args...)...)...); got != tt.want {
			t.Errorf("tail %q printed %q; want %q", tt.args, got, tt.want)
		}
	}
}

func TestAnEmptyTailSaysWhereItHasLooked(t *testing.T) {
	t.Parallel()
	stream, err := kinetrail.ParseStream("orders")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ from, shard, want string }{
		{"", "", "There are no records in orders."},
		{"trim-horizon", "shardId-000000000001", "There are no records in shardId-000000000001 of orders."},
		{"latest", "", "No new record arrived in orders. --from trim-horizon shows those that are there."},
		{"2199-01-01T10:00:00+02:00", "", "No record arrived in orders since 2199-01-01T08:00:00Z."},
	}
	for _, tt := range tests {
		flags := tailFlags{noFollow: true, shard: tt.shard}
		if tt.from != "" {
			if err := flags.from.Set(tt.from); err != nil {
				t.Fatal(err)
			}
		}
		if got := nothingShown(stream, &flags); got != tt.want {
			t.Errorf("tail --no-follow --from %q --shard %q says %q; want %q", tt.from, tt.shard, got, tt.want)
		}
	}
}

func TestTailFollowsAcrossAReshardUntilInterrupted(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	succeed(t, with(flags, "put", "orders", "one", "-k", "user-1")...)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	first := make(chan struct{})
	stdout := &onLines{counts: map[int]func(){1: func() { close(first) }, 2: interrupt}}
	done := make(chan int)
	var stderr bytes.Buffer
	go func() {
		done <- Run(ctx, with(flags, "tail", "orders", "--from", "trim-horizon", "-o", "raw"), strings.NewReader(""), stdout, &stderr, noVariables)
	}()
	<-first
	_, err := server.Client().UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
		StreamName: aws.String("orders"), TargetShardCount: aws.Int32(4), ScalingType: "UNIFORM_SCALING",
	})
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, with(flags, "put", "orders", "two", "-k", "user-1")...)
	if code := <-done; code != exitInterrupted || stdout.text.String() != "one\ntwo\n" || stderr.Len() > 0 {
		t.Errorf("tail: exit code %d, stdout %q, stderr %q; want %d, both records, silence", code, stdout.text.String(), stderr.String(), exitInterrupted)
	}
}

// onLines is a stdout that does something at some numbers of lines.
type onLines struct {
	text   bytes.Buffer
	counts map[int]func()
}

func (w *onLines) Write(p []byte) (int, error) {
	for _, b := range p {
		w.text.WriteByte(b)
		if b != '\n' {
			continue
		}
		if act := w.counts[bytes.Count(w.text.Bytes(), []byte("\n"))]; act != nil {
			act()
		}
	}
	return len(p), nil
}

func TestTailSaysThatItsOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	_, flags := frozenServer(t)
	for _, form := range []string{"table", "json", "raw"} {
		var stderr bytes.Buffer
		code := Run(t.Context(), with(flags, "tail", "orders", "--no-follow", "-o", form), strings.NewReader(""), brokenOutput{}, &stderr, noVariables)
		if want := "kinetrail: no space left on device\n"; code != exitFailure || stderr.String() != want {
			t.Errorf("tail -o %s: exit code %d, stderr %q; want 1, %q", form, code, stderr.String(), want)
		}
	}
}

func TestTailTellsOfATroubleOnce(t *testing.T) {
	t.Parallel()
	var told []string
	log := &sentences{complain: func(sentence string) { told = append(told, sentence) }, said: &said{at: make(map[string]time.Time)}}
	now := time.Now()
	for _, after := range []time.Duration{0, time.Second, repeatAfter - 1, repeatAfter} {
		if log.said.again("a fetch failed", now.Add(after)) != (after == time.Second || after == repeatAfter-1) {
			t.Errorf("again after %v: the answer is wrong", after)
		}
	}
	a := &app{stderr: new(bytes.Buffer), lookupEnv: noVariables}
	logger := a.logger().With("stream", "orders")
	logger.Info("not for people")
	logger.Warn("kinetrail: a fetch failed", "error", errNoRegion)
	logger.Warn("kinetrail: a fetch failed", "error", errNoRegion)
	const want = "kinetrail: a fetch failed (stream: orders, error: no AWS region is set)\n"
	if got := a.stderr.(*bytes.Buffer).String(); got != want {
		t.Errorf("stderr holds %q; want %q", got, want)
	}
}
