package main

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/kinetrail/kinetrail/tracecarrier"
)

func carrierNamed(t *testing.T, name string) tracecarrier.Carrier {
	t.Helper()
	carrier, err := tracecarrier.ParseCarrier(name)
	if err != nil {
		t.Fatal(err)
	}
	return carrier
}

func TestEveryFormatReadsWhatItWrites(t *testing.T) {
	t.Parallel()
	all, err := compactValues()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, r := range all.Records {
		seen[r.Codec] = true
		want, err := valuesOf(r.Values)
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(r.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := formats[r.Codec].decode(data)
		if err == nil {
			err = sameValues(got, want)
		}
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	if len(seen) != len(formats) {
		t.Errorf("the testdata folders have values for %d formats of %d", len(seen), len(formats))
	}
}

func TestSameValuesSeesEveryDifference(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		got, want string
		same      bool
	}{
		{`[1, 1.0, -0.5]`, `[1.0, 1, -0.5]`, true},
		{`{"a": [null, true]}`, `{"a": [null, true]}`, true},
		{`18446744073709551615`, `18446744073709551615`, true},
		{`18446744073709551615`, `18446744073709551614`, false},
		{`1`, `"1"`, false},
		{`{"$bytes": "31"}`, `"1"`, false},
		{`{"a": 1}`, `{"b": 1}`, false},
		{`[1]`, `[1, 2]`, false},
		{`null`, `false`, false},
	} {
		got, err := valuesOf([]json.RawMessage{json.RawMessage(tt.got)})
		if err != nil {
			t.Fatal(err)
		}
		want, err := valuesOf([]json.RawMessage{json.RawMessage(tt.want)})
		if err != nil {
			t.Fatal(err)
		}
		if err := sameValues(got, want); (err == nil) != tt.same {
			t.Errorf("sameValues(%s, %s) = %v, want same %t", tt.got, tt.want, err, tt.same)
		}
	}
	if err := sameValues([]any{1.0}, nil); err == nil {
		t.Error("a value too many is no difference")
	}
}
