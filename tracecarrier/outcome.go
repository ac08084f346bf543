package tracecarrier

// Outcome tells what became of one record's key and context. Write returns it;
// the outcomes that Write never returns are for its callers, so that all of a
// record's fates have one name.
type Outcome string

const (
	// AsGiven means that nothing was to be done: there is no context, the key
	// is empty, or the carrier does not touch keys.
	AsGiven Outcome = "as_given"

	// Injected means that the extended key was written.
	Injected Outcome = "injected"

	// InjectedTraceparent means that the key was replaced by the bare
	// traceparent, by the carriers PartitionKey and Traceparent or by
	// TraceparentForLongKeys.
	InjectedTraceparent Outcome = "injected_traceparent"

	// Escaped means that there is no context, but readers would have taken the
	// key for one of the written forms.
	Escaped Outcome = "escaped"

	// Existing means that the key is a bare traceparent, somebody's own
	// carrier, and was left alone although there is a context.
	Existing Outcome = "existing"

	// Kept means that a key in extended or escaped form was trusted.
	Kept Outcome = "kept"

	// Ambiguous means that the key looks like one of the written forms and is
	// too long to be wrapped or escaped: put as it was given, it comes back to
	// readers as another key.
	Ambiguous Outcome = "ambiguous"

	// SkippedKeyLength means that the key is too long to carry a context.
	SkippedKeyLength Outcome = "skipped_key_length"

	// SkippedInvalidUTF8 means that the key is not valid UTF-8.
	SkippedInvalidUTF8 Outcome = "skipped_invalid_utf8"

	// SkippedNoCarrier means that there is a context and no carrier was
	// chosen.
	SkippedNoCarrier Outcome = "skipped_no_carrier"

	// SkippedSize means that the record or its request would have outgrown its
	// limit. Write never returns it.
	SkippedSize Outcome = "skipped_size"

	// SkippedAggregated means that the record is a KPL container already.
	// Write never returns it.
	SkippedAggregated Outcome = "skipped_aggregated"
)

// Injected reports whether the context at hand was written into the record.
func (o Outcome) Injected() bool {
	return o == Injected || o == InjectedTraceparent
}

// SkipReason says why the context at hand was not written, as the label reason
// of the counter trace_skipped_total: no_carrier, key_length, size,
// invalid_utf8, aggregated or existing. It is empty when the context was
// written and when there was none to write.
func (o Outcome) SkipReason() string {
	switch o {
	case SkippedNoCarrier:
		return "no_carrier"
	case SkippedKeyLength, Ambiguous:
		return "key_length"
	case SkippedSize:
		return "size"
	case SkippedInvalidUTF8:
		return "invalid_utf8"
	case SkippedAggregated:
		return "aggregated"
	case Existing, Kept:
		return "existing"
	}
	return ""
}
