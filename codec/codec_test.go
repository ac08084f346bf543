package codec_test

import (
	"bytes"
	"errors"
	"iter"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/codec"

	"pgregory.net/rapid"
)

type order struct {
	ID    string  `json:"id"`
	Total float64 `json:"total"`
	Note  *string `json:"note,omitempty"`
}

func collect[T any](values iter.Seq2[T, error]) (all []T, failures []error) {
	for v, err := range values {
		all = append(all, v)
		failures = append(failures, err)
	}
	return all, failures
}

func TestARecordHasTheTextOfItsFormat(t *testing.T) {
	t.Parallel()
	python := func(o *codec.Options) { o.Python = true }
	one := order{ID: "é<1>", Total: 2.5}
	tests := []struct {
		name  string
		codec codec.Codec[order]
		want  string
	}{
		{"JSON", codec.JSON[order](), `{"id":"é<1>","total":2.5}`},
		{"JSON as Python writes it", codec.JSON[order](python), `{"id": "\u00e9<1>", "total": 2.5}`},
		{"JSONLines", codec.JSONLines[order](), `{"id":"é<1>","total":2.5}` + "\n"},
		{"JSONList", codec.JSONList[order](), `[{"id":"é<1>","total":2.5}]`},
		{"JSONList as Python writes it", codec.JSONList[order](python), `[{"id": "\u00e9<1>", "total": 2.5}]`},
	}
	for _, tt := range tests {
		got, err := tt.codec.Append([]byte("before "), one)
		if err != nil || string(got) != "before "+tt.want {
			t.Errorf("%s: %q, error %v; want %q", tt.name, got, err, "before "+tt.want)
		}
		values, failures := collect(tt.codec.Decode(got[len("before "):]))
		if !reflect.DeepEqual(values, []order{one}) || !reflect.DeepEqual(failures, []error{nil}) {
			t.Errorf("%s: decodes to %v, errors %v; want %v", tt.name, values, failures, one)
		}
	}
}

func TestAValueThatCannotBeWrittenLeavesNoTrace(t *testing.T) {
	t.Parallel()
	before := []byte("before")
	check := func(name string, got []byte, err error) {
		t.Helper()
		if err == nil || string(got) != "before" {
			t.Errorf("%s: %q, error %v; want %q and an error", name, got, err, before)
		}
	}
	for name, c := range map[string]codec.Codec[float64]{
		"JSON": codec.JSON[float64](), "JSONLines": codec.JSONLines[float64](), "JSONList": codec.JSONList[float64](), "KPLJSON": codec.KPLJSON[float64](),
	} {
		got, err := c.Append(before, math.NaN())
		check(name, got, err)
	}
	for name, c := range map[string]codec.Codec[string]{"String": codec.String(), "KPLString": codec.KPLString()} {
		got, err := c.Append(before, "\xff")
		check(name, got, err)
	}
	got, err := codec.String().Append(before, "")
	check("String of nothing", got, err)
	if !errors.Is(err, codec.ErrEmpty) {
		t.Errorf("String of nothing: %v; want ErrEmpty", err)
	}

	packer := codec.JSONLines[any]().Packer(100)
	if _, err := packer.Add(1); err != nil {
		t.Fatal(err)
	}
	if _, err := packer.Add(math.Inf(1)); err == nil || packer.Len() != 1 || packer.Size() != 2 {
		t.Errorf("after a value that cannot be written: %d values, %d bytes, error %v; want 1 and 2", packer.Len(), packer.Size(), err)
	}
}

func TestABadValueIsOneError(t *testing.T) {
	t.Parallel()
	container := func(items ...string) string {
		var b aggregate.Builder
		for _, item := range items {
			b.Add(&aggregate.UserRecord{PartitionKey: "b", Data: []byte(item)})
		}
		return string(b.AppendTo(nil))
	}
	damaged := container("1", "2")
	damaged = damaged[:len(damaged)-1] + "!"
	tests := []struct {
		name  string
		codec codec.Codec[int]
		data  string
		want  []any // an int, or a piece of the error
	}{
		{"JSON", codec.JSON[int](), `"x"`, []any{"cannot unmarshal string"}},
		{"JSON", codec.JSON[int](), `1 2`, []any{"invalid character '2'"}},
		{"JSON", codec.JSON[int](), ``, []any{"unexpected end"}},
		{"JSON", codec.JSON[int](), ` 7 `, []any{7}},
		{"JSONLines", codec.JSONLines[int](), "1\nx\n\n2\r\n\n3", []any{1, "invalid character 'x'", 2, 3}},
		{"JSONLines", codec.JSONLines[int](), "", nil},
		{"JSONLines", codec.JSONLines[int](), "\n\n", nil},
		{"JSONList", codec.JSONList[int](), `[1, "x", 2]`, []any{1, "cannot unmarshal string", 2}},
		{"JSONList", codec.JSONList[int](), `[1, x, 2]`, []any{"invalid character 'x'"}},
		{"JSONList", codec.JSONList[int](), `[]`, nil},
		{"JSONList", codec.JSONList[int](), `7`, []any{"cannot unmarshal number"}},
		{"KPLJSON", codec.KPLJSON[int](), container("1", "x", "2"), []any{1, "invalid character 'x'", 2}},
		{"KPLJSON", codec.KPLJSON[int](), "7", []any{7}},
		{"KPLJSON", codec.KPLJSON[int](), damaged, []any{"wrong checksum"}},
	}
	for _, tt := range tests {
		values, failures := collect(tt.codec.Decode([]byte(tt.data)))
		if len(values) != len(tt.want) {
			t.Errorf("%s of %q: %v, errors %v; want %v", tt.name, tt.data, values, failures, tt.want)
			continue
		}
		for i, want := range tt.want {
			var failure *codec.DecodeError
			switch want := want.(type) {
			case int:
				if values[i] != want || failures[i] != nil {
					t.Errorf("%s of %q: value %d is %d, error %v; want %d", tt.name, tt.data, i, values[i], failures[i], want)
				}
			case string:
				if !errors.As(failures[i], &failure) || failure.Index != i || values[i] != 0 || !strings.Contains(failure.Error(), want) {
					t.Errorf("%s of %q: value %d is %d, error %v; want an error with %q", tt.name, tt.data, i, values[i], failures[i], want)
				}
			}
		}
	}
}

func TestAValueThatIsHalfReadIsNone(t *testing.T) {
	t.Parallel()
	values, failures := collect(codec.JSONLines[order]().Decode([]byte(`{"id":"half","total":"bad"}`)))
	if len(values) != 1 || values[0] != (order{}) || failures[0] == nil {
		t.Errorf("%+v, errors %v; want the zero value and an error", values, failures)
	}
}

func TestBadNetstringsEndTheRecord(t *testing.T) {
	t.Parallel()
	tests := []struct {
		data string
		want []string // the last is a piece of the error, unless it is empty
	}{
		{"", []string{""}},
		{"4:test,0:,", []string{"test", "", ""}},
		{"3:bad,1:x,", []string{"", "x", ""}},
		{"1:a,x", []string{"a", "netstring without a length"}},
		{"1:a;1:b,", []string{"netstring of 1 bytes with ';' for a comma"}},
		{"1:a", []string{"netstring of 1 bytes with only 1 behind its colon"}},
		{"1:", []string{"netstring of 1 bytes with only 0 behind its colon"}},
		{"2147483647:a,", []string{"with only 2 behind its colon"}},
		{"2147483648:a,", []string{`netstring with "2147483648" for a length`}},
		{"99999999999999999999:", []string{"netstring without a length"}},
		{"01:a,", []string{`netstring with "01" for a length`}},
		{":a,", []string{`netstring with "" for a length`}},
		{"-1:a,", []string{`netstring with "-1" for a length`}},
		{"+1:a,", []string{`netstring with "+1" for a length`}},
	}
	for _, tt := range tests {
		values, failures := collect(netstrings.Decode([]byte(tt.data)))
		last := len(tt.want) - 1
		if tt.want[last] != "" {
			var failure *codec.DecodeError
			if len(values) != last+1 || !errors.As(failures[last], &failure) || failure.Index != last || !strings.Contains(failure.Error(), tt.want[last]) {
				t.Errorf("%q: %q, errors %v; want the last to be a DecodeError with %q", tt.data, values, failures, tt.want[last])
				continue
			}
			values = values[:last]
		}
		if !slices.Equal(values, tt.want[:last]) {
			t.Errorf("%q: %q, errors %v; want %q", tt.data, values, failures, tt.want[:last])
		}
	}
}

func TestTextsHaveToBeUTF8(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]codec.Codec[string]{"String": codec.String(), "KPLString": codec.KPLString()} {
		values, failures := collect(c.Decode([]byte("caf\xe9")))
		var failure *codec.DecodeError
		if len(values) != 1 || values[0] != "" || !errors.As(failures[0], &failure) {
			t.Errorf("%s of Latin-1: %q, errors %v; want one DecodeError", name, values, failures)
		}
	}
}

func TestDecodeCanBeLeftEarly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]codec.Packing[int]{
		"JSONLines": codec.JSONLines[int](), "JSONList": codec.JSONList[int](), "KPLJSON": codec.KPLJSON[int](),
	} {
		record := packed(t, c, []int{1, 2, 3})
		for v, err := range c.Decode(record) {
			if v != 1 || err != nil {
				t.Errorf("%s: first value %d, error %v; want 1", name, v, err)
			}
			break
		}
	}
}

func TestDeepNestingIsAnError(t *testing.T) {
	t.Parallel()
	const depth = 10 << 20
	for name, tt := range map[string]struct {
		codec codec.Codec[any]
		data  string
	}{
		"JSON":     {codec.JSON[any](), strings.Repeat("[", depth)},
		"JSONList": {codec.JSONList[any](), strings.Repeat("[", depth)},
	} {
		values, failures := collect(tt.codec.Decode([]byte(tt.data)))
		var failure *codec.DecodeError
		if len(values) != 1 || !errors.As(failures[0], &failure) {
			t.Errorf("%s: %d values, errors %v; want one DecodeError", name, len(values), failures)
		}
	}
}

func TestValuesDoNotAliasTheirRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]codec.Codec[[]byte]{"JSON": codec.JSON[[]byte](), "KPLJSON": codec.KPLJSON[[]byte]()} {
		record, err := c.Append(nil, []byte("some data"))
		if err != nil {
			t.Fatal(err)
		}
		values, _ := collect(c.Decode(record))
		clear(record)
		if len(values) != 1 || string(values[0]) != "some data" {
			t.Errorf("%s: %q after the record was cleared", name, values)
		}
	}
	record := []byte("some text")
	values, _ := collect(codec.String().Decode(record))
	clear(record)
	if values[0] != "some text" {
		t.Errorf("String: %q after the record was cleared", values)
	}
}

// TestPackersFillRecordsToTheByte packs random values under random limits.
func TestPackersFillRecordsToTheByte(t *testing.T) {
	t.Parallel()
	python := func(o *codec.Options) { o.Python = true }
	packings := map[string]codec.Packing[string]{
		"JSONLines": codec.JSONLines[string](), "JSONLines as Python": codec.JSONLines[string](python), "JSONList": codec.JSONList[string](),
		"JSONList as Python": codec.JSONList[string](python), "KPLJSON": codec.KPLJSON[string](), "KPLString": codec.KPLString(), "Netstrings": netstrings,
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range packings {
			if !yield(name) {
				return
			}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "codec")
		c := packings[name]
		maxBytes := rapid.IntRange(0, 400).Draw(t, "max bytes")
		packer := c.Packer(maxBytes)
		var want, got []string
		var open []string // values in the record that is being packed
		take := func(record []byte) {
			if len(record) == 0 || len(record) > maxBytes {
				t.Fatalf("%s: a record of %d bytes; want 1 to %d", name, len(record), maxBytes)
			}
			values, failures := collect(c.Decode(record))
			if err := errors.Join(failures...); err != nil || !slices.Equal(values, open) {
				t.Fatalf("%s: record %q holds %q, error %v; want %q", name, record, values, err, open)
			}
			got = append(got, values...)
			open = nil
		}
		for range rapid.IntRange(0, 30).Draw(t, "values") {
			v := rapid.StringN(0, -1, 120).Draw(t, "value")
			alone, err := c.Append(nil, v)
			if err != nil {
				t.Fatalf("%s: Append(%q): %v", name, v, err)
			}
			before := packer.Size()
			record, err := packer.Add(v)
			var tooLarge *codec.TooLargeError
			if len(alone) > maxBytes {
				if !errors.As(err, &tooLarge) || *tooLarge != (codec.TooLargeError{Size: len(alone), MaxBytes: maxBytes}) || record != nil || packer.Size() != before {
					t.Fatalf("%s: Add of a value of %d bytes: record %q, error %v; want a TooLargeError", name, len(alone), record, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: Add(%q): %v", name, v, err)
			}
			if record != nil {
				if len(record) != before {
					t.Fatalf("%s: a record of %d bytes was to have %d", name, len(record), before)
				}
				if both := packed1(c, append(slices.Clone(open), v)); len(both) <= maxBytes {
					t.Fatalf("%s: a record was closed before a value that makes it %d of %d bytes", name, len(both), maxBytes)
				}
				take(record)
			}
			open, want = append(open, v), append(want, v)
			if packer.Len() != len(open) || packer.Size() != len(packed1(c, open)) {
				t.Fatalf("%s: %d values of %d bytes; want %d of %d", name, packer.Len(), packer.Size(), len(open), len(packed1(c, open)))
			}
		}
		if record := packer.Flush(); record != nil {
			take(record)
		}
		if !slices.Equal(got, want) || packer.Flush() != nil || packer.Len() != 0 || packer.Size() != 0 {
			t.Fatalf("%s: %q came back; want %q", name, got, want)
		}
	})
}

// packed1 is one record of all values, whatever its size.
func packed1(c codec.Packing[string], values []string) []byte {
	packer := c.Packer(math.MaxInt)
	for _, v := range values {
		if _, err := packer.Add(v); err != nil {
			panic(err)
		}
	}
	return packer.Flush()
}

func TestRecordsOfAPackerAreTheCallers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]codec.Packing[string]{"JSONLines": codec.JSONLines[string](), "KPLString": codec.KPLString()} {
		packer := c.Packer(1000)
		add := func(v string) {
			if _, err := packer.Add(v); err != nil {
				t.Fatal(err)
			}
		}
		add("first")
		first := packer.Flush()
		want := bytes.Clone(first)
		add("other")
		packer.Flush()
		if !bytes.Equal(first, want) {
			t.Errorf("%s: the first record became %q; want %q", name, first, want)
		}
	}
}
