package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// golden holds what a library has made against the file of it in a testdata
// folder, which the packages' own tests read. With --update it writes the file.
func (s *session) golden(file string, made any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(made); err != nil {
		return err
	}
	if s.update {
		return os.WriteFile(file, text.Bytes(), 0o644)
	}
	kept, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no %s; --update writes it", file)
	}
	if err != nil {
		return err
	}
	same, err := sameButMaker(kept, text.Bytes())
	if err == nil && !same {
		err = fmt.Errorf("the bytes are not those of %s; --update writes them", file)
	}
	return err
}

// sameButMaker compares two documents, but for the versions that made them.
func sameButMaker(a, b []byte) (bool, error) {
	var texts [2][]byte
	for i, text := range [][]byte{a, b} {
		var document map[string]any
		if err := json.Unmarshal(text, &document); err != nil {
			return false, err
		}
		delete(document, "made_by")
		var err error
		if texts[i], err = json.Marshal(document); err != nil {
			return false, err
		}
	}
	return bytes.Equal(texts[0], texts[1]), nil
}
