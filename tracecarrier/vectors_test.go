package tracecarrier_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// The vectors of testdata/carrier_vectors.json define the format. Unknown
// members are refused, so that a new kind of vector cannot go unread.
type vectors struct {
	WriteLossless []writeVector `json:"write_lossless"`
	Read          []readVector  `json:"read"`
}

type writeVector struct {
	Name    string         `json:"name"`
	Key     string         `json:"key"`
	Context *vectorContext `json:"context"`
	Options struct {
		ExplicitHashKey string `json:"explicit_hash_key"`
		LongKey         string `json:"long_key"`
		TrustExisting   bool   `json:"trust_existing"`
	} `json:"options"`
	Want struct {
		StoredKey       *string `json:"stored_key"`
		ExplicitHashKey *string `json:"explicit_hash_key"`
		Outcome         string  `json:"outcome"`
	} `json:"want"`
}

type vectorContext struct {
	Traceparent string `json:"traceparent"`
	Tracestate  string `json:"tracestate"`
	Baggage     string `json:"baggage"`
}

type readVector struct {
	Name      string `json:"name"`
	StoredKey string `json:"stored_key"`
	Want      struct {
		Form             string  `json:"form"`
		Traceparent      *string `json:"traceparent"`
		Tracestate       *string `json:"tracestate"`
		Baggage          *string `json:"baggage"`
		PartitionKey     string  `json:"partition_key"`
		OriginalKeyKnown bool    `json:"original_key_known"`
	} `json:"want"`
}

func loadVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/carrier_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var v vectors
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode vectors: %v", err)
	}
	if d.More() {
		t.Fatal("decode vectors: there is more than one document")
	}
	if len(v.WriteLossless) < 27 || len(v.Read) < 50 {
		t.Fatalf("vectors: %d to write and %d to read, want at least 27 and 50", len(v.WriteLossless), len(v.Read))
	}
	return v
}

// vectorOutcome is the name an outcome has in the vectors, which do not tell a
// bare traceparent from a key that has nothing to carry.
func vectorOutcome(o tracecarrier.Outcome) string {
	if o == tracecarrier.Existing {
		o = tracecarrier.AsGiven
	}
	return string(o)
}

func TestEveryWriteVectorIsWritten(t *testing.T) {
	t.Parallel()
	for _, v := range loadVectors(t).WriteLossless {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			w := tracecarrier.Writer{Carrier: tracecarrier.Lossless, TrustExisting: v.Options.TrustExisting}
			switch v.Options.LongKey {
			case "":
			case "traceparent":
				w.LongKey = tracecarrier.TraceparentForLongKeys
			default:
				t.Fatalf("unknown policy %q for long keys", v.Options.LongKey)
			}
			var trace kinetrail.TraceContext
			if c := v.Context; c != nil {
				trace = kinetrail.TraceContext{Parent: c.Traceparent, State: c.Tracestate, Baggage: c.Baggage}
			}
			// A producer refuses a key that is ambiguous and the middleware lets
			// it pass; the vector leaves open what is stored.
			wantKey, wantHashKey := v.Key, ""
			if v.Want.StoredKey != nil {
				wantKey = *v.Want.StoredKey
			} else if v.Want.Outcome != string(tracecarrier.Ambiguous) {
				t.Fatalf("the vector does not say what is stored")
			}
			if v.Want.ExplicitHashKey != nil {
				wantHashKey = *v.Want.ExplicitHashKey
			}
			key, hashKey, outcome := w.Write(v.Key, v.Options.ExplicitHashKey, trace)
			if key != wantKey || hashKey != wantHashKey || vectorOutcome(outcome) != v.Want.Outcome {
				t.Errorf("Write(%q, %q, %+v)\n got %q, %q, %s\nwant %q, %q, %s", v.Key, v.Options.ExplicitHashKey, trace,
					key, hashKey, outcome, wantKey, wantHashKey, v.Want.Outcome)
			}
		})
	}
}

func TestEveryReadVectorIsRead(t *testing.T) {
	t.Parallel()
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, v := range loadVectors(t).Read {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			want := tracecarrier.Reading{
				Form:             tracecarrier.Form(v.Want.Form),
				PartitionKey:     v.Want.PartitionKey,
				OriginalKeyKnown: v.Want.OriginalKeyKnown,
				Trace: kinetrail.TraceContext{
					Parent:  text(v.Want.Traceparent),
					State:   text(v.Want.Tracestate),
					Baggage: text(v.Want.Baggage),
				},
			}
			got := tracecarrier.Read(v.StoredKey)
			got.Malformed = false // the vectors do not speak of it
			if got != want {
				t.Errorf("Read(%q)\n got %+v\nwant %+v", v.StoredKey, got, want)
			}
		})
	}
}
