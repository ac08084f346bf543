package wire

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// The nodes of a parsed body: nil, bool, int64, float64, string, []byte (CBOR
// only), time.Time (CBOR only), []any and map[string]any.

// Bind fills an input, a pointer to a struct, from a parsed body. Members the
// input does not know are ignored. The error is the service's refusal of a
// value of another type.
func Bind(tree map[string]any, input any) error {
	return bindStruct(tree, reflect.ValueOf(input).Elem())
}

func bindStruct(tree map[string]any, to reflect.Value) error {
	for _, m := range planOf(to.Type()).members {
		node, ok := tree[m.name]
		if !ok || node == nil {
			continue
		}
		if err := bind(node, to.FieldByIndex(m.index)); err != nil {
			return err
		}
	}
	return nil
}

func bind(node any, to reflect.Value) error {
	t := to.Type()
	switch {
	case t == bytesType:
		data, err := asBlob(node)
		to.SetBytes(data)
		return err
	case t.Kind() == reflect.Slice:
		return bindList(node, to)
	case t.Kind() == reflect.Map:
		return bindMap(node, to)
	case t.Kind() == reflect.Pointer && t.Elem() == timeType:
		at, err := asTime(node)
		to.Set(reflect.ValueOf(&at))
		return err
	case t.Kind() == reflect.Pointer:
		value := reflect.New(t.Elem())
		to.Set(value)
		return bindScalar(node, value.Elem())
	}
	panic(fmt.Sprintf("wire: an input has a field of type %v", t))
}

// bindScalar fills what a pointer points to.
func bindScalar(node any, to reflect.Value) error {
	switch to.Kind() {
	case reflect.String:
		text, ok := node.(string)
		if !ok {
			return notA("an String", node)
		}
		to.SetString(text)
	case reflect.Int64:
		switch n := node.(type) {
		case int64:
			to.SetInt(n)
		case float64:
			to.SetInt(wholeNumber(n))
		default:
			return notA("an Integer", node)
		}
	case reflect.Bool:
		flag, err := asBool(node)
		to.SetBool(flag)
		return err
	case reflect.Struct:
		switch tree := node.(type) {
		case map[string]any:
			return bindStruct(tree, to)
		case []any:
			return errList
		default:
			return serialization("Expected null")
		}
	default:
		panic(fmt.Sprintf("wire: an input has a field of type *%v", to.Type()))
	}
	return nil
}

func bindList(node any, to reflect.Value) error {
	nodes, ok := node.([]any)
	switch {
	case ok:
	case isMap(node):
		return errMap
	default:
		return serialization("Expected list or null")
	}
	list := reflect.MakeSlice(to.Type(), len(nodes), len(nodes))
	to.Set(list)
	for i, n := range nodes {
		if n == nil {
			continue
		}
		element := list.Index(i)
		var err error
		if element.Kind() == reflect.Pointer {
			err = bind(n, element)
		} else {
			err = bindScalar(n, element)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func bindMap(node any, to reflect.Value) error {
	tree, ok := node.(map[string]any)
	switch {
	case ok:
	case isList(node):
		return errList
	default:
		return serialization("Expected map or null")
	}
	values := make(map[string]string, len(tree))
	to.Set(reflect.ValueOf(values))
	for key, n := range tree {
		if n == nil {
			values[key] = ""
			continue
		}
		text, ok := n.(string)
		if !ok {
			return notA("an String", n)
		}
		values[key] = text
	}
	return nil
}

func isMap(node any) bool  { _, ok := node.(map[string]any); return ok }
func isList(node any) bool { _, ok := node.([]any); return ok }

// wholeNumber rounds down, as the service does with a fraction.
func wholeNumber(n float64) int64 {
	switch n = math.Floor(n); {
	case n >= math.MaxInt64:
		return math.MaxInt64
	case n <= math.MinInt64:
		return math.MinInt64
	}
	return int64(n)
}

func asBool(node any) (bool, error) {
	switch v := node.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToUpper(v) {
		case "TRUE", "YES", "1":
			return true, nil
		case "FALSE", "NO", "0":
			return false, nil
		}
		return false, serialization("'%s' can not be converted to an Boolean", strings.ToUpper(v))
	}
	return false, notA("an Boolean", node)
}

func asTime(node any) (time.Time, error) {
	switch v := node.(type) {
	case time.Time:
		return v, nil
	case int64:
		return secondsOrMillis(float64(v)), nil
	case float64:
		return secondsOrMillis(v), nil
	}
	return time.Time{}, notA("milliseconds since epoch", node)
}

// secondsOrMillis reads a timestamp in either unit: as seconds, 10^11 is the
// year 5138; as milliseconds it is 1973.
func secondsOrMillis(n float64) time.Time {
	const laterThanAnySecond = 1e11
	if math.IsNaN(n) || math.Abs(n) > 1e15 {
		n = 0
	}
	if math.Abs(n) < laterThanAnySecond {
		n *= 1000
	}
	return time.UnixMilli(int64(math.Round(n))).UTC()
}

// asBlob takes bytes as they are and text as base64.
func asBlob(node any) ([]byte, error) {
	switch v := node.(type) {
	case []byte:
		return v, nil
	case string:
		return decodeBlob(v)
	}
	return nil, notA("a Blob", node)
}

func decodeBlob(text string) ([]byte, error) {
	if len(text)%4 != 0 {
		return nil, serialization("'%s' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: %d", text, len(text))
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	content := strings.TrimRight(text, "=")
	if len(text)-len(content) > 2 {
		return nil, serialization("'%s' can not be converted to a Blob: Invalid Base64 character: '='", text)
	}
	for _, c := range content {
		if !strings.ContainsRune(alphabet, c) {
			return nil, serialization("'%s' can not be converted to a Blob: Invalid Base64 character: '%c'", text, c)
		}
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, serialization("'%s' can not be converted to a Blob: Invalid last non-pad Base64 character dectected", text)
	}
	return data, nil
}

var (
	errList = serialization("Start of list found where not expected")
	errMap  = serialization("Start of structure or map found where not expected.")
)

// notA words the refusal of a value that has another type.
func notA(wanted string, node any) error {
	class := "java.math.BigDecimal"
	switch node.(type) {
	case []any:
		return errList
	case map[string]any:
		return errMap
	case bool:
		class = "java.lang.Boolean"
	case string:
		class = "java.lang.String"
	case []byte:
		class = "java.nio.HeapByteBuffer"
	case time.Time:
		class = "java.util.Date"
	}
	return serialization("class %s can not be converted to %s", class, wanted)
}
