package cli

// fact is one line of what a command says about one thing.
type fact struct{ name, value string }

// writeFacts writes names and values in two columns and leaves out the empty
// ones. What is too long for a terminal goes on below.
func (a *app) writeFacts(facts []fact) error {
	t := &table{out: a.stdout, widths: make([]int, 2)}
	for _, f := range facts {
		if f.value != "" {
			t.widths[0] = max(t.widths[0], displayWidth(f.name))
		}
	}
	room := 0
	if a.width > 0 {
		room = max(a.width-t.widths[0]-len(columnGap), 1)
	}
	for _, f := range facts {
		name := a.paint.bold(f.name)
		for _, part := range wrapped(printable(f.value), room) {
			if f.value != "" {
				t.writeRow(name, part)
			}
			name = ""
		}
	}
	return t.err
}
