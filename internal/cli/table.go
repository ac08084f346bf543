package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// table lines up columns. Give every row first and write it once, or set the
// widths up front and write row by row as records arrive.
type table struct {
	out    io.Writer
	widths []int
	err    error
}

const columnGap = "  "

// writeTable lines up rows that are all known, under a header. On a terminal too
// small for them it does what narrowings say, one after the other, and notes what
// is left out.
func (a *app) writeTable(header []string, rows [][]string, narrowings ...narrowing) error {
	without, err := a.drawTable(header, rows, narrowings...)
	if len(without) > 0 && err == nil {
		a.note("A wider terminal shows %s, too; so does -o json.", allOf(without))
	}
	return err
}

// drawTable is writeTable without the note: it returns the columns left out.
func (a *app) drawTable(header []string, rows [][]string, narrowings ...narrowing) (without []string, err error) {
	header, rows, without = narrow(header, rows, a.width, narrowings)
	t := a.newTable(header)
	for i := range header {
		t.widths[i] = columnWidth(header, rows, i)
	}
	t.writeHeader(a.paint, header)
	for _, row := range rows {
		t.writeRow(row...)
	}
	return without, t.err
}

// newTable makes a table whose columns are as wide as their names.
func (a *app) newTable(header []string) *table {
	t := &table{out: a.stdout, widths: make([]int, len(header))}
	for i, name := range header {
		t.widths[i] = displayWidth(name)
	}
	return t
}

func (t *table) writeHeader(p paint, header []string) {
	header = slices.Clone(header)
	for i, name := range header {
		header[i] = p.bold(name)
	}
	t.writeRow(header...)
}

// writeRow writes one line. A cell wider than its column pushes the rest of its
// line aside. The first error is kept and ends the writing.
func (t *table) writeRow(cells ...string) {
	if t.err != nil {
		return
	}
	var line strings.Builder
	for i, cell := range cells {
		if i > 0 {
			line.WriteString(columnGap)
		}
		line.WriteString(cell)
		if gap := t.widths[i] - displayWidth(cell); gap > 0 {
			line.WriteString(strings.Repeat(" ", gap))
		}
	}
	_, t.err = io.WriteString(t.out, strings.TrimRight(line.String(), " ")+"\n")
}

// displayWidth is the number of columns text takes on a terminal: none for
// colours and combining marks, two for East Asian wide characters.
func displayWidth(text string) int {
	columns, inColour := 0, false
	for _, r := range text {
		switch {
		case inColour:
			inColour = r != 'm'
		case r == '\x1b':
			inColour = true
		case unicode.In(r, unicode.Mn, unicode.Me):
		default:
			switch width.LookupRune(r).Kind() {
			case width.EastAsianWide, width.EastAsianFullwidth:
				columns += 2
			default:
				columns++
			}
		}
	}
	return columns
}

// printable makes text safe to show on a terminal: control and format
// characters, which could move the cursor or turn the line around, and bytes
// that are no UTF-8 come out escaped as in Go, everything else as it is.
func printable(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

// abbreviate quotes text for a message, cut where it would fill the screen.
func abbreviate(text string) string {
	const most = 40
	if utf8.RuneCountInString(text) <= most {
		return strconv.Quote(text)
	}
	return strconv.Quote(string([]rune(text)[:most])) + "…"
}
