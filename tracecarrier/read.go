package tracecarrier

import "github.com/kinetrail/kinetrail"

// Form is what a stored key was recognised as.
type Form string

const (
	// FormPlain is a key without a context: it is the producer's own.
	FormPlain Form = "plain"

	// FormTraceparent is a bare traceparent: a context, and the original key
	// is not known.
	FormTraceparent Form = "traceparent"

	// FormExtended is an extended key of version 1: a context and the original
	// key.
	FormExtended Form = "extended"

	// FormEscaped is an original key without a context, written behind an
	// all-zero traceparent because it looks like one of the other forms.
	FormEscaped Form = "escaped"

	// FormUnknownVersion is an extended key of a higher version: a context,
	// and the original key is not known.
	FormUnknownVersion Form = "unknown_version"
)

// Reading is what Read found in a stored key. Its strings alias the key.
type Reading struct {
	// Form is the key's form.
	Form Form

	// PartitionKey is the producer's own key, or the stored one when it is
	// not known.
	PartitionKey string

	// OriginalKeyKnown reports whether PartitionKey is the producer's own.
	OriginalKeyKnown bool

	// Trace is the context the key carries, zero when there is none. Its flags
	// are those known to W3C Trace Context level 2.
	Trace kinetrail.TraceContext

	// Malformed reports that a plain key begins like a traceparent, so that
	// it is perhaps a carrier somebody else has damaged. It is for counting.
	Malformed bool
}

// Read recognises a partition key as Kinesis stores it, in whatever form, and
// takes one layer off. It works on any text. It allocates only when it has to
// clear flags it does not know.
func Read(storedKey string) Reading {
	k := parseKey(storedKey)
	r := Reading{
		Form:             k.form,
		PartitionKey:     storedKey[k.original:],
		OriginalKeyKnown: k.form != FormTraceparent && k.form != FormUnknownVersion,
		Malformed:        k.malformed,
	}
	if k.form != FormPlain && k.form != FormEscaped {
		r.Trace = kinetrail.TraceContext{
			Parent:  maskFlags(storedKey[:parentLength]),
			State:   k.state,
			Baggage: k.baggage,
		}
	}
	return r
}

// storedKey is a key taken apart.
type storedKey struct {
	form      Form
	original  int // where the original key begins; 0 when all of it is the key, or the original is not known
	state     string
	baggage   string
	malformed bool
}

func parseKey(s string) storedKey {
	kind := idsOf(s)
	if kind == noTraceparent {
		return storedKey{form: FormPlain}
	}
	if kind == zeroIDs && len(s) > len(escape) && s[:len(escape)] == escape {
		return storedKey{form: FormEscaped, original: len(escape)}
	}
	malformed := storedKey{form: FormPlain, malformed: true}
	if kind != validIDs {
		return malformed
	}
	if len(s) == parentLength {
		return storedKey{form: FormTraceparent}
	}
	end := endOfVersion(s)
	switch {
	case end == 0:
		return malformed
	case s[parentLength:end] != version1:
		return storedKey{form: FormUnknownVersion}
	}
	k, ok := parseFields(s, end)
	if !ok {
		return malformed
	}
	return k
}

// endOfVersion returns the index behind "-k" and the number of the version that
// follow the traceparent, or 0 when there is no well-formed version.
func endOfVersion(s string) int {
	at := parentLength
	if len(s) < at+len(version1)+1 || s[at] != '-' || s[at+1] != 'k' || s[at+2] == '0' {
		return 0
	}
	digits := at + 2
	for at = digits; at < len(s) && s[at]-'0' <= 9; at++ {
	}
	if at == digits || at == len(s) || (s[at] != ';' && s[at] != endOfFields) {
		return 0
	}
	return at
}

// parseFields reads the fields of an extended key, which begin at s[at], and
// finds its original. ok is false when the key is malformed.
func parseFields(s string, at int) (k storedKey, ok bool) {
	k.form = FormExtended
	var seen uint32 // one bit per letter
	for at < len(s) && s[at] == ';' {
		letter, value, next := parseField(s, at)
		bit := uint32(1) << (letter - 'a')
		if next == 0 || seen&bit != 0 {
			return k, false
		}
		seen |= bit
		switch letter {
		case 's':
			k.state = value
		case 'b':
			k.baggage = value
		}
		at = next
	}
	if at+1 >= len(s) || s[at] != endOfFields {
		return k, false
	}
	k.original = at + 1
	return k, true
}

// parseField reads the field that begins with the semicolon at s[at] and
// returns the index behind it, or 0 when it is malformed.
func parseField(s string, at int) (letter byte, value string, next int) {
	const maxDigits = 3
	if at+1 >= len(s) || s[at+1]-'a' > 'z'-'a' {
		return 0, "", 0
	}
	letter = s[at+1]
	digits := at + 2
	length := 0
	for at = digits; at < len(s) && at < digits+maxDigits && s[at]-'0' <= 9; at++ {
		length = length*10 + int(s[at]-'0')
	}
	if at == digits || s[digits] == '0' || at == len(s) || s[at] != ':' {
		return letter, "", 0
	}
	begin, end := at+1, at+1+length
	if end > len(s) || !isPrintable(s[begin:end]) {
		return letter, "", 0
	}
	return letter, s[begin:end], end
}
