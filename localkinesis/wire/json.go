package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// JSON is the form application/x-amz-json-1.1.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) ContentType() string { return "application/x-amz-json-1.1" }

func (jsonCodec) Parse(body []byte) (map[string]any, error) {
	if crowded(body) {
		return nil, errCrowded
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the document")
	}
	if tree == nil {
		return nil, errors.New("the document is null")
	}
	plainNumbers(tree)
	return tree, nil
}

// crowded reports whether a JSON document has more than maxValues members and
// elements. Of what is no document it says anything.
func crowded(body []byte) bool {
	n, inText := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inText && c == '\\':
			i++ // what is escaped does not end the text
		case c == '"':
			inText = !inText
		case !inText && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n > maxValues
}

// plainNumbers turns the numbers of a tree into int64 and float64.
func plainNumbers(node any) any {
	switch v := node.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		n, _ := v.Float64() // out of range: ±Inf
		return n
	case map[string]any:
		for key, n := range v {
			v[key] = plainNumbers(n)
		}
	case []any:
		for i, n := range v {
			v[i] = plainNumbers(n)
		}
	}
	return node
}

func (jsonCodec) newWriter(dst []byte) writer { return &jsonWriter{out: dst} }

type jsonWriter struct {
	out   []byte
	comma bool // the next key or element is not the first
}

func (w *jsonWriter) bytes() []byte { return w.out }

func (w *jsonWriter) separate() {
	if w.comma {
		w.out = append(w.out, ',')
	}
	w.comma = false
}

func (w *jsonWriter) beginStruct() { w.out, w.comma = append(w.out, '{'), false }
func (w *jsonWriter) endStruct()   { w.out, w.comma = append(w.out, '}'), true }
func (w *jsonWriter) beginList()   { w.out, w.comma = append(w.out, '['), false }
func (w *jsonWriter) element()     { w.separate() }
func (w *jsonWriter) endList()     { w.out, w.comma = append(w.out, ']'), true }

func (w *jsonWriter) key(name string) {
	w.separate()
	w.out = append(w.out, '"')
	w.out = append(w.out, name...)
	w.out = append(w.out, '"', ':')
}

func (w *jsonWriter) freeKey(name string) {
	w.separate()
	w.text(name)
	w.out = append(w.out, ':')
}

func (w *jsonWriter) text(s string) {
	w.out = appendJSONText(w.out, s)
	w.comma = true
}

func (w *jsonWriter) textBytes(s []byte) {
	w.out = appendJSONText(w.out, s)
	w.comma = true
}

func (w *jsonWriter) sequenceNumber(n sequence.Number) {
	w.out = append(w.out, '"')
	w.out = n.AppendDecimal(w.out)
	w.out = append(w.out, '"')
	w.comma = true
}

func (w *jsonWriter) number(n int64) {
	w.out = strconv.AppendInt(w.out, n, 10)
	w.comma = true
}

func (w *jsonWriter) flag(b bool) {
	w.out = strconv.AppendBool(w.out, b)
	w.comma = true
}

func (w *jsonWriter) blob(data []byte) {
	w.out = append(w.out, '"')
	w.out = base64.StdEncoding.AppendEncode(w.out, data)
	w.out = append(w.out, '"')
	w.comma = true
}

func (w *jsonWriter) time(t time.Time) { w.millis(t.UnixMilli()) }

// millis writes seconds, with three decimals unless they are whole.
func (w *jsonWriter) millis(n int64) {
	if n < 0 {
		w.out = append(w.out, '-')
		n = -n
	}
	w.out = strconv.AppendInt(w.out, n/1000, 10)
	if n %= 1000; n != 0 {
		w.out = append(w.out, '.', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	}
	w.comma = true
}

func (w *jsonWriter) null() {
	w.out = append(w.out, "null"...)
	w.comma = true
}

// appendJSONText appends s in quotes. Text that is not UTF-8 gets replacement
// characters.
func appendJSONText[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
