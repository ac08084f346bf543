package kinetrail_test

import (
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/kinetrail/kinetrail"
)

func TestHeaderFindsTheFirstOfANameInAnyCase(t *testing.T) {
	t.Parallel()
	r := kinetrail.Record{Headers: []kinetrail.Header{
		{Name: "Content-Type", Value: "text/plain"},
		{Name: "empty", Value: ""},
		{Name: "content-type", Value: "second"},
	}}
	tests := []struct {
		name, value string
		ok          bool
	}{
		{"Content-Type", "text/plain", true},
		{"content-type", "text/plain", true},
		{"CONTENT-TYPE", "text/plain", true},
		{"empty", "", true},
		{"content", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if value, ok := r.Header(tt.name); value != tt.value || ok != tt.ok {
			t.Errorf("Header(%q) = %q, %t; want %q, %t", tt.name, value, ok, tt.value, tt.ok)
		}
	}
	if value, ok := new(kinetrail.Record).Header("x"); ok {
		t.Errorf("Header of a record without headers = %q, true; want false", value)
	}
}

func TestTraceContextIsZeroOnlyWithoutAnything(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		context kinetrail.TraceContext
		want    bool
	}{
		{kinetrail.TraceContext{}, true},
		{kinetrail.TraceContext{Parent: "p"}, false},
		{kinetrail.TraceContext{State: "s"}, false},
		{kinetrail.TraceContext{Baggage: "b"}, false},
	} {
		if got := tt.context.IsZero(); got != tt.want {
			t.Errorf("%+v.IsZero() = %t; want %t", tt.context, got, tt.want)
		}
	}
}

// page is memory that records alias, as a page of a response is.
type page []byte

// text is the next string on the page.
func (p *page) text(s string) string {
	start := len(*p)
	*p = append(*p, s...)
	return unsafe.String(&(*p)[start], len(s))
}

// fullRecord has every field set, all of it on the page.
func fullRecord(t *testing.T, p *page) kinetrail.Record {
	t.Helper()
	stream, err := kinetrail.ParseStream(p.text(ordersARN))
	if err != nil {
		t.Fatal(err)
	}
	data := p.text("payload")
	return kinetrail.Record{
		Data:               unsafe.Slice(unsafe.StringData(data), len(data)),
		PartitionKey:       p.text("user-1"),
		StoredPartitionKey: p.text("stored"),
		OriginalKeyKnown:   true,
		ExplicitHashKey:    p.text("17"),
		Headers:            []kinetrail.Header{{Name: p.text("a"), Value: p.text("b")}, {Name: p.text("c"), Value: p.text("d")}},
		Trace:              kinetrail.TraceContext{Parent: p.text("parent"), State: p.text("state"), Baggage: p.text("baggage")},
		Stream:             stream,
		ShardID:            p.text("shardId-000000000000"),
		Position:           kinetrail.At(p.text("4959"), 3),
		ArrivedAt:          time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		Behind:             time.Second,
	}
}

func TestCloneIsEqualAndSharesNoMemory(t *testing.T) {
	t.Parallel()
	p, other := make(page, 0, 4096), make(page, 0, 4096)
	r := fullRecord(t, &p)
	want := fullRecord(t, &other)
	for field, v := range reflect.ValueOf(r).Fields() {
		if v.IsZero() {
			t.Fatalf("the record of this test does not set %s", field.Name)
		}
	}

	clone := r.Clone()
	inside := func(at unsafe.Pointer) bool {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
		return start <= uintptr(at) && uintptr(at) < start+uintptr(cap(p))
	}
	eachText(reflect.ValueOf(clone), "clone", func(name string, at unsafe.Pointer) {
		if inside(at) {
			t.Errorf("%s lies on the page of the record", name)
		}
	})
	r.Headers[0].Name = "changed"
	clear(p)
	if !reflect.DeepEqual(clone, want) {
		t.Errorf("after its page was cleared the clone is %+v; want %+v", clone, want)
	}
}

// eachText visits every string and byte slice in v.
func eachText(v reflect.Value, name string, visit func(name string, at unsafe.Pointer)) {
	switch v.Kind() {
	case reflect.String:
		visit(name, unsafe.Pointer(unsafe.StringData(v.String())))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for field, member := range v.Fields() {
			eachText(member, name+"."+field.Name, visit)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			visit(name, v.UnsafePointer())
			return
		}
		for i := range v.Len() {
			eachText(v.Index(i), name, visit)
		}
	}
}

func TestCloneKeepsNilAndEmptyApart(t *testing.T) {
	t.Parallel()
	var none kinetrail.Record
	if clone := none.Clone(); !reflect.DeepEqual(clone, none) {
		t.Errorf("the clone of the zero Record is %+v; want the zero Record", clone)
	}
	empty := kinetrail.Record{Data: []byte{}, Headers: []kinetrail.Header{}}
	if clone := empty.Clone(); clone.Data == nil || clone.Headers == nil {
		t.Errorf("the clone of empty Data and Headers has Data %v, Headers %v; want them empty and not nil", clone.Data, clone.Headers)
	}
}
