package consumer

import "github.com/kinetrail/kinetrail/tracecarrier"

// extract gives a record that came without a container the key and the trace
// context its producer gave it.
func (pg *page) extract() {
	if !pg.extracts {
		pg.record.PartitionKey, pg.record.OriginalKeyKnown = pg.record.StoredPartitionKey, true
		return
	}
	pg.finish(tracecarrier.Restore(&pg.record))
}

// extractUser gives a user record out of a container its trace context: from
// its headers, else from the container's key. Its own key is never decoded.
func (pg *page) extractUser() {
	if !pg.extracts {
		pg.record.OriginalKeyKnown = true
		return
	}
	pg.finish(tracecarrier.RestoreUserRecord(&pg.record))
}

// finish looks into the payload of a record that carries no context of ours, if
// asked, and counts what was found.
func (pg *page) finish(found tracecarrier.Finding) {
	if pg.payloads && !found.Extracted {
		pg.record.Trace, found.Extracted = tracecarrier.FromJSON(pg.record.Data)
	}
	pg.count(found)
}

func (pg *page) count(found tracecarrier.Finding) {
	if !pg.meter.on {
		return
	}
	if found.Extracted {
		pg.meter.extracted.Add(1)
	}
	if found.Malformed {
		pg.meter.malformed.Add(1)
	}
	if found.Form == tracecarrier.FormUnknownVersion {
		pg.meter.unknownVersion.Add(1)
	}
}
