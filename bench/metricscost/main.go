// Command metricscost measures what metrics cost the producer and the consumer,
// in processor time per record.
//
//	metricscost ──starts──► server process       package nullkinesis
//	  │                        ▲
//	  ├──starts──► itself, metrics off or on, GOMAXPROCS=1 ──► one sample
//	  └──starts──► a build without the calls ────────────────► one sample
//
// The build without the calls is the same program with every method of the
// clients' meters returning at once: what "off" is held against. All take turns,
// so that what disturbs the machine disturbs them alike.
//
//	go run ./metricscost            prints the samples and the table
//	go run ./metricscost -w         writes results/metrics.txt and ../docs/metrics.md
//
// The samples are in the format of Go's benchmarks; benchstat compares them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "metricscost:", err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "serve" {
		return serve(os.Stdin, os.Stdout)
	}
	if len(args) == 5 && args[0] == "client" {
		return client(ctx, args[1], args[2], args[3], args[4])
	}
	return run(ctx, args)
}

// serve runs the server until its input ends. It says where it listens.
func serve(in io.Reader, out io.Writer) error {
	server, err := nullkinesis.Start()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, server.URL())
	_, err = io.Copy(io.Discard, bufio.NewReader(in))
	return errors.Join(err, server.Close())
}

// client takes one sample and writes it as JSON.
func client(ctx context.Context, workload, state, endpoint, records string) error {
	n, err := strconv.Atoi(records)
	if err != nil {
		return err
	}
	s, err := sampleOf(ctx, workload, state, endpoint, n)
	if err != nil {
		return fmt.Errorf("%s, metrics %s: %w", workload, state, err)
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("metricscost", flag.ContinueOnError)
	rounds := flags.Int("rounds", 24, "how many `times` each takes its turn, at least 10 for an interval worth quoting")
	records := flags.Int("records", 400_000, "how many `records` of 100 B a sample has; of 1 KiB a quarter of them")
	only := flags.String("only", "", "measure the `workload` of this name alone")
	write := flags.Bool("w", false, "write results/metrics.txt and ../docs/metrics.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || *records < 1 || flags.NArg() > 0 {
		return errors.New("-rounds and -records must be positive, and there are no arguments")
	}
	measured, err := measure(ctx, *rounds, *records, *only)
	if err != nil {
		return err
	}
	table, err := measured.table(ctx)
	if err != nil {
		return err
	}
	if !*write {
		_, err := fmt.Print(measured.benchmarks(), "\n", table)
		return err
	}
	return errors.Join(
		os.WriteFile("results/metrics.txt", []byte(measured.benchmarks()), 0o644),
		fill("../docs/metrics.md", table))
}
