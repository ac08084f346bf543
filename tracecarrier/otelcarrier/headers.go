package otelcarrier

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"

	"github.com/kinetrail/kinetrail"
)

// HeaderCarrier lets a propagator read and write a record's headers:
//
//	propagator.Inject(ctx, (*otelcarrier.HeaderCarrier)(&record.Headers))
//
// Names are compared without regard to case.
type HeaderCarrier []kinetrail.Header

var (
	_ propagation.TextMapCarrier = (*HeaderCarrier)(nil)
	_ propagation.ValuesGetter   = (*HeaderCarrier)(nil)
)

// Get returns the value of the first header with this name, empty when there is
// none.
func (c *HeaderCarrier) Get(name string) string {
	for i := range *c {
		if strings.EqualFold((*c)[i].Name, name) {
			return (*c)[i].Value
		}
	}
	return ""
}

// Values returns the values of all headers with this name.
func (c *HeaderCarrier) Values(name string) []string {
	var values []string
	for i := range *c {
		if strings.EqualFold((*c)[i].Name, name) {
			values = append(values, (*c)[i].Value)
		}
	}
	return values
}

// Set makes value the only one of this name. It puts a new slice in the place
// of the old one and leaves the old one's elements alone.
func (c *HeaderCarrier) Set(name, value string) {
	others := make(HeaderCarrier, 0, len(*c)+1)
	for _, h := range *c {
		if !strings.EqualFold(h.Name, name) {
			others = append(others, h)
		}
	}
	*c = append(others, kinetrail.Header{Name: name, Value: value})
}

// Keys returns the names of the headers, each once.
func (c *HeaderCarrier) Keys() []string {
	names := make([]string, 0, len(*c))
	for _, h := range *c {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, h.Name) }) {
			names = append(names, h.Name)
		}
	}
	return names
}
