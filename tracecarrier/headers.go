package tracecarrier

import (
	"strings"

	"github.com/kinetrail/kinetrail"
)

// The names of the headers that hold a context, as W3C Trace Context and W3C
// Baggage have them. Names are compared without regard to case.
const (
	TraceparentHeader = "traceparent"
	TracestateHeader  = "tracestate"
	BaggageHeader     = "baggage"
)

// AddHeaders appends the headers that carry trace to dst, as append does: to
// leave headers alone that belong to somebody else, pass slices.Clip of them.
//
// Headers of the record's own win. A traceparent among dst is the record's own
// context and nothing is added to it; a tracestate or baggage is not added when
// there is one. Nothing is added either when the Parent of trace is no valid
// traceparent, and a State or Baggage that is not printable ASCII is left out.
func AddHeaders(dst []kinetrail.Header, trace kinetrail.TraceContext) []kinetrail.Header {
	if !ValidTraceparent(trace.Parent) || hasHeader(dst, TraceparentHeader) {
		return dst
	}
	own := len(dst)
	dst = append(dst, kinetrail.Header{Name: TraceparentHeader, Value: maskFlags(trace.Parent)})
	if state := printable(trace.State); state != "" && !hasHeader(dst[:own], TracestateHeader) {
		dst = append(dst, kinetrail.Header{Name: TracestateHeader, Value: state})
	}
	if baggage := printable(trace.Baggage); baggage != "" && !hasHeader(dst[:own], BaggageHeader) {
		dst = append(dst, kinetrail.Header{Name: BaggageHeader, Value: baggage})
	}
	return dst
}

// FromHeaders returns the context that the headers carry. ok is false, and the
// context zero, when there is no traceparent or it is not valid. Of several
// headers with one name the first counts; a tracestate or baggage that is not
// printable ASCII is left out. The strings alias the headers.
func FromHeaders(headers []kinetrail.Header) (trace kinetrail.TraceContext, ok bool) {
	parent, _ := header(headers, TraceparentHeader)
	if !ValidTraceparent(parent) {
		return kinetrail.TraceContext{}, false
	}
	state, _ := header(headers, TracestateHeader)
	baggage, _ := header(headers, BaggageHeader)
	return kinetrail.TraceContext{
		Parent:  maskFlags(parent),
		State:   printable(state),
		Baggage: printable(baggage),
	}, true
}

// header looks for a name, which is in lower case. A shorter one cannot be the same
// without regard to case: letters that are longer in UTF-8 may stand for ASCII, none
// is shorter.
func header(headers []kinetrail.Header, name string) (value string, ok bool) {
	for i := range headers {
		given := headers[i].Name
		if given == name || len(given) >= len(name) && strings.EqualFold(given, name) {
			return headers[i].Value, true
		}
	}
	return "", false
}

func hasHeader(headers []kinetrail.Header, name string) bool {
	_, ok := header(headers, name)
	return ok
}
