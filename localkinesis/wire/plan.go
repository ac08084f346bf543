package wire

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// plan is what Bind, Validate and Append know about a struct type.
type plan struct {
	members []member
	byName  map[string]int
}

type member struct {
	name     string // as in requests and answers
	label    string // as in validation errors: the first letter small
	index    []int
	shape    *Shape // nil when nothing is asked of it
	required bool
}

var plans sync.Map // reflect.Type → *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{byName: make(map[string]int)}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		p.byName[f.Name] = len(p.members)
		p.members = append(p.members, newMember(t, f))
	}
	kept, _ := plans.LoadOrStore(t, p)
	return kept.(*plan)
}

func newMember(t reflect.Type, f reflect.StructField) member {
	m := member{
		name:  f.Name,
		label: strings.ToLower(f.Name[:1]) + f.Name[1:],
		index: f.Index,
	}
	name, option, _ := strings.Cut(f.Tag.Get("shape"), ",")
	m.required = option == "required"
	if name != "" {
		shape, ok := shapes[name]
		if !ok {
			panic(fmt.Sprintf("wire: %v.%s has the unknown shape %q", t, f.Name, name))
		}
		m.shape = shape
	}
	return m
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	bytesType = reflect.TypeFor[[]byte]()
)
