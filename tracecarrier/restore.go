package tracecarrier

import "github.com/kinetrail/kinetrail"

// Finding tells what Restore and RestoreUserRecord met, for the counters of a
// reader.
type Finding struct {
	// Form is the form of the stored key.
	Form Form

	// Extracted reports that the record has a context.
	Extracted bool

	// Malformed reports that something was meant to carry a context and could
	// not be read: a traceparent header that is not valid, or a stored key as
	// Reading.Malformed says. It is not an error.
	Malformed bool
}

// Restore fills in what the producer gave for a record that Kinesis stored by
// itself, not in a KPL container: PartitionKey and OriginalKeyKnown from
// StoredPartitionKey, and Trace from the headers or, when they carry no
// context, from StoredPartitionKey. It looks at no other field and can be
// repeated.
func Restore(r *kinetrail.Record) Finding {
	if len(r.StoredPartitionKey) < parentLength && len(r.Headers) == 0 {
		r.PartitionKey, r.OriginalKeyKnown = r.StoredPartitionKey, true
		r.Trace = kinetrail.TraceContext{}
		return Finding{Form: FormPlain}
	}
	key := Read(r.StoredPartitionKey)
	r.PartitionKey = key.PartitionKey
	r.OriginalKeyKnown = key.OriginalKeyKnown
	return restoreTrace(r, key)
}

// RestoreUserRecord does for a user record out of a KPL container what Restore
// does for other records. Its PartitionKey is the producer's own and stays as
// it is, even when it looks like a carrier. Trace comes from the headers; when
// they carry no context, it is that of the container's key, StoredPartitionKey.
func RestoreUserRecord(r *kinetrail.Record) Finding {
	r.OriginalKeyKnown = true
	if len(r.StoredPartitionKey) < parentLength {
		return restoreTrace(r, Reading{Form: FormPlain})
	}
	return restoreTrace(r, Read(r.StoredPartitionKey))
}

func restoreTrace(r *kinetrail.Record, key Reading) Finding {
	found := Finding{Form: key.Form, Malformed: key.Malformed}
	if len(r.Headers) == 0 {
		r.Trace = key.Trace
		found.Extracted = !r.Trace.IsZero()
		return found
	}
	trace, ok := FromHeaders(r.Headers)
	if !ok {
		found.Malformed = found.Malformed || hasHeader(r.Headers, TraceparentHeader)
		trace = key.Trace
	}
	r.Trace = trace
	found.Extracted = !trace.IsZero()
	return found
}
