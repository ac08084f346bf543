package kinesisprotocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/aws/smithy-go/encoding/cbor"
)

// jsonOf is what an answer in CBOR says, as JSON. It is for what comes seldom:
// errors, and pages that are unusual.
func jsonOf(page []byte) (text []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			text, err = nil, fmt.Errorf("%v", reason)
		}
	}()
	answer, err := cbor.Decode(page)
	if err != nil {
		return nil, err
	}
	tree, err := treeOf("", answer)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

var errForeignCBOR = errors.New("it holds what no answer of Kinesis has")

// treeOf is v, the member called name, as encoding/json takes it.
func treeOf(name string, v cbor.Value) (any, error) {
	if tag, ok := v.(*cbor.Tag); ok {
		v = tag.Value
	}
	if name == "ApproximateArrivalTimestamp" || name == "Timestamp" {
		return secondsOf(v)
	}
	switch v := v.(type) {
	case cbor.Uint:
		return uint64(v), nil
	case cbor.NegInt:
		if v > math.MaxInt64 {
			return nil, errForeignCBOR
		}
		return -int64(v), nil
	case cbor.Slice:
		return []byte(v), nil // which becomes base64
	case cbor.String:
		return string(v), nil
	case cbor.Bool:
		return bool(v), nil
	case cbor.Float32:
		return float64(v), nil
	case cbor.Float64:
		return float64(v), nil
	case *cbor.Nil, *cbor.Undefined:
		return nil, nil
	case cbor.List:
		list := make([]any, len(v))
		for i, element := range v {
			var err error
			if list[i], err = treeOf("", element); err != nil {
				return nil, err
			}
		}
		return list, nil
	case cbor.Map:
		object := make(map[string]any, len(v))
		for name, member := range v {
			var err error
			if object[name], err = treeOf(name, member); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return nil, errForeignCBOR
}

// secondsOf is a time as JSON has it, in seconds, from what CBOR has.
func secondsOf(v cbor.Value) (any, error) {
	var number float64
	switch v := v.(type) {
	case cbor.Uint:
		if v < millisecondsFrom {
			return uint64(v), nil
		}
		return seconds(uint64(v)), nil
	case cbor.Float32:
		number = float64(v)
	case cbor.Float64:
		number = float64(v)
	case *cbor.Nil, *cbor.Undefined:
		return nil, nil
	default:
		return nil, errForeignCBOR
	}
	switch {
	case number >= latestMillisecond:
		number /= 1000
	case number >= millisecondsFrom:
		return seconds(uint64(number)), nil
	}
	return json.Number(strconv.FormatFloat(number, 'f', -1, 64)), nil
}

// seconds is a number of milliseconds in seconds, and half a millisecond: the SDK
// multiplies by a thousand and cuts off, and would lose a millisecond of some.
func seconds(milliseconds uint64) json.Number {
	return json.Number(fmt.Sprintf("%d.%03d5", milliseconds/1000, milliseconds%1000))
}
