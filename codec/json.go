package codec

import (
	"encoding/json"
	"fmt"
)

// Options are how JSON is written. Every way is read without being told.
type Options struct {
	// Python writes JSON as json.dumps of Python's standard library does:
	// with ", " and ": " between, and everything beyond ASCII as \uXXXX. Only
	// numbers stay as Go writes them, so a whole float64 has no ".0". False,
	// the default, writes compact JSON in UTF-8.
	Python bool
}

// JSON is the codec that puts one value into a record as JSON.
func JSON[T any](options ...func(*Options)) Codec[T] {
	return alone[T]{jsonValues[T](optionsOf(options))}
}

func optionsOf(functions []func(*Options)) Options {
	var o Options
	for _, f := range functions {
		f(&o)
	}
	return o
}

// jsonValues writes values as JSON, without a line break, and reads them.
func jsonValues[T any](o Options) values[T] {
	return values[T]{
		append: func(dst []byte, v T) ([]byte, error) {
			text := appender{dst}
			if o.Python {
				text.bytes = nil
			}
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(v); err != nil {
				return dst, fmt.Errorf("encode value: %w", err)
			}
			written := text.bytes[:len(text.bytes)-len("\n")]
			if o.Python {
				return appendPython(dst, written), nil
			}
			return written, nil
		},
		parse: func(item []byte) (v T, err error) {
			return v, json.Unmarshal(item, &v)
		},
	}
}

// appender is a writer at the end of bytes.
type appender struct{ bytes []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.bytes = append(a.bytes, p...)
	return len(p), nil
}
