package demo

import (
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
)

func TestAHandlingThatIsCutShortCountsUntilTheEnd(t *testing.T) {
	t.Parallel()
	events := newEvents(1)
	moved := 0
	w := newWitness(events, func() { moved++ })
	w.begin(time.Now().Add(-time.Hour))
	if err := w.handle(t.Context(), kinetrail.Record{Data: events[0].data()}); err != nil {
		t.Fatal(err)
	}
	w.enter(t.Context(), events[1], kinetrail.Record{}) // and never leave
	handled := w.handlings()
	if len(handled) != 2 || moved != 1 {
		t.Fatalf("%d handlings, %d of them complete; want 2 and 1", len(handled), moved)
	}
	for _, h := range handled {
		if h.Start < time.Hour || h.End < h.Start {
			t.Errorf("event %s is handled from %v to %v; want an end behind its beginning, an hour after the act's", h.EventID, h.Start, h.End)
		}
	}
}
