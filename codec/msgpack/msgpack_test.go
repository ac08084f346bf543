package msgpack_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail/codec"
	"github.com/kinetrail/kinetrail/codec/msgpack"
)

// only decodes a record of one value.
func only[T any](t testing.TB, record []byte) (value T, err error) {
	t.Helper()
	n := 0
	for value, err = range msgpack.New[T]().Decode(record) {
		n++
	}
	if n != 1 {
		t.Fatalf("%q holds %d values; want 1", record, n)
	}
	return value, err
}

func TestAStructIsAMapOfItsFields(t *testing.T) {
	t.Parallel()
	type order struct {
		ID     string            `json:"id"`
		Total  float64           `msgpack:"total" json:"sum"`
		Placed time.Time         `msgpack:"placed"`
		Tags   map[string]string `msgpack:"tags,omitempty"`
		Raw    []byte
		Note   *string `json:"note,omitempty"`
	}
	want := order{ID: "é", Total: 2.5, Placed: time.Unix(1700000000, 0).UTC(), Raw: []byte{0xff}}
	record, err := msgpack.New[order]().Append([]byte("before "), want)
	const text = "before 42:" + "\x84\xa3Raw\xc4\x01\xff" + "\xa2id\xa2é" + "\xa6placed\xd6\xff\x65\x53\xf1\x00" + "\xa5total\xcb\x40\x04\x00\x00\x00\x00\x00\x00" + ","
	if err != nil || string(record) != text {
		t.Errorf("record %q, error %v; want %q", record, err, text)
	}
	got, err := only[order](t, record[len("before "):])
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q is %+v, error %v; want %+v", record, got, err, want)
	}
}

func TestMapsAreWrittenInTheOrderOfTheirKeys(t *testing.T) {
	t.Parallel()
	values := map[string]int{}
	for i := range 50 {
		values[fmt.Sprint(i)] = i
	}
	first, err := msgpack.New[map[string]int]().Append(nil, values)
	for range 20 {
		again, againErr := msgpack.New[map[string]int]().Append(nil, values)
		if string(again) != string(first) || err != nil || againErr != nil {
			t.Fatalf("one map is written as %q and as %q, errors %v and %v", first, again, err, againErr)
		}
	}
}

func TestABadValueIsOneError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		record string
		want   []string // a piece of the error, or "" for the value 1
	}{
		{"1:\x01,1:\xc1,1:\x01,", []string{"", "msgpack", ""}},
		{"2:\x01\x02,1:\x01,", []string{"1 bytes behind the value", ""}},
		{"0:,1:\x01,", []string{"EOF", ""}},
		{"2:\xa1x,", []string{"msgpack"}},
		{"3:\xcd\x01\x00,", []string{"overflow"}},
		{"5:\xdd\xff\xff\xff\xff,1:\x01,", []string{"msgpack", ""}},
		{"5:\xdf\xff\xff\xff\xff,", []string{"msgpack"}},
		{"5:\xc6\xff\xff\xff\xff,", []string{"msgpack"}},
		{"1:\x01,x", []string{"", "netstring"}},
	}
	for _, tt := range tests {
		index := 0
		for v, err := range msgpack.New[int8]().Decode([]byte(tt.record)) {
			var failure *codec.DecodeError
			switch {
			case index == len(tt.want):
				t.Fatalf("%q holds more than %d values", tt.record, index)
			case tt.want[index] == "" && (v != 1 || err != nil):
				t.Errorf("value %d of %q is %d, error %v; want 1", index, tt.record, v, err)
			case tt.want[index] != "" && (v != 0 || !errors.As(err, &failure) || failure.Index != index || !strings.Contains(err.Error(), tt.want[index])):
				t.Errorf("value %d of %q is %d, error %v; want a DecodeError with %q", index, tt.record, v, err, tt.want[index])
			}
			index++
		}
		if index != len(tt.want) {
			t.Errorf("%q holds %d values; want %d", tt.record, index, len(tt.want))
		}
	}
}

func TestDeepNestingIsAnError(t *testing.T) {
	t.Parallel()
	const depth = 10 << 20
	for _, opening := range []string{"\x91", "\x81\xa1a"} {
		record := fmt.Sprintf("%d:%s,", depth*len(opening), strings.Repeat(opening, depth))
		if _, err := only[any](t, []byte(record)); err == nil {
			t.Errorf("a value nested %d deep by %q was read", depth, opening)
		}
	}
}

func TestAValueThatHoldsItselfIsAnError(t *testing.T) {
	t.Parallel()
	type circle struct{ Next *circle }
	round := &circle{}
	round.Next = round
	got, err := msgpack.New[*circle]().Append([]byte("before"), round)
	if err == nil || string(got) != "before" {
		t.Errorf("%q, error %v; want an error", got, err)
	}
	// The writer that failed is none the worse for it.
	if record, err := msgpack.New[int]().Append(nil, 7); err != nil || string(record) != "1:\x07," {
		t.Errorf("after the error: %q, error %v; want 1:7,", record, err)
	}
}

func TestValuesDoNotAliasTheirRecord(t *testing.T) {
	t.Parallel()
	record, err := msgpack.New[any]().Append(nil, []any{"some text", []byte("some data")})
	if err != nil {
		t.Fatal(err)
	}
	value, err := only[any](t, record)
	clear(record)
	if want := []any{"some text", []byte("some data")}; err != nil || !reflect.DeepEqual(value, want) {
		t.Errorf("%q after the record was cleared, error %v; want %q", value, err, want)
	}
}

func TestOneCodecServesManyGoroutines(t *testing.T) {
	t.Parallel()
	c := msgpack.New[map[string]string]()
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			want := map[string]string{"goroutine": strings.Repeat(fmt.Sprint(i), 100+i)}
			for range 200 {
				record, err := c.Append(nil, want)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := only[map[string]string](t, record)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%v came back, error %v; want %v", got, err, want)
				}
			}
		})
	}
	running.Wait()
}

// FuzzDecode decodes arbitrary records. What comes out goes back in and comes
// out again the same.
func FuzzDecode(f *testing.F) {
	for _, r := range readGolden(f, "python.json").Records {
		data, err := hex.DecodeString(r.Bytes)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("2:\xa1\xff,1:\xc1,4:\xc7\x01\x05a,6:\xd6\xff\x00\x00\x00\x01,5:\xca\x7f\xc0\x00\x00,3:\x81\x90\x01,"))
	c := msgpack.New[any]()
	f.Fuzz(func(t *testing.T, data []byte) {
		index := 0
		for v, err := range c.Decode(data) {
			var failure *codec.DecodeError
			switch {
			case err == nil:
				checkAgain(t, c, v)
			case !errors.As(err, &failure) || failure.Index != index || v != nil:
				t.Errorf("value %d of %q is %v, error %v; want a DecodeError of that index", index, data, v, err)
			}
			index++
		}
	})
}

func checkAgain(t *testing.T, c codec.Codec[any], v any) {
	t.Helper()
	record, err := c.Append(nil, v)
	if err != nil {
		t.Fatalf("Append(%#v): %v", v, err)
	}
	if again, err := only[any](t, record); err != nil || !same(v, again) {
		t.Errorf("%#v became %#v by %q, error %v", v, again, record, err)
	}
}
