package tracecarrier

import "encoding/binary"

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
	dst = append(dst, "00-                                -                -00"...)
	text := dst[len(dst)-parentLength:]
	putHex(text[3:], binary.BigEndian.Uint64(p.TraceID[:8]))
	putHex(text[19:], binary.BigEndian.Uint64(p.TraceID[8:]))
	putHex(text[36:], binary.BigEndian.Uint64(p.SpanID[:]))
	text[54] = '0' + p.Flags&knownFlags
	return dst
}

// String is the traceparent.
func (p Parent) String() string {
	var text [parentLength]byte
	return string(p.AppendTo(text[:0]))
}

// putHex writes the 16 digits of n.
func putHex(text []byte, n uint64) {
	binary.BigEndian.PutUint64(text, eightHex(n>>32))
	binary.BigEndian.PutUint64(text[8:], eightHex(n&0xffff_ffff))
}

// eightHex is the text of n, below 2^32, the first digit in the highest byte. It
// spreads the digits over the bytes, half of them at a time, and then adds '0' to
// all and to those from ten on what lies between '9' and 'a' besides.
func eightHex(n uint64) uint64 {
	n = (n | n<<16) & 0x0000_ffff_0000_ffff
	n = (n | n<<8) & 0x00ff_00ff_00ff_00ff
	n = (n | n<<4) & 0x0f0f_0f0f_0f0f_0f0f
	letters := (n + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
	return n + 0x3030_3030_3030_3030 + letters*('a'-'9'-1)
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
