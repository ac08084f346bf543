package cli

// fact is one line of what a command says about one thing.
type fact struct{ name, value string }

// writeFacts writes names and values in two columns and leaves out the empty
// ones.
func (a *app) writeFacts(facts []fact) error {
	t := &table{out: a.stdout, widths: make([]int, 2)}
	for _, f := range facts {
		if f.value != "" {
			t.widths[0] = max(t.widths[0], displayWidth(f.name))
		}
	}
	for _, f := range facts {
		if f.value != "" {
			t.writeRow(a.paint.bold(f.name), printable(f.value))
		}
	}
	return t.err
}
