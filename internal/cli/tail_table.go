package cli

import (
	"fmt"

	"github.com/kinetrail/kinetrail"
)

// recordTable shows records as they come. Its columns are as wide as they usually
// are, because nobody knows what will come.
type recordTable struct {
	table
	app     *app
	columns []recordColumn
	begun   bool
}

type recordColumn struct {
	name  string
	width int
	cell  func(*kinetrail.Record) string
	cut   func(cell string, width int) string // for a terminal; nil where every cell fits
}

// dataWidth is how many columns the data gets at least before others give way.
const dataWidth = 20

// recordColumns are all columns, for an output without limits.
func recordColumns() []recordColumn {
	return []recordColumn{
		{"ARRIVED", len(arrivalLayout), func(r *kinetrail.Record) string { return r.ArrivedAt.UTC().Format(arrivalLayout) }, nil},
		{"SHARD", len(shardID(0)), func(r *kinetrail.Record) string { return r.ShardID }, nil},
		{"SUB", 3, func(r *kinetrail.Record) string { return fmt.Sprint(r.Position.Sub()) }, nil},
		{"KEY", 16, func(r *kinetrail.Record) string { return printable(r.PartitionKey) }, cutMiddle},
		{"TRACE ID", 32, traceIDOf, nil},
		{"HEADERS", 16, func(r *kinetrail.Record) string { return headerText(ownHeaders(r.Headers)) }, cut},
		{"DATA", dataWidth, func(r *kinetrail.Record) string { return preview(r.Data) }, cut},
	}
}

func traceIDOf(r *kinetrail.Record) string {
	traceID, _ := traceIDs(r.Trace)
	return traceID
}

// shortIDWidth is how much of a trace id is shown where all of it has no room.
const shortIDWidth = 8

// narrowedRecordColumns are the columns for a terminal, so that no line is longer:
// first times and shards become short, then trace ids, and then columns are left
// out.
func narrowedRecordColumns(width int) []recordColumn {
	columns := recordColumns()
	at := func(name string) *recordColumn {
		for i := range columns {
			if columns[i].name == name {
				return &columns[i]
			}
		}
		return new(recordColumn) // one that was left out
	}
	const clock = "15:04:05.000Z"
	leave := func(name string) func() {
		return func() {
			kept := columns[:0]
			for _, c := range columns {
				if c.name != name {
					kept = append(kept, c)
				}
			}
			columns = kept
		}
	}
	for _, giveWay := range []func(){
		func() {
			c := at("ARRIVED")
			c.width, c.cell = len(clock), func(r *kinetrail.Record) string { return r.ArrivedAt.UTC().Format(clock) }
		},
		func() {
			c := at("SHARD")
			c.width, c.cell = len("SHARD"), func(r *kinetrail.Record) string { return shardEnd(r.ShardID) }
		},
		func() { c := at("TRACE ID"); c.width, c.cut = shortIDWidth, cut },
		leave("HEADERS"), leave("SUB"), leave("ARRIVED"), leave("TRACE ID"), leave("SHARD"),
	} {
		if recordWidth(columns) <= width {
			break
		}
		giveWay()
	}
	data := at("DATA")
	data.width = max(data.width+width-recordWidth(columns), 1)
	return columns
}

func recordWidth(columns []recordColumn) int {
	width := -len(columnGap)
	for _, c := range columns {
		width += c.width + len(columnGap)
	}
	return width
}

func (a *app) recordTable() *recordTable {
	t := &recordTable{table: table{out: a.stdout}, app: a, columns: recordColumns()}
	if a.width > 0 {
		t.columns = narrowedRecordColumns(a.width)
	}
	for _, c := range t.columns {
		t.widths = append(t.widths, max(c.width, len(c.name)))
	}
	return t
}

// show writes a record, and the header before the first: perhaps there is no such
// stream.
func (t *recordTable) show(r *kinetrail.Record) error {
	names, cells := make([]string, len(t.columns)), make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i], cells[i] = c.name, c.cell(r)
		if t.app.width > 0 && c.cut != nil {
			cells[i] = c.cut(cells[i], c.width)
		}
	}
	if !t.begun {
		t.begun = true
		t.writeHeader(t.app.paint, names)
	}
	t.writeRow(cells...)
	return t.err
}
