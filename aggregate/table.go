package aggregate

// table is one of the two string tables of a container under construction:
// every text once, in the order of first use. Finding a text does not allocate,
// and neither does adding one once the table's memory has grown.
type table struct {
	encoded []byte // the entries as they stand in the message
	len     int    // how many there are

	// The newest entry is found through last, the others through index, so
	// that runs of one key hash nothing and containers of one key need no
	// index. Both alias encoded, which is only appended to until reset.
	last  string
	index map[string]int
}

// noEntry stands for the entry of a text that a record does not have.
const noEntry = -1

// find returns the entry that holds text.
func (t *table) find(text string) (entry int, ok bool) {
	if t.len > 0 && t.last == text {
		return t.len - 1, true
	}
	entry, ok = t.index[text]
	return entry, ok
}

// plan returns the entry that would hold text, and the bytes by which the table
// would grow for it.
func (t *table) plan(text string) (entry, growth int) {
	if entry, ok := t.find(text); ok {
		return entry, 0
	}
	return t.len, bytesFieldSize(len(text))
}

// entryOf returns the entry that holds text. If need be it appends one, as a
// field of this number.
func (t *table) entryOf(field int, text string) (entry int) {
	if entry, ok := t.find(text); ok {
		return entry
	}
	if t.len > 0 {
		if t.index == nil {
			t.index = make(map[string]int)
		}
		t.index[t.last] = t.len - 1
	}
	t.encoded = appendStringField(t.encoded, field, text)
	t.last = alias(t.encoded[len(t.encoded)-len(text):])
	t.len++
	return t.len - 1
}

// reset empties the table and keeps its memory.
func (t *table) reset() {
	clear(t.index) // before the texts it aliases are overwritten
	t.last = ""
	t.encoded = t.encoded[:0]
	t.len = 0
}
