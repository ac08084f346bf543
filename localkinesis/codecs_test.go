package localkinesis_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// toCBOR is a JSON request in CBOR: its blobs are bytes, its times tagged.
func toCBOR(t *testing.T, body string) string {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal([]byte(body), &tree); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out, err := cbor.Marshal(cborNode("", tree))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func cborNode(name string, node any) any {
	switch v := node.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = cborNode(key, value)
		}
	case []any:
		for i, value := range v {
			v[i] = cborNode(name, value)
		}
	case string:
		if data, err := base64.StdEncoding.DecodeString(v); name == "Data" && err == nil {
			return data
		}
	case float64:
		if strings.HasSuffix(name, "Timestamp") {
			return cbor.Tag{Number: 1, Content: int64(v * 1000)}
		}
		if v == math.Trunc(v) {
			return int64(v)
		}
	}
	return node
}

// fromCBOR is a CBOR answer in JSON.
func fromCBOR(t *testing.T, body []byte) string {
	t.Helper()
	if len(body) == 0 {
		return ""
	}
	var node any
	if err := cbor.Unmarshal(body, &node); err != nil {
		t.Fatalf("%x is no CBOR: %v", body, err)
	}
	text, err := json.Marshal(jsonNode(node))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func jsonNode(node any) any {
	switch v := node.(type) {
	case map[any]any:
		m := make(map[string]any)
		for key, value := range v {
			m[key.(string)] = jsonNode(value)
		}
		return m
	case []any:
		for i, value := range v {
			v[i] = jsonNode(value)
		}
	case time.Time: // read as seconds, as tag 1 says; the service writes milliseconds
		return float64(v.Unix()) / 1000
	}
	return node // bytes become base64
}

func asCBOR(r *http.Request) { r.Header.Set("Content-Type", "application/x-amz-cbor-1.1") }

// opaque are the texts that differ from server to server.
var opaque = regexp.MustCompile(`"AAAAAAAAAA[^"]*"|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

func TestBothCodecsGiveTheSameAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range checks {
		t.Run(c.operation, func(t *testing.T) {
			t.Parallel()
			// Two servers at the same instant, one spoken to in each codec.
			var servers [2]*localkinesis.Server
			for i := range servers {
				servers[i] = tabled(t)
				if c.prepare != nil {
					c.prepare(t, servers[i])
				}
			}
			compare := func(operation, body string) {
				t.Helper()
				bodies := [2]string{prepared(t, servers[0], body), prepared(t, servers[1], body)}
				if operation == "GetRecords" && body == "" {
					for i, s := range servers {
						bodies[i] = mustSend(t, s, "GetShardIterator", iteratorOfShard1)
					}
				}
				inJSON := send(t, servers[0], operation, bodies[0])
				inCBOR := send(t, servers[1], operation, toCBOR(t, bodies[1]), asCBOR)
				want, got := normal(t, string(inJSON.body)), normal(t, fromCBOR(t, inCBOR.body))
				if inJSON.status != inCBOR.status || got != want {
					t.Errorf("%s %s: in CBOR %d %s; in JSON %d %s", operation, body, inCBOR.status, got, inJSON.status, want)
				}
				if inCBOR.header.Get("X-Amzn-Errortype") != inJSON.header.Get("X-Amzn-Errortype") || inCBOR.header.Get("Content-Type") != "application/x-amz-cbor-1.1" {
					t.Errorf("%s %s: headers in CBOR %v; in JSON %v", operation, body, inCBOR.header, inJSON.header)
				}
			}
			if c.invalid != "" {
				compare(c.operation, c.invalid)
			}
			if c.missing != "" {
				compare(c.operation, c.missing)
			}
			compare(c.operation, c.valid)
			if c.readWith != "SubscribeToShard" { // whose answer is in no codec
				compare(c.readWith, c.readBody)
			}
		})
	}
}

// normal is a document with its members sorted and opaque texts hidden.
func normal(t *testing.T, document string) string {
	t.Helper()
	if document == "" {
		return ""
	}
	var tree any
	if err := json.Unmarshal([]byte(document), &tree); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	text, _ := json.Marshal(tree)
	return opaque.ReplaceAllString(string(text), `"opaque"`)
}

func TestABodyThatIsNoCBORIsRefusedInCBOR(t *testing.T) {
	t.Parallel()
	s := inProcess(t)
	for _, body := range []string{"", "{}", "\xa1", "\xbf", "\x80", "\xa1\x01\x02", "\xa0\xa0", "\xff"} {
		r := send(t, s, "ListStreams", body, asCBOR)
		if got := fromCBOR(t, r.body); r.status != 400 || got != `{"__type":"SerializationException"}` {
			t.Errorf("%x: %d %s; want 400 SerializationException", body, r.status, got)
		}
	}
}
