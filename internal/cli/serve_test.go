package cli

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
)

func TestServeGreetsServesAndStopsOnCtrlC(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ready := make(chan struct{})
	stdout := &onLines{counts: map[int]func(){7: func() { close(ready) }}} // the greeting has seven lines
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		args := []string{"serve", "--addr", "127.0.0.1:0", "--stream", "orders:2", "--fault", "ListStreams error=AccessDeniedException"}
		done <- Run(ctx, args, strings.NewReader(""), stdout, &stderr, noVariables)
	}()
	<-ready
	greeting := stdout.text.String()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(greeting)
	golden(t, "serve.txt", strings.ReplaceAll(greeting, url, "URL"))

	flags := []string{"--local", "--endpoint-url", url}
	if got := succeed(t, with(flags, "put", "orders", "hello", "-o", "tsv")...); !strings.HasPrefix(got, "shardId-00000000000") {
		t.Errorf("put on the served stream printed %q; want its shard", got)
	}
	if got := run(t, "", with(flags, "list")...); got.code != exitFailure || !strings.Contains(got.stderr, "(AccessDeniedException)") {
		t.Errorf("list under the fault rule: %+v; want AccessDeniedException", got)
	}

	interrupt()
	if code := <-done; code != exitInterrupted || stderr.String() != "kinetrail: the server has stopped\n" {
		t.Errorf("serve: exit code %d, stderr %q; want %d and that it has stopped", code, stderr.String(), exitInterrupted)
	}
}
