package tracecarrier

// Parent is what a W3C traceparent of version 00 says, without its text. It is for
// who writes many keys: 25 bytes with no pointer.
type Parent struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte
}

// IsValid reports whether neither id is all zeros.
func (p Parent) IsValid() bool { return p.TraceID != [16]byte{} && p.SpanID != [8]byte{} }

// AppendTo appends the traceparent, 55 characters, with the known flags only.
func (p Parent) AppendTo(dst []byte) []byte {
	var text [parentLength]byte
	copy(text[:], "00-")
	putHex(text[3:], p.TraceID[:])
	text[35] = '-'
	putHex(text[36:], p.SpanID[:])
	text[52], text[53] = '-', '0'
	text[54] = '0' + p.Flags&knownFlags
	return append(dst, text[:]...)
}

// String is the traceparent.
func (p Parent) String() string {
	var text [parentLength]byte
	return string(p.AppendTo(text[:0]))
}

// hexPairs are the two digits of every byte.
var hexPairs = func() (pairs [256][2]byte) {
	const digits = "0123456789abcdef"
	for b := range pairs {
		pairs[b] = [2]byte{digits[b>>4], digits[b&15]}
	}
	return pairs
}()

func putHex(text, bytes []byte) {
	for i, b := range bytes {
		pair := &hexPairs[b]
		text[2*i], text[2*i+1] = pair[0], pair[1]
	}
}

// Plan is the outcome of Write for a key and a trace that is a valid Parent and
// nothing else. Who plans writes the key later, with AppendKey.
func (w Writer) Plan(partitionKey string) Outcome {
	outcome, _ := w.decide(partitionKey, parseKey(partitionKey).form, true)
	return outcome
}

// AppendKey appends the key that Write returns when its outcome is plan: for
// Injected and InjectedTraceparent one that carries p, for any other the
// partition key as it is.
func (w Writer) AppendKey(dst []byte, plan Outcome, partitionKey string, p Parent) []byte {
	switch plan {
	case Injected:
		dst = append(p.AppendTo(dst), version1...)
		dst = append(dst, endOfFields)
	case InjectedTraceparent:
		return p.AppendTo(dst)
	}
	return append(dst, partitionKey...)
}

// KeyLength is how many bytes AppendKey appends.
func (w Writer) KeyLength(plan Outcome, partitionKey string) int {
	switch plan {
	case Injected:
		return len(escape) + len(partitionKey)
	case InjectedTraceparent:
		return parentLength
	}
	return len(partitionKey)
}
