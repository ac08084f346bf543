package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// watchLag looks at every interval until ctx ends: on a terminal as a screen,
// elsewhere as lines. A look that fails is told and does not end it, unless it is
// the first.
func (a *app) watchLag(ctx context.Context, w *lagWatch, interval time.Duration, form *choice) error {
	show, end := a.lagPrinter(form)
	defer end()
	var last lagLook
	for {
		look, err := w.look(ctx)
		switch {
		case err == nil:
			last = look
		case ctx.Err() != nil || last.At.IsZero():
			return err
		default:
			look = last
			look.Trouble, _ = explain(err)
		}
		if err := show(look); err != nil {
			return err
		}
		if err := wait(ctx, interval); err != nil {
			return err
		}
	}
}

// lagPrinter shows looks in the form asked for, until end is called.
func (a *app) lagPrinter(form *choice) (show func(lagLook) error, end func()) {
	switch {
	case form.value == asJSON:
		return func(look lagLook) error { return a.writeJSONLine(look) }, func() {}
	case form.value == asTSV:
		return func(look lagLook) error { return a.writeTSV(lagTSV(look)) }, func() {}
	case isTerminal(a.stdout):
		screen := &lagScreen{out: a.stdout, paint: a.paint, size: func() (int, int) { return terminalSize(a.stdout) }}
		return screen.show, screen.end
	}
	return a.lagLines(), func() {}
}

// lagLines writes a line for each shard at every look.
func (a *app) lagLines() func(lagLook) error {
	header := []string{"AT", "SHARD", "OWNER", "BEHIND", "PACE"}
	t := a.newTable(header)
	t.widths[0], t.widths[1], t.widths[2], t.widths[3] = len(time.RFC3339)-len("+07:00")+1, len(shardID(0)), 24, 7
	begun := false
	return func(look lagLook) error {
		if !begun {
			begun = true
			t.writeHeader(a.paint, header)
		}
		if look.Trouble != "" {
			a.complain(look.Trouble)
			return nil
		}
		at := look.At.Format(time.RFC3339)
		for _, s := range look.Shards {
			t.writeRow(at, s.ShardID, s.ownerText(), s.behindText(), s.paceText())
		}
		if len(look.Shards) == 0 {
			t.writeRow(at, lagSentence(look), "", "", "")
		}
		return t.err
	}
}

// What a terminal is told.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// lagScreen draws each look over the last one. When it ends the terminal shows
// what it did before, and the last look below that.
type lagScreen struct {
	out   io.Writer
	paint paint
	size  func() (width, height int)
	last  []string
}

func (s *lagScreen) show(look lagLook) error {
	width, height := s.size()
	var text strings.Builder
	if s.last == nil {
		text.WriteString(enterScreen)
	}
	text.WriteString(goHome)
	s.last = drawLag(look, s.paint, width, height)
	for i, line := range s.last {
		if i > 0 {
			text.WriteString("\r\n")
		}
		text.WriteString(line + clearLine)
	}
	text.WriteString(clearBelow)
	_, err := io.WriteString(s.out, text.String())
	return err
}

func (s *lagScreen) end() {
	if s.last != nil {
		fmt.Fprint(s.out, leaveScreen+strings.Join(s.last, "\n")+"\n")
	}
}

// Lag from which a shard is shown in green no more, and in red.
const (
	someLag = 30 * time.Second
	muchLag = 5 * time.Minute
)

// drawLag draws a look into so many columns and lines.
func drawLag(look lagLook, p paint, width, height int) []string {
	sentence := wrapped(lagSentence(look), width)
	if most := max(height/4, 1); len(sentence) > most {
		sentence = append(sentence[:most-1], cut(strings.Join(sentence[most-1:], " "), width))
	}
	around := len(sentence) + 3 // an empty line, the header, the line below
	shown, hidden := look.Shards, 0
	if most := max(height-around, 1); len(shown) > most {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b laggingShard) int { return cmp.Compare(lagRank(b), lagRank(a)) })
		shown, hidden = shown[:most], len(shown)-most
	}
	columns := lagColumns(shown, width)
	var lines []string
	for _, part := range sentence {
		lines = append(lines, p.bold(cut(part, width)))
	}
	lines = append(lines, "", p.faint(columns.header()))
	for _, s := range shown {
		lines = append(lines, columns.row(s, p))
	}
	below := look.At.Format("15:04:05Z") + ", Ctrl-C ends"
	if hidden > 0 {
		below = fmt.Sprintf("and %s, less behind; %s", count(hidden, "more shard"), below)
	}
	return append(lines, p.faint(cut(below, width)))
}

// lagRank orders shards: those whose lag is not known before all others, and
// whole seconds alone, so that lines do not jump about.
func lagRank(s laggingShard) int64 {
	if s.BehindMs == nil {
		return 1<<63 - 1
	}
	return *s.BehindMs / 1000
}

// lagLayout is how wide the columns of a screen are; 0 leaves a column out.
type lagLayout struct {
	shard, owner, behind, pace, upTo int
	shortShard                       bool
}

// lagColumns gives the owner what the others leave, and leaves out what does not
// fit: first the time, then the pace, then the zeros of the shard.
func lagColumns(shards []laggingShard, width int) lagLayout {
	c := lagLayout{shard: len(shardID(0)), behind: len("BEHIND"), pace: len("PACE"), upTo: len("2026-11-21T02:50:10Z")}
	longest := len("OWNER")
	for i := range shards {
		longest = max(longest, displayWidth(shards[i].ownerText()))
		c.behind = max(c.behind, min(displayWidth(shards[i].behindText()), 16))
		c.pace = max(c.pace, displayWidth(shards[i].paceText()))
	}
	const least = 12 // columns for the owner
	left := func() int { return width - c.taken() }
	if left() < min(longest, least) {
		c.upTo = 0
	}
	if left() < min(longest, least) {
		c.pace = 0
	}
	if left() < min(longest, least) {
		c.shard, c.shortShard = len("SHARD"), true
	}
	c.owner = max(min(longest, left()), 1)
	return c
}

// taken is what the columns but the owner's need, with the gaps.
func (c lagLayout) taken() int {
	taken := len(columnGap)
	for _, w := range []int{c.shard, c.behind, c.pace, c.upTo} {
		if w > 0 {
			taken += w + len(columnGap)
		}
	}
	return taken - len(columnGap)
}

func (c lagLayout) header() string {
	return c.line("SHARD", "OWNER", "BEHIND", "PACE", "READ UP TO")
}

func (c lagLayout) row(s laggingShard, p paint) string {
	shard := s.ShardID
	if c.shortShard {
		shard = shardEnd(shard)
	}
	behind := pad(cut(s.behindText(), c.behind), c.behind)
	switch {
	case s.BehindMs == nil || *s.BehindMs >= muchLag.Milliseconds():
		behind = p.red(behind)
	case *s.BehindMs < someLag.Milliseconds():
		behind = p.green(behind)
	}
	return c.line(shard, s.ownerText(), behind, s.paceText(), s.upToText())
}

// line lines up cells. The lag may be coloured, and is as wide as its column.
func (c lagLayout) line(shard, owner, behind, pace, upTo string) string {
	cells := []string{pad(cut(shard, c.shard), c.shard), pad(cutMiddle(owner, c.owner), c.owner), behind + strings.Repeat(" ", max(c.behind-displayWidth(behind), 0))}
	if c.pace > 0 {
		cells = append(cells, pad(pace, c.pace))
	}
	if c.upTo > 0 {
		cells = append(cells, upTo)
	}
	return strings.TrimRight(strings.Join(cells, columnGap), " ")
}

// shardEnd is the end of a shard's name, where shards differ.
func shardEnd(id string) string {
	const digits = 4
	if len(id) <= digits {
		return id
	}
	return "…" + id[len(id)-digits:]
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-displayWidth(text), 0))
}

// cut shortens text to a number of columns.
func cut(text string, width int) string {
	if displayWidth(text) <= width {
		return text
	}
	for displayWidth(text) > max(width-1, 0) {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text + "…"
}

// cutMiddle shortens text to a number of columns and keeps both ends: workers of a
// host differ at the end of their names.
func cutMiddle(text string, width int) string {
	if displayWidth(text) <= width {
		return text
	}
	runes := []rune(text)
	head := (width - 1) / 2
	for from := head; from <= len(runes); from++ {
		if short := string(runes[:head]) + "…" + string(runes[from:]); displayWidth(short) <= width {
			return short
		}
	}
	return cut(text, width)
}
