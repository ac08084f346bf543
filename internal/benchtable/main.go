// Command benchtable measures the tables of docs/benchmarks.md and of the README.
//
//	go run ./internal/benchtable      prints them
//	go run ./internal/benchtable -w   writes them into the pages, between their marks
//
// It builds the test binaries of the packages once and runs them in turn, in many
// short rounds, so that what else the machine does meets all rows alike and each
// of them undisturbed at least once. A figure is the best of the rounds, with
// their median beside it; a ratio is that of the best.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run() error {
	rounds := flag.Int("rounds", 20, "how often every benchmark runs")
	length := flag.Duration("benchtime", 30*time.Millisecond, "how long each run takes")
	write := flag.Bool("w", false, "write the tables into the pages")
	flag.Parse()
	if *rounds < 1 || *length <= 0 || flag.NArg() > 0 {
		return errors.New("-rounds and -benchtime must be positive, and there are no arguments")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	m, err := measure(ctx, root, *rounds, *length)
	if err != nil {
		return err
	}
	texts, err := m.tables()
	if err != nil {
		return err
	}
	if !*write {
		for _, name := range markNames() {
			fmt.Printf("%s\n\n%s\n", name, texts[name])
		}
		return nil
	}
	for _, page := range pages {
		if err := fill(filepath.Join(root, filepath.FromSlash(page)), texts); err != nil {
			return err
		}
	}
	return nil
}

// moduleRoot is the folder of the module that the working directory belongs to.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
