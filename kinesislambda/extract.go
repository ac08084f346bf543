package kinesislambda

import (
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// extract gives a record that came without a container the key and the context
// its producer gave it.
func (w *wrapper) extract(b *batch, r *kinetrail.Record) { w.finish(b, r, tracecarrier.Restore(r)) }

// extractUser gives a user record out of a container its context. Its own key
// is never decoded.
func (w *wrapper) extractUser(b *batch, r *kinetrail.Record) {
	w.finish(b, r, tracecarrier.RestoreUserRecord(r))
}

// finish looks into the payload of a record that carries no context of ours, if
// asked, and counts what was found.
func (w *wrapper) finish(b *batch, r *kinetrail.Record, found tracecarrier.Finding) {
	if w.JSONPayloads && !found.Extracted {
		r.Trace, found.Extracted = tracecarrier.FromJSON(r.Data)
	}
	if found.Extracted {
		b.extracted++
	}
	if found.Malformed {
		b.malformed++
	}
	if found.Form == tracecarrier.FormUnknownVersion {
		b.unknownVersion++
	}
}
