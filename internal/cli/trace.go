package cli

import (
	"strconv"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// traceIDs takes the ids out of a trace context; both are empty when there is
// no valid one.
func traceIDs(trace kinetrail.TraceContext) (traceID, spanID string) {
	if !tracecarrier.ValidTraceparent(trace.Parent) {
		return "", ""
	}
	return trace.Parent[3:35], trace.Parent[36:52]
}

// isSampled reports whether the sampled flag is set.
func isSampled(trace kinetrail.TraceContext) bool {
	if !tracecarrier.ValidTraceparent(trace.Parent) {
		return false
	}
	const sampledFlag = 1
	flags, _ := strconv.ParseUint(trace.Parent[53:], 16, 8) // two hexadecimal digits, as was checked
	return flags&sampledFlag != 0
}

// jsonIDs are the ids as JSON shows them, null when there are none.
func jsonIDs(trace kinetrail.TraceContext) (traceID, spanID *string) {
	traceText, spanText := traceIDs(trace)
	return textOrNull(traceText), textOrNull(spanText)
}
