package msgpack_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/codec/msgpack"
)

var update = flag.Bool("update", false, "write testdata/kinetrail.json anew")

// goldenFile is a file of testdata, see the README of codec/testdata: records
// that one library made, and the values it was given.
type goldenFile struct {
	MadeBy  string         `json:"made_by"`
	Records []goldenRecord `json:"records"`
}

type goldenRecord struct {
	Name   string            `json:"name"`
	Codec  string            `json:"codec"`
	Values []json.RawMessage `json:"values"`
	Bytes  string            `json:"bytes"` // hex
}

// goldenCases are the records of kinetrail.json.
var goldenCases = []struct{ name, values string }{
	{"two values", `123, "test"`},
	{"an object", object},
	{"texts", `"", "0123456789012345678901234567890", "01234567890123456789012345678901", ` + oddTexts},
	{"integers", `0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 9223372036854775807, 18446744073709551615,
		-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, -9223372036854775808`},
	{"floats", `1.5, 1.0, -1e-7, 1e300`},
	{"binary", `{"$bytes": ""}, {"$bytes": "00ff80"}, [{"$bytes": "f3899ac2"}]`},
	{"lists", `[], [null, true, false], [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]`},
}

const (
	object   = `{"a": 1, "b": [true, false, null, {"c": ""}], "d": {}, "e": [], "f": "x, y: z"}`
	oddTexts = `"caf\u00e9", "\u9375", "\ud83d\ude42", "\"quoted\" \\ back/slash", "\b\f\n\r\t\u0000\u001f\u007f", "\u2028\u2029\ufeff"`
)

// valueOf is a value as the JSON of a golden file writes it: whole numbers are
// integers, and {"$bytes": hex} is binary.
func valueOf(t *testing.T, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("golden value %s: %v", text, err)
	}
	v, err := resolve(v)
	if err != nil {
		t.Fatalf("golden value %s: %v", text, err)
	}
	return v
}

func resolve(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return v.Float64()
		}
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return strconv.ParseUint(v.String(), 10, 64)
	case []any:
		for i := range v {
			if v[i], err = resolve(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if text, ok := v["$bytes"].(string); ok {
			return hex.DecodeString(text)
		}
		for key := range v {
			if v[key], err = resolve(v[key]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// same compares two values: numbers by what they are, not by their Go type.
func same(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key := range a {
			if !same(a[key], b[key]) {
				return false
			}
		}
		return true
	case int64, uint64, float64:
		x, y := exactly(a), exactly(b)
		if x == nil || y == nil {
			return fmt.Sprint(a) == fmt.Sprint(b) // no number, or beyond all of them
		}
		return x.Cmp(y) == 0
	}
	return reflect.DeepEqual(a, b)
}

// exactly is a number, nil for anything else.
func exactly(v any) *big.Float {
	switch v := v.(type) {
	case int64:
		return new(big.Float).SetInt64(v)
	case uint64:
		return new(big.Float).SetUint64(v)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return new(big.Float).SetFloat64(v)
		}
	}
	return nil
}

func readGolden(t testing.TB, name string) goldenFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var file goldenFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return file
}

func TestRecordsArePythonsAndReadAlike(t *testing.T) {
	t.Parallel()
	want := goldenFile{MadeBy: "github.com/kinetrail/kinetrail/codec/msgpack"}
	for _, c := range goldenCases {
		r := goldenRecord{Name: "msgpack: " + c.name, Codec: "msgpack"}
		if err := json.Unmarshal([]byte(`[`+c.values+`]`), &r.Values); err != nil {
			t.Fatalf("values of %s: %v", c.name, err)
		}
		packer := msgpack.New[any]().Packer(1 << 20)
		for _, text := range r.Values {
			if record, err := packer.Add(valueOf(t, text)); record != nil || err != nil {
				t.Fatalf("Add(%s): record %q, error %v", text, record, err)
			}
		}
		r.Bytes = hex.EncodeToString(packer.Flush())
		want.Records = append(want.Records, r)
	}
	if *update {
		text, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", "kinetrail.json"), append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"kinetrail.json", "python.json"} {
		got := readGolden(t, name)
		if len(got.Records) != len(want.Records) {
			t.Fatalf("%s has %d records; want %d", name, len(got.Records), len(want.Records))
		}
		for i, r := range got.Records {
			if r.Name != want.Records[i].Name || r.Bytes != want.Records[i].Bytes {
				t.Errorf("record %q in %s is %s\nours, %q, is %s", r.Name, name, r.Bytes, want.Records[i].Name, want.Records[i].Bytes)
			}
			checkGolden(t, name, r)
		}
	}
}

// checkGolden decodes a golden record and compares with the values it was made
// of.
func checkGolden(t *testing.T, file string, r goldenRecord) {
	t.Helper()
	data, err := hex.DecodeString(r.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for got, err := range msgpack.New[any]().Decode(data) {
		if n == len(r.Values) {
			t.Fatalf("%s: %s: %q holds more than %d values: %v", file, r.Name, data, len(r.Values), got)
		}
		if want := valueOf(t, r.Values[n]); err != nil || !same(want, got) {
			t.Errorf("%s: %s: value %d of %q is %#v, error %v; want %#v", file, r.Name, n, data, got, err, want)
		}
		n++
	}
	if n != len(r.Values) {
		t.Errorf("%s: %s: %d values of %q; want %d", file, r.Name, n, data, len(r.Values))
	}
}
