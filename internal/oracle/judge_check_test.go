package oracle

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheJudgeNoticesAChangedJournal changes one thing in the journal of a program
// that went well.
func TestTheJudgeNoticesAChangedJournal(t *testing.T) {
	t.Parallel()
	p := generate(3, virtual)
	p.Group.Mode, p.Group.DeadLetters, p.Group.Handlers = run, false, handlers{}
	var stream truth
	var journal []event
	synctest.Test(t, func(t *testing.T) {
		server, err := newServer(p)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = server.Close() }()
		house := newBubble(p, server)
		r, err := play(p, virtual, server, house, 0)
		if err != nil || len(r.violations) > 0 {
			t.Fatalf("%v%v %s", p, err, r.verdict())
		}
		journal = house.journal.all()
		if stream, err = look(server, p.Group.RangeKCL); err != nil {
			t.Fatal(err)
		}
	})
	first := func(is func(e *event) bool) int {
		i := slices.IndexFunc(journal, func(e event) bool { return is(&e) })
		if i < 0 {
			t.Fatal("the journal has no such event")
		}
		return i
	}
	handled := first(func(e *event) bool { return e.Kind == done })
	call := first(func(e *event) bool { return e.Kind == begun && e.Records[0] == journal[handled].Records[0] })
	renewed := first(func(e *event) bool { return e.Kind == written && e.Op == "renew" })
	checkpointed := first(func(e *event) bool { return e.Op == "checkpoint" && e.Row != nil && e.Row.Checkpoint.IsRecord() })
	tests := []struct {
		name   string
		change func(journal []event) []event
		want   string
	}{
		{"nothing", func(j []event) []event { return j }, ""},
		{"a record that was never done", func(j []event) []event {
			return slices.DeleteFunc(j, func(e event) bool { return e.Kind == done && e.Records[0] == journal[handled].Records[0] })
		}, "were never handled"},
		{"a record that was left out", func(j []event) []event {
			return slices.DeleteFunc(j, func(e event) bool { return len(e.Records) > 0 && e.Records[0] == journal[handled].Records[0] })
		}, "is due"},
		{"a record handled twice", func(j []event) []event {
			return slices.Insert(j, handled+1, journal[call], journal[handled])
		}, "is due"},
		{"a worker without a lease", func(j []event) []event {
			j[handled].Worker = 99
			return j
		}, "never had the lease"},
		{"a handler called after its lease was released", func(j []event) []event {
			late := journal[call]
			late.At = journal[len(j)-1].At.Add(time.Second)
			return append(j, late)
		}, "whose lease ended"},
		{"a renewal in another's name", func(j []event) []event {
			row := j[renewed].Row.Clone()
			row.Owner = "somebody"
			j[renewed].Row = &row
			return j
		}, "while the lease is with somebody"},
		{"a checkpoint before its records", func(j []event) []event {
			e := j[checkpointed]
			j = slices.Delete(j, checkpointed, checkpointed+1)
			return slices.Insert(j, first(func(o *event) bool { return o.Op == "take" && o.Shard == e.Shard })+1, e)
		}, "was not handled yet"},
		{"a checkpoint that moves back", func(j []event) []event {
			back := j[checkpointed]
			back.Row = journal[first(func(o *event) bool { return o.Op == "take" && o.Shard == back.Shard })].Row
			return slices.Insert(j, checkpointed+1, back)
		}, "moves back"},
		{"a lease that somebody took", func(j []event) []event {
			taken := j[first(func(o *event) bool { return o.Op == "take" })]
			taken.Worker, taken.At = (taken.Worker+1)%p.Workers, j[checkpointed].At
			return slices.Insert(j, first(func(o *event) bool { return o.Op == "take" })+1, taken)
		}, "for which nothing went wrong"},
	}
	for _, tt := range tests {
		r := newReport()
		newJudge(p, stream, r, 0).read(tt.change(slices.Clone(journal)))
		found := strings.Join(r.violations, "\n")
		if tt.want == "" && found != "" || !strings.Contains(found, tt.want) {
			t.Errorf("%s: the judge says %q; want %q", tt.name, r.violations[:min(3, len(r.violations))], tt.want)
		}
	}
}
