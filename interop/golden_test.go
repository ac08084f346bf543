package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGoldenBytesAreComparedOrWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "golden.json")
	made := document{MadeBy: "library 1", Containers: []container{{Name: "<a>", Bytes: "00"}}}
	if err := new(session).golden(file, made); err == nil || !strings.Contains(err.Error(), "--update writes it") {
		t.Errorf("without a file: %v; want how to write it", err)
	}
	if err := (&session{update: true}).golden(file, made); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"name": "<a>"`) {
		t.Errorf("the file is %s, %v", text, err)
	}
	made.MadeBy = "library 2"
	if err := new(session).golden(file, made); err != nil {
		t.Errorf("the same bytes of another version: %v", err)
	}
	made.Containers[0].Bytes = "01"
	if err := new(session).golden(file, made); err == nil {
		t.Error("other bytes are taken for the same")
	}
}
