package cli

import (
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// narrowing is one thing that can be done for a table to fit a terminal: to make
// the cells of a column shorter, or to leave the column out.
type narrowing struct {
	column  string
	least   int                                 // columns of the terminal that have to be left
	shorten func(cell string, width int) string // nil to leave the column out
}

func leaveOut(column string) narrowing { return narrowing{column: column} }

// shortenEnd cuts off what does not fit, shortenMiddle keeps both ends.
func shortenEnd(column string, least int) narrowing { return narrowing{column, least, cut} }
func shortenMiddle(column string, least int) narrowing {
	return narrowing{column, least, cutMiddle}
}

// shortenShards leaves the last digits of the shards' names, where they differ.
func shortenShards(column string) narrowing {
	return narrowing{column, 0, func(cell string, _ int) string {
		stream, id, several := strings.Cut(cell, ":") // see shardOf
		if several {
			return stream + ":" + shardEnd(id)
		}
		return shardEnd(cell)
	}}
}

// narrow does one narrowing after the other until the table fits into width
// columns, and names the columns it has left out. The tables it is given stay as
// they are. A width of 0 is no limit.
func narrow(header []string, rows [][]string, width int, narrowings []narrowing) (narrowHeader []string, narrowRows [][]string, without []string) {
	header = slices.Clone(header)
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i] = slices.Clone(rows[i])
	}
	for _, n := range narrowings {
		excess := tableWidth(header, rows) - width
		if width == 0 || excess <= 0 {
			break
		}
		i := slices.Index(header, n.column)
		switch {
		case i < 0:
		case n.shorten == nil:
			without = append(without, n.column)
			header = slices.Delete(header, i, i+1)
			for row := range rows {
				rows[row] = slices.Delete(rows[row], i, i+1)
			}
		default:
			for _, row := range rows {
				row[i] = n.shorten(row[i], max(columnWidth(header, rows, i)-excess, n.least, displayWidth(n.column)))
			}
		}
	}
	return header, rows, without
}

func tableWidth(header []string, rows [][]string) int {
	width := -len(columnGap)
	for i := range header {
		width += columnWidth(header, rows, i) + len(columnGap)
	}
	return width
}

func columnWidth(header []string, rows [][]string, i int) int {
	width := displayWidth(header[i])
	for _, row := range rows {
		width = max(width, displayWidth(row[i]))
	}
	return width
}

// terminalWidth is how many columns stdout has, 0 when it is no terminal.
func terminalWidth(stdout any) int {
	if !isTerminal(stdout) {
		return 0
	}
	width, _ := terminalSize(stdout)
	return width
}

// terminalSize is that of stdout, or a small one where it does not tell.
func terminalSize(stdout any) (width, height int) {
	if file, ok := stdout.(*os.File); ok {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}

// tell writes sentences, in as many lines as the terminal makes of them.
func (a *app) tell(indent, sentences string) error {
	room := 0
	if a.width > 0 {
		room = max(a.width-len(indent), 1)
	}
	for line := range strings.SplitSeq(sentences, "\n") {
		for _, part := range wrapped(line, room) {
			if _, err := io.WriteString(a.stdout, indent+part+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// wrapped are the lines of a text, as wide as they can be between its spaces. A
// width of 0 is no limit.
func wrapped(text string, width int) []string { return filled(strings.Split(text, " "), " ", width) }

// filled puts as many parts as fit into each line, with a gap between them.
func filled(parts []string, gap string, width int) []string {
	var lines []string
	for _, part := range parts {
		last := len(lines) - 1
		if last >= 0 && (width == 0 || displayWidth(lines[last]+gap+part) <= width) {
			lines[last] += gap + part
		} else {
			lines = append(lines, part)
		}
	}
	return lines
}
