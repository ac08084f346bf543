package wire

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// Append appends an output, a pointer to a struct, to dst in a codec's form.
func Append(dst []byte, c Codec, output any) []byte {
	w := c.newWriter(dst)
	if o, ok := output.(recordOutput); ok {
		o.write(w)
	} else {
		writeStruct(w, reflect.ValueOf(output).Elem())
	}
	return w.bytes()
}

func writeStruct(w writer, v reflect.Value) {
	w.beginStruct()
	for _, m := range planOf(v.Type()).members {
		field := v.FieldByIndex(m.index)
		if isNull(field) {
			continue
		}
		w.key(m.name)
		writeValue(w, field)
	}
	w.endStruct()
}

func writeValue(w writer, v reflect.Value) {
	switch {
	case v.Type() == timeType:
		w.time(v.Interface().(time.Time))
	case v.Type() == bytesType:
		w.blob(v.Bytes())
	case v.Kind() == reflect.Pointer:
		writeValue(w, v.Elem())
	case v.Kind() == reflect.Struct:
		writeStruct(w, v)
	case v.Kind() == reflect.String:
		w.text(v.String())
	case v.CanInt():
		w.number(v.Int())
	case v.Kind() == reflect.Bool:
		w.flag(v.Bool())
	case v.Kind() == reflect.Slice:
		w.beginList()
		for i := range v.Len() {
			w.element()
			writeValue(w, v.Index(i))
		}
		w.endList()
	case v.Kind() == reflect.Map:
		values := v.Interface().(map[string]string)
		w.beginStruct()
		for _, key := range slices.Sorted(maps.Keys(values)) {
			w.freeKey(key)
			w.text(values[key])
		}
		w.endStruct()
	default:
		panic(fmt.Sprintf("wire: an output has a field of type %v", v.Type()))
	}
}
