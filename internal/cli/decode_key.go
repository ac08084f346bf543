package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// decodedKey is the document of a stored partition key.
type decodedKey struct {
	StoredPartitionKey string  `json:"stored_partition_key"`
	Form               string  `json:"form"`
	Carrier            string  `json:"carrier"`
	PartitionKey       *string `json:"partition_key"`
	HashKey            *string `json:"hash_key"`
	TraceID            *string `json:"trace_id"`
	SpanID             *string `json:"span_id"`
	Sampled            bool    `json:"sampled"`
	TraceState         *string `json:"tracestate"`
	Baggage            *string `json:"baggage"`
}

func (a *app) decodeKey(form *choice, stored string) error {
	reading := tracecarrier.Read(stored)
	if flaw := carrierFlaw(stored, reading); flaw != nil {
		return flaw
	}
	if err := checkPartitionKey(stored); err != nil {
		return err
	}
	d := describeKey(stored, reading)
	if form.value == asJSON {
		return a.writeJSON(d)
	}
	return a.writeFacts([]fact{
		{"Stored key", d.StoredPartitionKey},
		{"Carrier", carrierText(reading)},
		{"Original key", originalText(reading)},
		{"Hash key", textOrNone(d.HashKey)},
		{"Trace id", textOrNone(d.TraceID)},
		{"Span id", textOrNone(d.SpanID)},
		{"Sampled", sampledText(d)},
		{"Tracestate", textOrNone(d.TraceState)},
		{"Baggage", textOrNone(d.Baggage)},
	})
}

func describeKey(stored string, reading tracecarrier.Reading) decodedKey {
	d := decodedKey{
		StoredPartitionKey: stored,
		Form:               string(reading.Form),
		Carrier:            string(carrierOf(reading.Form)),
		TraceState:         textOrNull(reading.Trace.State),
		Baggage:            textOrNull(reading.Trace.Baggage),
	}
	if reading.OriginalKeyKnown {
		hashKey := shardmap.HashKeyOf(reading.PartitionKey).String()
		d.PartitionKey, d.HashKey = &reading.PartitionKey, &hashKey
	}
	d.TraceID, d.SpanID = jsonIDs(reading.Trace)
	d.Sampled = isSampled(reading.Trace)
	return d
}

// carrierOf is the carrier that writes this form of key. Who put a bare
// traceparent there cannot be seen from the key.
func carrierOf(form tracecarrier.Form) tracecarrier.Carrier {
	switch form {
	case tracecarrier.FormPlain:
		return tracecarrier.Off
	case tracecarrier.FormTraceparent:
		return tracecarrier.Traceparent
	}
	return tracecarrier.Lossless
}

func carrierText(reading tracecarrier.Reading) string {
	switch reading.Form {
	case tracecarrier.FormPlain:
		return "none: a plain key"
	case tracecarrier.FormTraceparent:
		return "traceparent"
	case tracecarrier.FormEscaped:
		return "lossless, escaped: no context, only a key that looks like a carrier"
	case tracecarrier.FormUnknownVersion:
		return "lossless, of a later version than this program knows"
	}
	return "lossless"
}

func originalText(reading tracecarrier.Reading) string {
	if reading.OriginalKeyKnown {
		return reading.PartitionKey
	}
	return "not in the stored key"
}

func sampledText(d decodedKey) string {
	switch {
	case d.TraceID == nil:
		return ""
	case d.Sampled:
		return "yes"
	}
	return "no"
}

// errNoExtendedKey is a traceparent followed by something else than readers
// expect.
var errNoExtendedKey = errors.New(`malformed carrier: behind the traceparent stands no "-k1" with its fields, "=" and the original key; readers take all of it for a plain key`)

// carrierFlaw says what keeps a key that begins like a carrier from being one.
// To a reader it is a plain key; whoever asks for an explanation wants to know.
func carrierFlaw(stored string, reading tracecarrier.Reading) error {
	if reading.Form != tracecarrier.FormPlain {
		return nil
	}
	version, rest, _ := strings.Cut(stored, "-")
	trace, rest, _ := strings.Cut(rest, "-")
	if !reading.Malformed && (version != "00" || len(trace) < minTraceDigits || !isHex(strings.ToLower(trace))) {
		return nil
	}
	span, rest, _ := strings.Cut(rest, "-")
	flags := rest[:min(len(rest), 2)]
	switch {
	case len(trace) != 32 || !isHex(trace):
		return flawedPart("trace id", trace, 32)
	case len(span) != 16 || !isHex(span):
		return flawedPart("span id", span, 16)
	case len(flags) != 2 || !isHex(flags):
		return flawedPart("flags", flags, 2)
	case strings.Trim(trace, "0") == "" || strings.Trim(span, "0") == "":
		return errors.New("malformed carrier: a trace id or span id of zeros only; readers take all of it for a plain key")
	}
	return errNoExtendedKey
}

// minTraceDigits is how much hexadecimal behind "00-" makes a key look like a
// carrier: no date, number or short id is that long.
const minTraceDigits = 20

func flawedPart(name, text string, digits int) error {
	return fmt.Errorf("malformed carrier: its %s %q should be %d lower-case hexadecimal digits; readers take all of it for a plain key", name, text, digits)
}

// isHex reports whether text is made of lower-case hexadecimal digits.
func isHex(text string) bool {
	return strings.Trim(text, "0123456789abcdef") == ""
}
