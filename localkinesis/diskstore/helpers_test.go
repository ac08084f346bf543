package diskstore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// noon is when the clocks of these tests begin.
var noon = time.Date(2023, 11, 14, 12, 0, 0, 0, time.UTC)

const authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00"

// session is one life of a server on a data directory.
type session struct {
	*localkinesis.Server
	t     *testing.T
	store *diskstore.Store
}

// start opens the directory and a server on it, whose clock stands at noon.
func start(t *testing.T, dir string, opts ...func(*localkinesis.Options)) *session {
	t.Helper()
	return startWith(t, openStore(t, dir), opts...)
}

func openStore(t *testing.T, dir string, opts ...func(*diskstore.Options)) *diskstore.Store {
	t.Helper()
	store, err := diskstore.Open(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func startWith(t *testing.T, store *diskstore.Store, opts ...func(*localkinesis.Options)) *session {
	t.Helper()
	s, err := localkinesis.New(append(opts, func(o *localkinesis.Options) { o.Store = store })...)
	if err != nil {
		t.Fatal(err)
	}
	s.Clock().Freeze()
	s.Clock().Set(noon)
	t.Cleanup(func() { _ = s.Close() })
	return &session{Server: s, t: t, store: store}
}

// end closes the server and its store.
func (s *session) end() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// send sends a request and returns the status and the body of the answer. Any
// goroutine may call it: without an answer, the test fails and the status is 0.
func (s *session) send(operation, body string) (status int, answer string) {
	s.t.Helper()
	status, answer, err := s.try(operation, body)
	if err != nil {
		s.t.Errorf("%s %.300s: %v", operation, body, err)
	}
	return status, answer
}

func (s *session) try(operation, body string) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://localkinesis.internal/", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	r.Header.Set("X-Amz-Date", "20231114T093126Z")
	r.Header.Set("Authorization", authorization)
	response, err := s.Transport().RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// must sends a request that has to succeed and returns the answer.
func (s *session) must(operation, body string) string {
	s.t.Helper()
	status, answer := s.send(operation, body)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s answered %d %s; want 200", operation, body, status, answer)
	}
	return answer
}

// member is a text in an answer.
func (s *session) member(answer, name string) string {
	s.t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(answer), &members); err != nil {
		s.t.Fatalf("%q is no JSON: %v", answer, err)
	}
	text, ok := members[name].(string)
	if !ok {
		s.t.Fatalf("answer %s has no %s", answer, name)
	}
	return text
}

// records are those of a stream, as one line each.
func (s *session) records(stream string) []string {
	s.t.Helper()
	records, err := s.Records(stream, "")
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, r := range records {
		lines = append(lines, strings.Join([]string{
			r.ShardID, r.Number.String(), r.PartitionKey, r.ExplicitHashKey, string(r.Data), r.ArrivedAt.Format(time.RFC3339Nano),
		}, " "))
	}
	return lines
}

var iteratorText = regexp.MustCompile(`"NextShardIterator":"[^"]*"`)

// answers are the answers to these requests, without what is random in them.
func (s *session) answers(requests [][2]string) []string {
	s.t.Helper()
	var answers []string
	for _, r := range requests {
		answers = append(answers, r[0]+": "+iteratorText.ReplaceAllString(s.must(r[0], r[1]), `"NextShardIterator":"…"`))
	}
	return answers
}

// mustEqual compares two lists line by line.
func mustEqual(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("%s, line %d:\n got %s\nwant %s", what, i+1, g, w)
		}
	}
}

// answer is a ResponseWriter that keeps the body.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

var answers = sync.Pool{New: func() any { return new(answer) }}

// ask sends a request as net/http would hand it over, which costs little beside
// what the server does. The answer is see's until it returns.
func ask(s *localkinesis.Server, operation, body string, see func(answer []byte)) error {
	r, err := http.NewRequest(http.MethodPost, "http://localkinesis.internal/", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header["Content-Type"] = []string{"application/x-amz-json-1.1"}
	r.Header["X-Amz-Target"] = []string{"Kinesis_20131202." + operation}
	r.Header["X-Amz-Date"] = []string{"20231114T093126Z"}
	r.Header["Authorization"] = []string{authorization}
	a := answers.Get().(*answer)
	defer answers.Put(a)
	a.header = make(http.Header)
	a.body.Reset()
	s.ServeHTTP(a, r)
	if a.status != http.StatusOK {
		return fmt.Errorf("%s: %d %.1000s", operation, a.status, a.body.Bytes())
	}
	see(a.body.Bytes())
	return nil
}

// unseen is for answers that nobody looks at.
func unseen([]byte) {}

// readShard reads a shard of stream orders from its beginning to its tip and
// counts the records.
func readShard(s *localkinesis.Server, shard int) (records int, err error) {
	var iterator string
	next := func(answer []byte, name string) {
		_, rest, _ := bytes.Cut(answer, []byte(`"`+name+`":"`))
		iterator = string(rest[:max(bytes.IndexByte(rest, '"'), 0)])
	}
	err = ask(s, "GetShardIterator", fmt.Sprintf(`{"StreamName":"orders","ShardId":"%d","ShardIteratorType":"TRIM_HORIZON"}`, shard),
		func(answer []byte) { next(answer, "ShardIterator") })
	for n := 1; err == nil && n > 0; records += n {
		err = ask(s, "GetRecords", `{"ShardIterator":"`+iterator+`"}`, func(answer []byte) {
			n = bytes.Count(answer, []byte(`"PartitionKey":`))
			next(answer, "NextShardIterator")
		})
	}
	return records, err
}
