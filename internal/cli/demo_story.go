package cli

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/internal/demo"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/spf13/cobra"
)

// prologue is what is told before the first act.
var prologue = []string{
	"event-producer puts events of 20 groups into a stream, with the group as partition key and without waiting.",
	"event-consumer handles them, 1 to 20 ms each: in a consumer, and again in a Lambda function.",
	"Each service is traced by an OpenTelemetry SDK of its own. Does a trace cross the stream?",
	"group-1/1 is the first event of group-1; its times are its handlers', from the first put of the act on.",
}

// scenes tell what is done in each act.
var scenes = map[tracecarrier.Carrier]string{
	tracecarrier.Off:          "Nothing is carried: the record is put as it is.",
	tracecarrier.PartitionKey: "The partition key is replaced by the traceparent of the put. Kinesis hashes it to choose the shard.",
	tracecarrier.Traceparent:  "The same, and ExplicitHashKey is the MD5 of the group, which Kinesis takes instead.",
	tracecarrier.Lossless:     "The same, and the group follows the traceparent in the partition key.",
	tracecarrier.Headers:      "The partition key stays the group. The record is a KPL container, whose tags hold the traceparent.",
}

// playStory tells the play while it goes on.
func (a *app) playStory(cmd *cobra.Command, opts []func(*demo.Options)) error {
	for _, sentence := range prologue {
		_ = a.tell("", sentence) // an output that is gone fails the tables
	}
	number := 0
	report, err := demo.Play(cmd.Context(), append(opts, func(o *demo.Options) {
		o.Played = func(p demo.Played) {
			number++
			a.tellAct(number, &p)
		}
	})...)
	if err != nil {
		return explainPlay(err)
	}
	for _, tell := range []func(*demo.Report) error{a.tellOutcomes, a.tellShards, a.tellJourney, a.tellMetrics} {
		fmt.Fprintln(a.stdout)
		if err := tell(report); err != nil {
			return err
		}
	}
	if err := judgement(report); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s\n", a.paint.green("Every act came out as expected."))
	return err
}

// tellAct tells one act, what became of the first two events of group-1, and
// what came of it all.
func (a *app) tellAct(number int, p *demo.Played) {
	fmt.Fprintf(a.stdout, "\n%s\n", a.paint.bold(fmt.Sprintf("ACT %d  %s", number, p.Carrier)))
	_ = a.tell("  ", scenes[p.Carrier])
	for i, h := range p.First {
		fmt.Fprintf(a.stdout, "    %s  %s  consumer %s", h.EventID, shortShard(h.ShardID), duringAct(h))
		if i < len(p.FirstLambda) {
			fmt.Fprintf(a.stdout, "   Lambda %s", duringAct(p.FirstLambda[i]))
		}
		fmt.Fprintln(a.stdout)
	}
	if len(p.GroupShards) > 0 {
		fmt.Fprintf(a.stdout, "    group-1 lies on %s\n", shortShards(p.GroupShards))
	}
	const indent = "  "
	ticks := []string{
		a.tick(p.Connected && p.Lambda.Connected, "one trace", "two traces"),
		a.tick(p.ShardsMatch && p.Lambda.ShardsMatch, "own shard", "random shard"),
		a.tick(p.OrderKept && p.Lambda.OrderKept, "in order", "out of order"),
		a.tick(p.OverlappingGroups+p.Lambda.OverlappingGroups == 0, "one at a time", "at the same time"),
		a.tick(p.KeysRestored && p.Lambda.KeysRestored, "group known", "group unknown"),
	}
	for _, line := range filled(ticks, "   ", max(a.width-len(indent), 0)) {
		fmt.Fprintln(a.stdout, indent+line)
	}
	for _, d := range p.Deviations() {
		fmt.Fprintf(a.stdout, "  %s\n", a.paint.red("not as expected: "+d.String()))
	}
}

// tick says which of two things is the case.
func (a *app) tick(good bool, yes, no string) string {
	if good {
		return a.paint.green("✓ " + yes)
	}
	return a.paint.red("✗ " + no)
}

// duringAct is when a handler ran, from the first put on.
func duringAct(h demo.Handling) string {
	return fmt.Sprintf("%6.1f – %5.1f ms", milliseconds(h.Start), milliseconds(h.End))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// shortShard reads "shard 3" of shardId-000000000003.
func shortShard(id string) string { return "shard " + shardNumber(id) }

func shardNumber(id string) string {
	return cmp.Or(strings.TrimLeft(strings.TrimPrefix(id, "shardId-"), "0"), "0")
}

// shortShards reads "shard 3" or "shards 0, 3 and 4".
func shortShards(ids []string) string {
	if len(ids) == 1 {
		return shortShard(ids[0])
	}
	numbers := make([]string, len(ids))
	for i, id := range ids {
		numbers[i] = shardNumber(id)
	}
	last := len(numbers) - 1
	return "shards " + strings.Join(numbers[:last], ", ") + " and " + numbers[last]
}

// tellOutcomes lines up what came of the acts.
func (a *app) tellOutcomes(report *demo.Report) error {
	header := []string{"CONSUMER / LAMBDA", "CONNECTED", "SHARDS MATCH", "ORDER KEPT", "KEYS RESTORED", "OVERLAPPING GROUPS", "RECORDS", "TRACES"}
	var rows [][]string
	for _, p := range report.Acts {
		rows = append(rows, []string{
			string(p.Carrier),
			a.yesOrNo(p.Connected, p.Lambda.Connected),
			a.yesOrNo(p.ShardsMatch, p.Lambda.ShardsMatch),
			a.yesOrNo(p.OrderKept, p.Lambda.OrderKept),
			a.yesOrNo(p.KeysRestored, p.Lambda.KeysRestored),
			fmt.Sprintf("%d / %d", p.OverlappingGroups, p.Lambda.OverlappingGroups),
			fmt.Sprintf("%d / %d", p.Records, p.Lambda.Records),
			fmt.Sprintf("%d / %d", p.Traces, p.Lambda.Traces),
		})
	}
	_, err := a.drawTable(header, rows, leaveOut("RECORDS"), leaveOut("OVERLAPPING GROUPS"), leaveOut("TRACES"), shortenEnd("CONSUMER / LAMBDA", 13))
	return err
}

func (a *app) yesOrNo(consumer, lambda bool) string {
	word := func(yes bool) string {
		if yes {
			return a.paint.green("yes")
		}
		return a.paint.red("no")
	}
	return word(consumer) + " / " + word(lambda)
}

// tellShards lists the shards and the groups that belong to them.
func (a *app) tellShards(report *demo.Report) error {
	var rows [][]string
	for _, s := range report.Shards {
		var groups []string
		for _, g := range report.Assignments {
			if g.ShardByPartitionKey == s.ID {
				groups = append(groups, strings.TrimPrefix(g.Key, "group-"))
			}
		}
		rows = append(rows, []string{shortShard(s.ID), s.Start, s.End, strings.Join(groups, " ")})
	}
	_, err := a.drawTable([]string{"SHARD", "FIRST HASH KEY", "LAST HASH KEY", "GROUPS"}, rows, leaveOut("LAST HASH KEY"), leaveOut("FIRST HASH KEY"))
	return err
}

// tellJourney draws the trace of the first event in the last act.
func (a *app) tellJourney(report *demo.Report) error {
	last := report.Acts[len(report.Acts)-1]
	if len(last.Journey) == 0 {
		return nil
	}
	began, ended := last.Journey[0].Start, last.Journey[0].End
	for _, span := range last.Journey {
		if span.End.After(ended) {
			ended = span.End
		}
	}
	var rows [][]string
	for _, span := range last.Journey {
		rows = append(rows, []string{
			span.Service, spanTitle(last.Journey, span), spanBar(span, began, ended),
			fmt.Sprintf("%6.1f – %5.1f ms", milliseconds(span.Start.Sub(began)), milliseconds(span.End.Sub(began))),
		})
	}
	trace := last.Journey[0].Context.TraceID()
	_, err := a.drawTable([]string{"TRACE OF group-1/1, ACT " + fmt.Sprint(len(report.Acts)), trace.String(), "WHEN", ""}, rows, leaveOut("WHEN"), leaveOut(""))
	return err
}

// spanTitle indents a span below its parent. One of another trace, which links
// to this, says so.
func spanTitle(journey []demo.Span, span demo.Span) string {
	if span.Context.TraceID() != journey[0].Context.TraceID() {
		return span.Name + ", linked"
	}
	return strings.Repeat("  ", depthOf(journey, span)) + span.Name
}

// depthOf is the number of spans above span in its trace.
func depthOf(journey []demo.Span, span demo.Span) int {
	for _, parent := range journey {
		if parent.Context.SpanID() == span.Parent.SpanID() {
			return 1 + depthOf(journey, parent)
		}
	}
	return 0
}

const waterfallWidth = 30

// spanBar draws when a span ran, at least one character wide.
func spanBar(span demo.Span, began, ended time.Time) string {
	total := float64(ended.Sub(began))
	from := int(math.Round(float64(span.Start.Sub(began)) / total * waterfallWidth))
	to := int(math.Round(float64(span.End.Sub(began)) / total * waterfallWidth))
	from = min(from, waterfallWidth-1)
	to = max(to, from+1)
	return strings.Repeat("·", from) + strings.Repeat("█", to-from) + strings.Repeat("·", waterfallWidth-to)
}

// told are the counters the story shows.
var told = []struct {
	service    string
	instrument *metrics.Instrument
}{
	{demo.Producer, metrics.ProducerUserRecordsSent},
	{demo.Producer, metrics.ProducerBytesSent},
	{demo.Producer, metrics.TraceInjected},
	{demo.Consumer, metrics.ConsumerUserRecordsHandled},
	{demo.Consumer, metrics.TraceExtracted},
	{demo.Lambda, metrics.TraceExtracted},
}

// tellMetrics shows what the services counted, an act a column.
func (a *app) tellMetrics(report *demo.Report) error {
	header := []string{"METRICS", ""}
	for _, p := range report.Acts {
		header = append(header, string(p.Carrier))
	}
	var rows [][]string
	for _, m := range told {
		row := []string{m.service, m.instrument.Name}
		for _, p := range report.Acts {
			row = append(row, fmt.Sprint(p.Count(m.service, m.instrument)))
		}
		rows = append(rows, row)
	}
	_, err := a.drawTable(header, rows, leaveOut(string(tracecarrier.Traceparent)), leaveOut(string(tracecarrier.PartitionKey)), leaveOut(string(tracecarrier.Off)))
	return err
}
