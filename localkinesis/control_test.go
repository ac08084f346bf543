package localkinesis_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

func withControl(o *localkinesis.Options) { o.Control = true }

// controlled asks for the rules of faults over the network.
func controlled(t *testing.T, s *localkinesis.Server, method, body string, edit ...func(*http.Request)) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+localkinesis.ControlPath, strings.NewReader(body))
	must(t, r, err)
	for _, e := range edit {
		e(r)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	must(t, response, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, text, err)
	return response.StatusCode, string(text)
}

func TestRulesOfFaultsChangeOverHTTPWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withStream("orders", 1), withControl)
	client := s.Client(once)
	for _, tt := range []struct {
		method, body string
		status       int
		want         string
		puts         bool // succeed afterwards
	}{
		{"GET", "", 200, "", true},
		{"POST", "PutRecord error=LimitExceededException # from now on\n\n# nothing else\n", 200, "PutRecord error=LimitExceededException # matched 0, struck 0\n", false},
		{"GET", "", 200, "PutRecord error=LimitExceededException # matched 1, struck 1\n", false},
		{"POST", "GetRecords nth=2 stale", 200, "PutRecord error=LimitExceededException # matched 2, struck 2\nGetRecords nth=2 stale # matched 0, struck 0\n", false},
		{"PUT", "PutRecord nth=2 error=X\nnonsense nth=0 error=Y", 400, "line 2: invalid fault rule: \"nonsense nth=0 error=Y\": nth is \"0\", not a whole number above zero\n", false},
		{"PUT", "PutRecord nth=2 error=X", 200, "PutRecord nth=2 error=X # matched 0, struck 0\n", true},
		{"DELETE", "", 200, "", true},
		{"PATCH", "", 405, "the rules of faults take GET, PUT, POST and DELETE\n", true},
		{"PUT", strings.Repeat("#", 1<<20+1), 400, "read the rules: http: request body too large\n", true},
	} {
		if status, got := controlled(t, s, tt.method, tt.body); status != tt.status || got != tt.want {
			t.Errorf("%s %.100q: %d %q; want %d %q", tt.method, tt.body, status, got, tt.status, tt.want)
		}
		if err := putOne(client, "k"); (err == nil) != tt.puts {
			t.Errorf("a put after %s %.100q: %v; want it to succeed: %t", tt.method, tt.body, err, tt.puts)
		}
	}
}

func TestRulesOfFaultsAreForProgramsOnTheSameMachine(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t, withControl)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for _, tt := range []struct {
		what   string
		edit   func(*http.Request)
		status int
	}{
		{"by address", func(*http.Request) {}, 200},
		{"by name", host("localhost:4567"), 200},
		{"by the other address", host("[::1]"), 200},
		{"by a name that somebody else made point here", host("evil.example:80"), 403},
		{"out of a page", header("Origin", "http://localhost"), 403},
		{"by a browser", header("Sec-Fetch-Site", "same-origin"), 403},
	} {
		if status, answer := controlled(t, s, "GET", "", tt.edit); status != tt.status {
			t.Errorf("%s: %d %q; want %d", tt.what, status, answer, tt.status)
		}
	}
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, "0.0.0.0:4567"), "GET", "http://localhost"+localkinesis.ControlPath, nil)
	r.RemoteAddr = "192.0.2.7:999"
	answer := httptest.NewRecorder()
	if s.ServeHTTP(answer, r); answer.Code != 403 {
		t.Errorf("from another machine: %d; want 403", answer.Code)
	}
	if status, _ := controlled(t, localkinesis.Start(t), "GET", ""); status == 200 {
		t.Error("a server without Options.Control has its rules at ControlPath")
	}
}
