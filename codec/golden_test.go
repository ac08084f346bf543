package codec_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/kinetrail/kinetrail/codec"
)

var update = flag.Bool("update", false, "write testdata/kinetrail.json anew")

// goldenFile is a file of testdata, see its README: records that one library
// made, and the values it was given.
type goldenFile struct {
	MadeBy  string         `json:"made_by"`
	Records []goldenRecord `json:"records"`
}

type goldenRecord struct {
	Name   string `json:"name"`
	Codec  string `json:"codec"`
	Values []any  `json:"values"`
	Bytes  string `json:"bytes"` // hex
}

func readGolden(t *testing.T, name string) goldenFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var file goldenFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	if len(file.Records) == 0 {
		t.Fatalf("%s holds no records", name)
	}
	return file
}

// goldenCodec is the codec a golden record names, over any value.
func goldenCodec(t *testing.T, name string) codec.Codec[any] {
	t.Helper()
	python := func(o *codec.Options) { o.Python = true }
	switch name {
	case "string":
		return texts{codec.String()}
	case "kplstring":
		return texts{codec.KPLString()}
	case "json":
		return codec.JSON[any](python)
	case "jsonlines":
		return codec.JSONLines[any](python)
	case "jsonlist":
		return codec.JSONList[any](python)
	case "kpljson":
		return codec.KPLJSON[any](python)
	}
	t.Fatalf("no codec is called %q", name)
	return nil
}

func TestRecordsOfPythonAreRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"python.json", "python-ujson.json"} {
		for _, r := range readGolden(t, name).Records {
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
	for got, err := range goldenCodec(t, r.Codec).Decode(data) {
		if n == len(r.Values) {
			t.Fatalf("%s: %s: %q holds more than %d values: %v", file, r.Name, data, len(r.Values), got)
		}
		if err != nil || !reflect.DeepEqual(got, r.Values[n]) {
			t.Errorf("%s: %s: value %d of %q is %#v, error %v; want %#v", file, r.Name, n, data, got, err, r.Values[n])
		}
		n++
	}
	if n != len(r.Values) {
		t.Errorf("%s: %s: %d values of %q; want %d", file, r.Name, n, data, len(r.Values))
	}
}

// otherBytes are the golden records that Python writes differently: it writes a
// float that is whole as 1.0, and exponents with two digits.
var otherBytes = map[string]bool{"json: a float": true, "jsonlines: floats": true}

func TestRecordsAreThoseOfPython(t *testing.T) {
	t.Parallel()
	ours := readGolden(t, "kinetrail.json").Records
	theirs := readGolden(t, "python.json").Records
	if len(ours) != len(theirs) {
		t.Fatalf("%d records of ours and %d of Python's", len(ours), len(theirs))
	}
	for i, want := range theirs {
		if got := ours[i]; got.Name != want.Name || (got.Bytes == want.Bytes) == otherBytes[got.Name] {
			t.Errorf("record %q: %s\nwant %q: %s", got.Name, got.Bytes, want.Name, want.Bytes)
		}
	}
}

func TestRecordsAreStillThoseThatOthersHaveRead(t *testing.T) {
	t.Parallel()
	want := goldenFile{MadeBy: "github.com/kinetrail/kinetrail/codec", Records: goldenRecords(t)}
	if *update {
		text, err := json.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", "kinetrail.json"), append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := readGolden(t, "kinetrail.json")
	if len(got.Records) != len(want.Records) {
		t.Fatalf("kinetrail.json has %d records; want %d", len(got.Records), len(want.Records))
	}
	for i, r := range got.Records {
		if r.Name != want.Records[i].Name || r.Bytes != want.Records[i].Bytes {
			t.Errorf("record %q in kinetrail.json is %s\nit is %s now (%q)", r.Name, r.Bytes, want.Records[i].Bytes, want.Records[i].Name)
		}
		checkGolden(t, "kinetrail.json", r)
	}
}

// goldenRecords are the records of kinetrail.json.
func goldenRecords(t *testing.T) []goldenRecord {
	const (
		oddTexts = `"caf\u00e9", "\u9375", "\ud83d\ude42", "\"quoted\" \\ back/slash", "\b\f\n\r\t\u0000\u001f\u007f", "<a href='x'>&</a>", "\u2028\u2029\ufeff"`
		object   = `{"a": 1, "b": [true, false, null, {"c": ""}], "d": {}, "e": [], "f": "x, y: z"}`
	)
	cases := []struct{ name, codec, values string }{
		{"a text", "string", `"test"`},
		{"a text beyond ASCII", "string", `"caf\u00e9 \u9375 \ud83d\ude42 \u2028 \u0000\n"`},
		{"a number", "json", `123`},
		{"an empty text", "json", `""`},
		{"an object", "json", object},
		{"odd texts", "json", `[` + oddTexts + `]`},
		{"a float", "json", `[1.0, 1e-7, 1e16]`},
		{"null", "json", `null`},
		{"two values", "jsonlines", `123, "test"`},
		{"one value", "jsonlines", `{"a": 1}`},
		{"objects", "jsonlines", `{"a": 1}, {"b": "\u00e9"}, ` + object},
		{"odd texts", "jsonlines", oddTexts},
		{"floats", "jsonlines", `1.5, -0.25, 1e-7, 3.0`},
		{"two values", "jsonlist", `123, "test"`},
		{"one value", "jsonlist", `[]`},
		{"objects and texts", "jsonlist", object + `, ` + oddTexts},
		{"two values", "kpljson", `123, "test"`},
		{"objects and texts", "kpljson", object + `, ` + oddTexts},
		{"two values", "kplstring", `"123", "test"`},
		{"odd texts", "kplstring", `"", ` + oddTexts},
	}
	records := make([]goldenRecord, len(cases))
	for i, c := range cases {
		var values []any
		if err := json.Unmarshal([]byte(`[`+c.values+`]`), &values); err != nil {
			t.Fatalf("values of %s: %v", c.name, err)
		}
		records[i] = goldenRecord{Name: c.codec + ": " + c.name, Codec: c.codec, Values: values, Bytes: hex.EncodeToString(recordOf(t, c.codec, values))}
	}
	return records
}

// recordOf is the record of values.
func recordOf(t *testing.T, name string, values []any) []byte {
	t.Helper()
	c := goldenCodec(t, name)
	switch c := c.(type) {
	case codec.Packing[any]:
		return packed(t, c, values)
	case texts:
		if packing, ok := c.Codec.(codec.Packing[string]); ok {
			return packed(t, packing, textsOf(values))
		}
	}
	if len(values) != 1 {
		t.Fatalf("%d values for one record of %s", len(values), name)
	}
	record, err := c.Append(nil, values[0])
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func textsOf(values []any) []string {
	texts := make([]string, len(values))
	for i := range values {
		texts[i] = values[i].(string)
	}
	return texts
}

// packed is one record of all values.
func packed[T any](t *testing.T, c codec.Packing[T], values []T) []byte {
	t.Helper()
	packer := c.Packer(1 << 20)
	for _, v := range values {
		if record, err := packer.Add(v); record != nil || err != nil {
			t.Fatalf("Add(%v): record %q, error %v", v, record, err)
		}
	}
	return packer.Flush()
}
