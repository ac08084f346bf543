package tracecarrier

import (
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
)

// LongKeyPolicy says what becomes of a key that the extended form has no room
// for.
type LongKeyPolicy uint8

const (
	// SkipLongKeys puts such a record as it was given, without its context.
	SkipLongKeys LongKeyPolicy = iota

	// TraceparentForLongKeys replaces the key by the bare traceparent and sets
	// its hash key: the context is carried and readers cannot know the key.
	TraceparentForLongKeys
)

// Writer rewrites partition keys so that they carry a context. Its zero value
// leaves every key alone.
type Writer struct {
	// Carrier is PartitionKey, Traceparent or Lossless. With Off, Headers and
	// the zero Carrier keys stay as they are.
	Carrier Carrier

	// LongKey is what Lossless does with keys of more than MaxOriginalLength
	// UTF-16 units. The zero value skips them.
	LongKey LongKeyPolicy

	// TrustExisting keeps a key that is in one of the written forms already,
	// with the context it has, for programs that forward records as they are
	// stored; the hash key is that of the original inside. Without it, such a
	// key is an application's own that only looks like one, and it comes back
	// to readers whole.
	TrustExisting bool
}

// Write returns the partition key and the explicit hash key to put instead of
// those given, so that the record carries trace and stays on its shard. An
// explicit hash key that is set is kept, whatever it is.
//
// A trace whose Parent is no valid traceparent is no trace. A State or Baggage
// that is not printable ASCII is left out; so are, when the key gets too long,
// first the baggage and then the tracestate, each whole. The traceparent is
// written with the known flags only.
//
// The key comes back as given when there is nothing to carry; when it is empty
// or longer than the service allows, so that the service's own validation
// speaks; when it is a bare traceparent; and when it is not valid UTF-8, because
// its hash cannot be known: its bytes change on the way to the service. Without
// a trace Lossless rewrites only a key that readers would take for one of the
// written forms.
//
// Whether a record or a request outgrows its size limit is for the caller to
// see. Write keeps no reference to trace and makes one allocation when it
// rewrites, none otherwise.
func (w Writer) Write(partitionKey, explicitHashKey string, trace kinetrail.TraceContext) (key, hashKey string, outcome Outcome) {
	existing := parseKey(partitionKey)
	outcome, length := w.decide(partitionKey, existing.form, ValidTraceparent(trace.Parent))

	placed := explicitHashKey != "" || w.Carrier == PartitionKey
	room := 0
	if !placed {
		room = shardmap.MaxHashKeyDigits
	}
	var b strings.Builder
	switch outcome {
	case Injected:
		state, baggage := fitting(trace, MaxOriginalLength-length)
		b.Grow(len(escape) + fieldLength(state) + fieldLength(baggage) + len(partitionKey) + room)
		writeParent(&b, trace.Parent)
		b.WriteString(version1)
		writeField(&b, 's', state)
		writeField(&b, 'b', baggage)
		b.WriteByte(endOfFields)
		b.WriteString(partitionKey)
	case Escaped:
		b.Grow(len(escape) + len(partitionKey) + room)
		b.WriteString(escape)
		b.WriteString(partitionKey)
	case InjectedTraceparent:
		b.Grow(parentLength + room)
		writeParent(&b, trace.Parent)
	case Kept:
		// The original of a higher version is not known: as without kinetrail,
		// the service hashes the key as it is.
		if !placed && existing.form != FormUnknownVersion {
			explicitHashKey = shardmap.HashKeyOf(partitionKey[existing.original:]).String()
		}
		return partitionKey, explicitHashKey, outcome
	default:
		return partitionKey, explicitHashKey, outcome
	}
	if placed {
		return b.String(), explicitHashKey, outcome
	}
	// Key and hash key lie side by side in one allocation.
	n := b.Len()
	var digits [shardmap.MaxHashKeyDigits]byte
	b.Write(shardmap.HashKeyOf(partitionKey).AppendDecimal(digits[:0]))
	return b.String()[:n], b.String()[n:], outcome
}

// decide says what becomes of a key of this form, and its length in UTF-16
// units when the key is to be rewritten.
func (w Writer) decide(key string, form Form, carried bool) (o Outcome, length int) {
	lookAlike := form == FormExtended || form == FormEscaped || form == FormUnknownVersion
	switch {
	case key == "" || !w.rewritesKeys():
		if carried && key != "" && w.Carrier == "" {
			return SkippedNoCarrier, 0
		}
		return AsGiven, 0
	case form == FormTraceparent && carried:
		return Existing, 0
	case form == FormTraceparent:
		return AsGiven, 0
	case !carried && !lookAlike:
		return AsGiven, 0
	case !carried && w.Carrier != Lossless && !w.TrustExisting:
		return AsGiven, 0
	}
	length, valid := utf16Length(key)
	switch {
	case !valid:
		return SkippedInvalidUTF8, 0
	case lookAlike && w.TrustExisting:
		return Kept, 0
	case w.Carrier == Lossless && length <= MaxOriginalLength:
		if carried {
			return Injected, length
		}
		return Escaped, length
	case carried && length <= kinetrail.MaxPartitionKeyLength && w.allowsBareTraceparent():
		return InjectedTraceparent, length
	case lookAlike:
		return Ambiguous, 0
	}
	return SkippedKeyLength, 0
}

func (w Writer) rewritesKeys() bool {
	return w.Carrier == PartitionKey || w.Carrier == Traceparent || w.Carrier == Lossless
}

func (w Writer) allowsBareTraceparent() bool {
	return w.Carrier != Lossless || w.LongKey == TraceparentForLongKeys
}

// fitting returns what there is room for of tracestate and baggage.
func fitting(trace kinetrail.TraceContext, room int) (state, baggage string) {
	state, baggage = printable(trace.State), printable(trace.Baggage)
	if fieldLength(state)+fieldLength(baggage) > room {
		baggage = ""
	}
	if fieldLength(state) > room {
		state = ""
	}
	return state, baggage
}

// fieldLength is the length of a field with this value; an empty value has no
// field. A value that needs more than three digits does not fit anyway.
func fieldLength(value string) int {
	switch n := len(value); {
	case n == 0:
		return 0
	case n < 10:
		return len(";s1:") + n
	case n < 100:
		return len(";s12:") + n
	default:
		return len(";s123:") + n
	}
}

func writeField(b *strings.Builder, letter byte, value string) {
	if value == "" {
		return
	}
	var digits [3]byte
	b.WriteByte(';')
	b.WriteByte(letter)
	b.Write(strconv.AppendInt(digits[:0], int64(len(value)), 10))
	b.WriteByte(':')
	b.WriteString(value)
}

// writeParent writes a valid traceparent with the unknown flags cleared.
func writeParent(b *strings.Builder, parent string) {
	b.WriteString(parent[:53])
	b.WriteByte('0')
	b.WriteByte(lowFlagsDigit(parent))
}
