package consumer

import (
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// extract gives a record that came without a container the key and the trace
// context its producer gave it.
func extract(pg *page, r *kinetrail.Record) { pg.count(tracecarrier.Restore(r)) }

// extractUser gives a user record out of a container its trace context: from
// its headers, else from the container's key. Its own key is never decoded.
func extractUser(pg *page, r *kinetrail.Record) { pg.count(tracecarrier.RestoreUserRecord(r)) }

func (pg *page) count(found tracecarrier.Finding) {
	if found.Extracted {
		pg.extracted++
	}
	if found.Malformed {
		pg.malformed++
	}
}
