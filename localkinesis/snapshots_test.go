package localkinesis_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// sdk is where the module of the SDK's client lies, with its snapshots of
// every request and answer.
var sdk = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/kinesis").Output()
	return strings.TrimSpace(string(out)), err
})

// snapshot reads one, without its head.
func snapshot(t *testing.T, kind, name string) map[string]any {
	t.Helper()
	dir, err := sdk()
	if err != nil {
		t.Fatalf("find the SDK's module: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, kind+"_snapshot", name+".snap"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(text, []byte("\n\n"))
	if kind == "request" {
		_, body, _ = bytes.Cut(body, []byte("\n\n"))
	}
	members := map[string]any{}
	if len(bytes.TrimSpace(body)) == 0 {
		return members
	}
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("%s %s: %v in %s", kind, name, err, body)
	}
	return members
}

// noRequestSnapshot are the operations the SDK has none of.
var noRequestSnapshot = map[string]bool{"SubscribeToShard": true}

func TestRequestsOfTheSDKAreUnderstoodToTheLastMember(t *testing.T) {
	t.Parallel()
	s := inProcess(t)
	for name := range localkinesis.Operations() {
		if noRequestSnapshot[name] {
			continue
		}
		request := snapshot(t, "request", name+".request")
		body, _ := json.Marshal(request)
		r := send(t, s, name, string(body))
		if code := fmt.Sprint(r.status); code != "200" {
			code, _ = r.members(t)["__type"].(string)
			if code == "SerializationException" || code == "UnknownOperationException" || code == "InternalFailure" {
				t.Errorf("%s %s: %s", name, body, r.body)
			}
		}
		// A member the server does not know would be ignored, so each must be
		// refused once its value has another type.
		spoil(request, func(path string) {
			body, _ := json.Marshal(request)
			if r := send(t, s, name, string(body)); !bytes.Contains(r.body, []byte(`"SerializationException","Message"`)) {
				t.Errorf("%s with a wrong type at %s: %d %s; want SerializationException", name, path, r.status, r.body)
			}
		})
	}
}

// spoil gives one value after another a wrong type while it calls try.
func spoil(node any, try func(path string)) {
	switch v := node.(type) {
	case map[string]any:
		for name, value := range v {
			spoil(value, func(path string) { try("." + name + path) })
			v[name] = wrong(value)
			try("." + name)
			v[name] = value
		}
	case []any:
		for i, value := range v {
			spoil(value, func(path string) { try(fmt.Sprintf("[%d]%s", i, path)) })
			v[i] = wrong(value)
			try(fmt.Sprintf("[%d]", i))
			v[i] = value
		}
	}
}

func wrong(value any) any {
	switch value.(type) {
	case map[string]any:
		return []any{}
	case []any:
		return map[string]any{}
	case string, bool:
		return 1.5
	}
	return "text"
}

// subset checks that an answer has only members of a snapshot, of its types.
func subset(t *testing.T, what string, got, want any) {
	t.Helper()
	switch g := got.(type) {
	case map[string]any:
		w, ok := want.(map[string]any)
		if !ok {
			t.Errorf("%s is %v; the SDK expects %T", what, got, want)
			return
		}
		for name, value := range g {
			if value == nil {
				continue
			}
			if wanted, ok := w[name]; ok {
				subset(t, what+"."+name, value, wanted)
			} else {
				t.Errorf("%s has the member %s, which the SDK does not know", what, name)
			}
		}
	case []any:
		w, ok := want.([]any)
		if !ok {
			t.Errorf("%s is a list; the SDK expects %T", what, want)
			return
		}
		for i, element := range g {
			subset(t, fmt.Sprintf("%s[%d]", what, i), element, w[0])
		}
	default:
		if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			t.Errorf("%s is the %T %v; the SDK expects a %T", what, got, got, want)
		}
	}
}

func TestAnswersHaveOnlyMembersTheSDKKnows(t *testing.T) {
	t.Parallel()
	for _, c := range checks {
		if noRequestSnapshot[c.operation] {
			continue
		}
		t.Run(c.operation, func(t *testing.T) {
			t.Parallel()
			s := tabled(t)
			c = c.prepared(t, s)
			if answer := mustSend(t, s, c.operation, c.valid); answer != "" {
				var members map[string]any
				must(t, 0, json.Unmarshal([]byte(answer), &members))
				subset(t, c.operation, members, snapshot(t, "response", c.operation+".response"))
			}
			if c.invalid == "" {
				return
			}
			refused := send(t, s, c.operation, c.invalid).members(t)
			subset(t, c.operation, refused, snapshot(t, "response", "ValidationException.error"))
		})
	}
}
