package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// CBOR is the form application/x-amz-cbor-1.1, RFC 8949 with the service's
// habits: objects and lists of an answer have no length in front, and times are
// tag 1 with milliseconds.
var CBOR Codec = cborCodec{}

type cborCodec struct{}

func (cborCodec) ContentType() string { return "application/x-amz-cbor-1.1" }

// The major types of RFC 8949, section 3.1.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborList
	cborMap
	cborTag
	cborSimple
)

// The other bytes and numbers of RFC 8949 that are needed by name.
const (
	cborBreak      = 0xff
	cborIndefinite = 31
	cborFalse      = 20
	cborTrue       = 21
	cborNull       = 22
	cborUndefined  = 23
	cborHalf       = 25
	cborSingle     = 26
	cborDouble     = 27
	cborTimeTag    = 1
)

// maxCBORDepth is how deep a body may be nested.
const maxCBORDepth = 1000

var errCBOR = errors.New("the body is no CBOR document")

func (cborCodec) Parse(body []byte) (map[string]any, error) {
	p := cborParser{body: body}
	node, err := p.value(0)
	if err != nil {
		return nil, err
	}
	tree, ok := node.(map[string]any)
	if !ok || p.at != len(body) {
		return nil, errCBOR
	}
	return tree, nil
}

type cborParser struct {
	body   []byte
	at     int
	values int // read so far
}

// head reads the start of an item: its major type, the low five bits, and the
// number that follows.
func (p *cborParser) head() (major, low byte, n uint64, ok bool) {
	if p.at >= len(p.body) {
		return 0, 0, 0, false
	}
	major, low = p.body[p.at]>>5, p.body[p.at]&31
	p.at++
	switch {
	case low < 24:
		return major, low, uint64(low), true
	case low == cborIndefinite:
		return major, low, 0, true
	case low > 27:
		return 0, 0, 0, false
	}
	size := 1 << (low - 24)
	if len(p.body)-p.at < size {
		return 0, 0, 0, false
	}
	for _, b := range p.body[p.at : p.at+size] {
		n = n<<8 | uint64(b)
	}
	p.at += size
	return major, low, n, true
}

// atBreak takes the end of an item without a length.
func (p *cborParser) atBreak() bool {
	if p.at < len(p.body) && p.body[p.at] == cborBreak {
		p.at++
		return true
	}
	return false
}

func (p *cborParser) value(depth int) (any, error) {
	major, low, n, ok := p.head()
	if !ok || depth > maxCBORDepth {
		return nil, errCBOR
	}
	if p.values++; p.values > maxValues {
		return nil, errCrowded
	}
	indefinite := low == cborIndefinite
	switch major {
	case cborUint, cborNegative:
		if indefinite {
			return nil, errCBOR
		}
		return cborNumber(major, n), nil
	case cborBytes:
		return p.bytes(n, indefinite, cborBytes)
	case cborText:
		text, err := p.bytes(n, indefinite, cborText)
		if err != nil || !utf8.Valid(text) {
			return nil, errCBOR
		}
		return string(text), nil
	case cborList:
		return p.list(n, indefinite, depth)
	case cborMap:
		return p.object(n, indefinite, depth)
	case cborTag:
		return p.tagged(n, indefinite, depth)
	}
	return cborSimpleValue(low, n)
}

// cborNumber is an integer, as a float when it does not fit.
func cborNumber(major byte, n uint64) any {
	switch {
	case n > math.MaxInt64 && major == cborUint:
		return float64(n)
	case n > math.MaxInt64:
		return -1 - float64(n)
	case major == cborUint:
		return int64(n)
	}
	return -1 - int64(n)
}

func cborSimpleValue(low byte, n uint64) (any, error) {
	switch low {
	case cborFalse, cborTrue:
		return low == cborTrue, nil
	case cborNull, cborUndefined:
		return nil, nil
	case cborHalf:
		return halfFloat(uint16(n)), nil
	case cborSingle:
		return float64(math.Float32frombits(uint32(n))), nil
	case cborDouble:
		return math.Float64frombits(n), nil
	}
	return nil, errCBOR
}

// halfFloat is RFC 8949, appendix D.
func halfFloat(h uint16) float64 {
	exponent, fraction := int(h>>10&31), float64(h&1023)
	var value float64
	switch exponent {
	case 0:
		value = math.Ldexp(fraction, -24)
	case 31:
		value = math.Inf(1)
		if fraction != 0 {
			value = math.NaN()
		}
	default:
		value = math.Ldexp(fraction+1024, exponent-25)
	}
	if h>>15 == 1 {
		return -value
	}
	return value
}

// bytes reads bytes or text, in one piece or, without a length, in several.
func (p *cborParser) bytes(n uint64, indefinite bool, of byte) ([]byte, error) {
	if !indefinite {
		if n > uint64(len(p.body)-p.at) {
			return nil, errCBOR
		}
		start := p.at
		p.at += int(n)
		return append([]byte{}, p.body[start:p.at]...), nil
	}
	whole := []byte{}
	for !p.atBreak() {
		major, low, n, ok := p.head()
		if !ok || major != of || low == cborIndefinite || n > uint64(len(p.body)-p.at) {
			return nil, errCBOR
		}
		whole = append(whole, p.body[p.at:p.at+int(n)]...)
		p.at += int(n)
	}
	return whole, nil
}

func (p *cborParser) list(n uint64, indefinite bool, depth int) (any, error) {
	list := []any{}
	for i := uint64(0); indefinite || i < n; i++ {
		if indefinite && p.atBreak() {
			break
		}
		node, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, node)
	}
	return list, nil
}

func (p *cborParser) object(n uint64, indefinite bool, depth int) (any, error) {
	tree := make(map[string]any)
	for i := uint64(0); indefinite || i < n; i++ {
		if indefinite && p.atBreak() {
			break
		}
		name, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		text, ok := name.(string)
		if !ok {
			return nil, errCBOR
		}
		if tree[text], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// tagged reads a time; what other tags say is ignored.
func (p *cborParser) tagged(tag uint64, indefinite bool, depth int) (any, error) {
	if indefinite {
		return nil, errCBOR
	}
	node, err := p.value(depth + 1)
	if err != nil || tag != cborTimeTag {
		return node, err
	}
	switch n := node.(type) {
	case int64:
		return secondsOrMillis(float64(n)), nil
	case float64:
		return secondsOrMillis(n), nil
	}
	return nil, errCBOR
}

func (cborCodec) newWriter(dst []byte) writer { return &cborWriter{out: dst} }

type cborWriter struct{ out []byte }

func (w *cborWriter) bytes() []byte { return w.out }

// head appends the start of an item.
func (w *cborWriter) head(major byte, n uint64) {
	switch {
	case n < 24:
		w.out = append(w.out, major<<5|byte(n))
	case n <= math.MaxUint8:
		w.out = append(w.out, major<<5|24, byte(n))
	case n <= math.MaxUint16:
		w.out = append(w.out, major<<5|25)
		w.out = binary.BigEndian.AppendUint16(w.out, uint16(n))
	case n <= math.MaxUint32:
		w.out = append(w.out, major<<5|26)
		w.out = binary.BigEndian.AppendUint32(w.out, uint32(n))
	default:
		w.out = append(w.out, major<<5|27)
		w.out = binary.BigEndian.AppendUint64(w.out, n)
	}
}

func (w *cborWriter) beginStruct() { w.out = append(w.out, cborMap<<5|cborIndefinite) }
func (w *cborWriter) endStruct()   { w.out = append(w.out, cborBreak) }
func (w *cborWriter) beginList()   { w.out = append(w.out, cborList<<5|cborIndefinite) }
func (w *cborWriter) element()     {}
func (w *cborWriter) endList()     { w.out = append(w.out, cborBreak) }

func (w *cborWriter) key(name string)     { w.text(name) }
func (w *cborWriter) freeKey(name string) { w.text(name) }

func (w *cborWriter) text(s string) {
	w.head(cborText, uint64(len(s)))
	w.out = append(w.out, s...)
}

func (w *cborWriter) textBytes(s []byte) {
	w.head(cborText, uint64(len(s)))
	w.out = append(w.out, s...)
}

func (w *cborWriter) sequenceNumber(n sequence.Number) {
	w.head(cborText, sequence.Digits)
	w.out = n.AppendDecimal(w.out)
}

func (w *cborWriter) number(n int64) {
	if n < 0 {
		w.head(cborNegative, uint64(-1-n))
		return
	}
	w.head(cborUint, uint64(n))
}

func (w *cborWriter) flag(b bool) {
	if b {
		w.out = append(w.out, cborSimple<<5|cborTrue)
	} else {
		w.out = append(w.out, cborSimple<<5|cborFalse)
	}
}

func (w *cborWriter) blob(data []byte) {
	w.head(cborBytes, uint64(len(data)))
	w.out = append(w.out, data...)
}

func (w *cborWriter) time(t time.Time) { w.millis(t.UnixMilli()) }

func (w *cborWriter) millis(n int64) {
	w.head(cborTag, cborTimeTag)
	w.number(n)
}

func (w *cborWriter) null() { w.out = append(w.out, cborSimple<<5|cborNull) }

func (cborCodec) newScanner(body []byte) scanner { return &cborScan{p: cborParser{body: body}} }

type cborScan struct {
	p      cborParser
	failed bool
	depth  int
	frames [maxScanDepth]cborFrame
	member []byte
}

// cborFrame is an object or a list that was entered.
type cborFrame struct {
	object     bool
	indefinite bool
	left       uint64 // members or elements that follow
}

func (s *cborScan) fail()        { s.failed = true }
func (s *cborScan) name() []byte { return s.member }
func (s *cborScan) object()      { s.enter(cborMap) }
func (s *cborScan) list()        { s.enter(cborList) }

func (s *cborScan) enter(wanted byte) {
	if s.failed || s.depth == maxScanDepth {
		s.failed = true
		return
	}
	major, low, n, ok := s.p.head()
	if !ok || major != wanted {
		s.failed = true
		return
	}
	s.frames[s.depth] = cborFrame{object: wanted == cborMap, indefinite: low == cborIndefinite, left: n}
	s.depth++
}

func (s *cborScan) more() bool {
	if s.failed || s.depth == 0 {
		return false
	}
	f := &s.frames[s.depth-1]
	if f.indefinite && s.p.atBreak() || !f.indefinite && f.left == 0 {
		s.depth--
		return false
	}
	f.left--
	if f.object {
		s.member = s.piece(cborText)
	}
	return !s.failed
}

// piece reads bytes or text that come in one piece.
func (s *cborScan) piece(of byte) []byte {
	if s.failed {
		return nil
	}
	major, low, n, ok := s.p.head()
	if !ok || major != of || low == cborIndefinite || n > uint64(len(s.p.body)-s.p.at) {
		s.failed = true
		return nil
	}
	start := s.p.at
	s.p.at += int(n)
	return s.p.body[start:s.p.at:s.p.at]
}

func (s *cborScan) text(r *room, valid func(string) bool) *string {
	content := s.piece(cborText)
	if s.failed || !utf8.Valid(content) {
		s.failed = true
		return nil
	}
	return keepIfValid(s, r, unsafe.String(unsafe.SliceData(content), len(content)), valid)
}

func (s *cborScan) blob(*room) []byte {
	data := s.piece(cborBytes)
	s.failed = s.failed || len(data) > maxBlob
	return data
}

func (s *cborScan) whole() int64 {
	if s.failed {
		return 0
	}
	major, low, n, ok := s.p.head()
	if !ok || major != cborUint || low == cborIndefinite || n < 1 || n > 999_999 {
		s.failed = true
		return 0
	}
	return int64(n)
}

func (s *cborScan) end() bool { return !s.failed && s.depth == 0 && s.p.at == len(s.p.body) }
