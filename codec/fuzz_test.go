package codec_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/codec"
)

// seed adds the golden records of one codec.
func seed(f *testing.F, name string) {
	text, err := os.ReadFile("testdata/python.json")
	if err != nil {
		f.Fatal(err)
	}
	var file goldenFile
	if err := json.Unmarshal(text, &file); err != nil {
		f.Fatal(err)
	}
	for _, r := range file.Records {
		if r.Codec == name {
			data, err := hex.DecodeString(r.Bytes)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte{})
}

// fuzzDecode decodes arbitrary data. What comes out goes back in and comes out
// again the same.
func fuzzDecode(f *testing.F, name string, c codec.Codec[any]) {
	seed(f, name)
	f.Fuzz(func(t *testing.T, data []byte) {
		index := 0
		for v, err := range c.Decode(data) {
			if err != nil {
				var failure *codec.DecodeError
				if !errors.As(err, &failure) || failure.Index != index || v != nil {
					t.Errorf("value %d of %q is %v, error %v; want a DecodeError of that index", index, data, v, err)
				}
			} else {
				checkAgain(t, c, v)
			}
			index++
		}
	})
}

func checkAgain(t *testing.T, c codec.Codec[any], v any) {
	t.Helper()
	record, err := c.Append(nil, v)
	if errors.Is(err, codec.ErrEmpty) && v == "" {
		return
	}
	if err != nil {
		t.Fatalf("Append(%#v): %v", v, err)
	}
	again, failures := collect(c.Decode(record))
	if len(again) != 1 || failures[0] != nil || !reflect.DeepEqual(v, again[0]) {
		t.Errorf("%#v became %#v by %q, errors %v", v, again, record, failures)
	}
}

func FuzzString(f *testing.F)     { fuzzDecode(f, "string", texts{codec.String()}) }
func FuzzJSON(f *testing.F)       { fuzzDecode(f, "json", codec.JSON[any]()) }
func FuzzJSONLines(f *testing.F)  { fuzzDecode(f, "jsonlines", codec.JSONLines[any]()) }
func FuzzJSONList(f *testing.F)   { fuzzDecode(f, "jsonlist", codec.JSONList[any]()) }
func FuzzKPLString(f *testing.F)  { fuzzDecode(f, "kplstring", texts{codec.KPLString()}) }
func FuzzKPLJSON(f *testing.F)    { fuzzDecode(f, "kpljson", codec.KPLJSON[any]()) }
func FuzzNetstrings(f *testing.F) { fuzzDecode(f, "netstrings", texts{netstrings}) }

// FuzzPython writes arbitrary JSON as Python does. It must say the same, in
// ASCII.
func FuzzPython(f *testing.F) {
	seed(f, "json")
	f.Add([]byte("\"\xff\\u2028\\ud800 \U0001F642\x7f\""))
	python := codec.JSON[any](func(o *codec.Options) { o.Python = true })
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return
		}
		text, err := python.Append(nil, v)
		if err != nil {
			t.Fatalf("Append(%#v): %v", v, err)
		}
		for _, c := range text {
			if c >= utf8.RuneSelf || c == 0x7f {
				t.Errorf("%#v is written as %q", v, text)
			}
		}
		var again any
		if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%#v is written as %q, which says %#v, error %v", v, text, again, err)
		}
	})
}
