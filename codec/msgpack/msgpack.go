package msgpack

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/kinetrail/kinetrail/codec"

	supplier "github.com/ugorji/go/codec"
)

// New is the codec of values of type T.
//
// A struct is a map of its exported fields, named by their msgpack tags, or else
// their json tags. Maps are written in the order of their keys; Python refuses
// those with keys that are no text. Numbers take as few bytes as they can, as in
// Python; reading one that does not fit into its Go type is an error. A []byte
// is binary, a string is text, which Python refuses if it is not UTF-8. A
// time.Time is MessagePack's timestamp. Where T has no type of its own for a
// value, it is read as nil, bool, int64, uint64, float64, string, []byte,
// time.Time, []any or map[string]any.
func New[T any]() codec.Packing[T] {
	return codec.Netstrings(encode[T], decode[T])
}

// handle is how the supplier writes and reads.
var handle = func() *supplier.MsgpackHandle {
	h := &supplier.MsgpackHandle{
		WriteExt:            true, // binary, text and timestamps apart
		PositiveIntUnsigned: true, // as Python does
	}
	h.Canonical = true
	h.CheckCircularRef = true
	h.MapType = reflect.TypeFor[map[string]any]()
	h.TypeInfos = supplier.NewTypeInfos([]string{"msgpack", "json"})
	return h
}()

// encoder is one of the supplier's, and the memory it writes to.
type encoder struct {
	*supplier.Encoder
	bytes []byte
}

var (
	encoders = sync.Pool{New: func() any { return &encoder{Encoder: supplier.NewEncoderBytes(nil, handle)} }}
	decoders = sync.Pool{New: func() any { return supplier.NewDecoderBytes(nil, handle) }}
)

func encode[T any](dst []byte, v T) ([]byte, error) {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.ResetBytes(&e.bytes)
	if err := e.Encode(v); err != nil {
		return dst, fmt.Errorf("encode value: %w", err)
	}
	return append(dst, e.bytes...), nil
}

func decode[T any](item []byte) (v T, err error) {
	d := decoders.Get().(*supplier.Decoder)
	defer decoders.Put(d)
	defer d.ResetBytes(nil) // the item is the caller's
	d.ResetBytes(item)
	if err := d.Decode(&v); err != nil {
		return v, err
	}
	if n := d.NumBytesRead(); n != len(item) {
		return v, fmt.Errorf("%d bytes behind the value", len(item)-n)
	}
	return v, nil
}
