package cli

// paint colours text for a terminal; false leaves it as it is.
type paint bool

func (p paint) bold(text string) string  { return p.with("1", text) }
func (p paint) faint(text string) string { return p.with("2", text) }
func (p paint) green(text string) string { return p.with("32", text) }
func (p paint) red(text string) string   { return p.with("31", text) }

func (p paint) with(code, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
