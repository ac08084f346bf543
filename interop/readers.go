package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// pageReader is a reader on docs/tracing.md for programs without kinetrail, and
// how its language tells its version. The test of that page runs it.
type pageReader struct {
	name, language string
	version        []string
}

var pageReaders = []pageReader{
	{"reader in Python", "python", []string{"python3", "--version"}},
	{"reader in Node", "node", []string{"node", "--version"}},
	{"reader in Java", "java", []string{"java", "--version"}},
}

const handlerName = "handler of the article"

// checkReaders runs the readers of docs/tracing.md, and the Lambda handler of the
// article on what the producer puts with the key carriers.
func checkReaders(s *session) {
	for _, r := range pageReaders {
		if s.skipped(r.language) {
			s.report.skip(r.name, r.language)
			continue
		}
		s.check(r.name, "reads every vector", func() (string, error) {
			version, err := exec.CommandContext(s.ctx, r.version[0], r.version[1:]...).Output()
			if err != nil {
				return "", err
			}
			s.report.version(r.name, firstLine(string(version)))
			return "", s.pageTest(r.language)
		})
	}
	if s.skipped("java") {
		s.report.skip(handlerName, "java")
		return
	}
	for _, tt := range []struct {
		what    string
		carrier tracecarrier.Carrier
		use     string // of the key
		found   bool
	}{
		{"finds the trace of the traceparent carrier", tracecarrier.Traceparent, "whole", true},
		{"finds no trace in a lossless key", tracecarrier.Lossless, "whole", false},
		{"finds the trace of a lossless key, cut to 55 characters", tracecarrier.Lossless, "cut", true},
	} {
		s.check(handlerName, tt.what, func() (string, error) { return handles(s, tt.carrier, tt.use, tt.found) })
	}
}

// pageTest runs the test of the page for one language, which must not leave it
// out.
func (s *session) pageTest(language string) error {
	test := "TestTheReadersOnTheTracingPageReadEveryVector/" + language
	command := exec.CommandContext(s.ctx, "go", "test", "-count=1", "-v", "-run", "^"+strings.ReplaceAll(test, "/", "$/^")+"$", "./internal/docs")
	command.Dir = ".."
	command.Env = append(s.environment(), "KINETRAIL_REQUIRE="+language)
	out, err := command.CombinedOutput()
	if err == nil && !strings.Contains(string(out), "--- PASS: "+test) {
		err = errors.New("the test of internal/docs did not run")
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, lastLines(string(out), 15))
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}

// handles puts records with a key carrier and gives the keys that are stored to
// the handler.
func handles(s *session, carrier tracecarrier.Carrier, use string, found bool) (string, error) {
	records := tracedRecords(50)
	keys, err := storedKeys(s.ctx, carrier, records)
	if err != nil {
		return "", err
	}
	command, err := s.java("lambda", "Handler", nil, use)
	if err != nil {
		return "", err
	}
	var got struct {
		MadeBy string `json:"made_by"`
		Spans  []struct {
			Trace  string `json:"trace"`
			Parent string `json:"parent"`
		} `json:"spans"`
	}
	if err := s.exchange(command, map[string]any{"keys": keys}, &got); err != nil {
		return "", err
	}
	s.report.version(handlerName, got.MadeBy)
	if len(got.Spans) != len(records) {
		return "", fmt.Errorf("%d spans for %d records", len(got.Spans), len(records))
	}
	for i, span := range got.Spans {
		trace, parent := records[i].Trace.Parent[3:35], records[i].Trace.Parent[36:52]
		continued := span.Trace == trace && span.Parent == parent
		if continued != found || !found && span.Parent != "" {
			return "", fmt.Errorf("the key %q: the handler's span is of the trace %s, its parent is %q", keys[i], span.Trace, span.Parent)
		}
	}
	s.report.add(handlerName, len(records), "records")
	return things(len(records), "records"), nil
}

// tracedRecords are records of several groups, each with a trace of its own.
func tracedRecords(n int) []kinetrail.Record {
	records := make([]kinetrail.Record, n)
	for i := range records {
		records[i] = kinetrail.Record{
			PartitionKey: fmt.Sprintf("group-%d", i%7),
			Data:         []byte("event"),
			Trace:        kinetrail.TraceContext{Parent: fmt.Sprintf("00-%032x-%016x-01", i+1, i+100)},
		}
	}
	return records
}

// storedKeys puts records and tells under which key each is stored, on the shard
// of its own key.
func storedKeys(ctx context.Context, carrier tracecarrier.Carrier, records []kinetrail.Record) ([]string, error) {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"events": 5} })
	if err != nil {
		return nil, err
	}
	defer server.Close()
	p, err := producer.New(server.Client(), "events", func(o *producer.Options) { o.Carrier, o.Linger = carrier, 5*time.Millisecond })
	if err != nil {
		return nil, err
	}
	all, err := putAll(ctx, p, records)
	if err := errors.Join(err, p.Close(ctx)); err != nil {
		return nil, err
	}
	stored, err := server.Records("events", "")
	if err != nil {
		return nil, err
	}
	keyOf := make(map[string]string)
	for _, r := range stored {
		keyOf[r.Number.String()] = r.PartitionKey
	}
	keys := make([]string, len(all))
	for i, r := range all {
		keys[i] = keyOf[r.Result.Position.Sequence()]
		if want := shardID(fifth(hashKey(r.PartitionKey))); r.Result.ShardID != want {
			return nil, fmt.Errorf("the record of %s lies on %s, want %s", r.PartitionKey, r.Result.ShardID, want)
		}
	}
	return keys, nil
}
