package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// maxComplaints is how many violations one answer lists.
const maxComplaints = 10

// Validate applies the constraints of an input's shapes, a pointer to a
// struct. Members with one of the names in optional may be missing, whatever
// their shapes say. The error is the service's refusal and lists every violation.
func Validate(input any, optional ...string) error {
	c := complaints{optional: optional}
	c.checkStruct("", reflect.ValueOf(input).Elem())
	switch len(c.list) {
	case 0:
		return nil
	case 1:
		return Refuse("ValidationException", "1 validation error detected: %s", c.list[0])
	}
	return Refuse("ValidationException", "%d validation errors detected: %s", len(c.list), strings.Join(c.list, "; "))
}

type complaints struct {
	optional []string
	list     []string
}

func (c *complaints) full() bool { return len(c.list) >= maxComplaints }

func (c *complaints) add(path string, value reflect.Value, format string, args ...any) {
	if c.full() {
		return
	}
	shown := "null"
	if !value.IsZero() || value.Kind() != reflect.Pointer && value.Kind() != reflect.Slice && value.Kind() != reflect.Map {
		shown = "'" + show(value) + "'"
	}
	c.list = append(c.list, "Value "+shown+" at '"+path+"' failed to satisfy constraint: "+fmt.Sprintf(format, args...))
}

func (c *complaints) checkStruct(prefix string, v reflect.Value) {
	for _, m := range planOf(v.Type()).members {
		if c.full() {
			return
		}
		field := v.FieldByIndex(m.index)
		if isNull(field) {
			if m.required && !slices.Contains(c.optional, m.name) {
				c.add(prefix+m.label, field, "Member must not be null")
			}
			continue
		}
		if m.shape != nil {
			c.checkShape(prefix+m.label, field, m.shape)
		}
		c.checkInside(prefix+m.label, field)
	}
}

func isNull(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return v.IsNil()
	}
	return false
}

// checkInside goes on into structures and lists of structures.
func (c *complaints) checkInside(path string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct && v.Type().Elem() != timeType:
		c.checkStruct(path+".", v.Elem())
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			if c.full() {
				return
			}
			c.checkStruct(fmt.Sprintf("%s.%d.member.", path, i+1), v.Index(i))
		}
	}
}

func (c *complaints) checkShape(path string, v reflect.Value, s *Shape) {
	if s.numeric {
		c.checkNumber(path, v, s)
		return
	}
	if len(s.enum) > 0 {
		c.checkEnum(path, v, s)
		return
	}
	length := lengthOf(v)
	if length < s.minLength {
		c.add(path, v, "Member must have length greater than or equal to %d", s.minLength)
	}
	if s.maxLength > 0 && length > s.maxLength {
		c.add(path, v, "Member must have length less than or equal to %d", s.maxLength)
	}
	if s.whole != nil && !s.whole.MatchString(v.Elem().String()) {
		c.add(path, v, "Member must satisfy regular expression pattern: %s", s.pattern)
	}
	switch {
	case s.elements != nil:
		c.checkEnum(path, v, s.elements)
	case s.member != nil:
		if !everyLength(v.Interface().([]string), s.member) {
			c.add(path, v, "Member must satisfy constraint: %s", s.member.lengths())
		}
	case s.key != nil:
		var keys, values []string
		for k, text := range v.Interface().(map[string]string) {
			keys, values = append(keys, k), append(values, text)
		}
		if !everyLength(keys, s.key) {
			c.add(path, v, "Map keys must satisfy constraint: %s", s.key.lengths())
		}
		if !everyLength(values, s.value) {
			c.add(path, v, "Map value must satisfy constraint: %s", s.value.lengths())
		}
	}
}

func (c *complaints) checkNumber(path string, v reflect.Value, s *Shape) {
	n := v.Elem().Int()
	if n < s.minValue {
		c.add(path, v, "Member must have value greater than or equal to %d", s.minValue)
	}
	if s.maxValue > 0 && n > s.maxValue {
		c.add(path, v, "Member must have value less than or equal to %d", s.maxValue)
	}
}

// checkEnum looks at one text or at every text of a list.
func (c *complaints) checkEnum(path string, v reflect.Value, s *Shape) {
	set := "[" + strings.Join(s.enum, ", ") + "]"
	if v.Kind() == reflect.Pointer {
		if !slices.Contains(s.enum, v.Elem().String()) {
			c.add(path, v, "Member must satisfy enum value set: %s", set)
		}
		return
	}
	for _, text := range v.Interface().([]string) {
		if !slices.Contains(s.enum, text) {
			c.add(path, v, "Member must satisfy constraint: [Member must satisfy enum value set: %s]", set)
			return
		}
	}
}

func (s *Shape) lengths() string {
	return fmt.Sprintf("[Member must have length less than or equal to %d, Member must have length greater than or equal to %d]",
		s.maxLength, s.minLength)
}

func everyLength(texts []string, s *Shape) bool {
	for _, t := range texts {
		if n := characters(t); n < s.minLength || n > s.maxLength {
			return false
		}
	}
	return true
}

// characters counts a text as Java does, in UTF-16 units.
func characters(text string) (n int64) {
	for _, r := range text {
		n += int64(max(utf16.RuneLen(r), 1))
	}
	return n
}

func lengthOf(v reflect.Value) int64 {
	if v.Kind() != reflect.Pointer {
		return int64(v.Len())
	}
	if v.Elem().Kind() == reflect.String {
		return characters(v.Elem().String())
	}
	return 0
}

// show is a value as the service's messages show it.
func show(v reflect.Value) string {
	switch {
	case v.Type() == bytesType:
		return fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", v.Len(), v.Len())
	case v.Kind() == reflect.Pointer && v.Type().Elem() == timeType:
		return v.Interface().(*time.Time).Format(time.ANSIC)
	case v.Kind() == reflect.Pointer:
		return show(v.Elem())
	case v.Kind() == reflect.Struct:
		return "com.amazonaws.kinesis.v20131202." + strings.TrimPrefix(v.Type().Name(), "*") + "@c965e310"
	case v.Kind() == reflect.Slice:
		shown := make([]string, v.Len())
		for i := range shown {
			shown[i] = show(v.Index(i))
		}
		return "[" + strings.Join(shown, ", ") + "]"
	case v.Kind() == reflect.Map:
		var shown []string
		for k, text := range v.Interface().(map[string]string) {
			shown = append(shown, k+"="+text)
		}
		slices.Sort(shown)
		return "{" + strings.Join(shown, ", ") + "}"
	case v.Kind() == reflect.String && !utf8.ValidString(v.String()):
		return strings.ToValidUTF8(v.String(), "�")
	}
	return fmt.Sprint(v.Interface())
}
