// Command serverload measures a local Kinesis server next to one that does
// nothing, both as processes of their own and under the same client of the AWS
// SDK.
//
//	go run ./internal/serverload         prints the tables
//	go run ./internal/serverload -disk   with a server that keeps its records in a directory, too
//	go run ./internal/serverload -w      writes the tables into docs/benchmarks-server.md
//
// The servers take turns in every round, so that what else the machine does
// meets them alike. Figures are medians of the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "serverload:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds  int
	length  time.Duration // of a workload in a round
	clients int           // calls under way at once
	disk    bool
	write   bool
}

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == serveNothing {
		return nothing(os.Stdin, os.Stdout)
	}
	var o options
	flags := flag.NewFlagSet("serverload", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 7, "how `often` every server is measured")
	flags.DurationVar(&o.length, "length", time.Second, "how `long` each workload takes in a round")
	flags.IntVar(&o.clients, "clients", 8, "how `many` calls are under way at once")
	flags.BoolVar(&o.disk, "disk", false, "measure a server that keeps its records in a directory, too")
	flags.BoolVar(&o.write, "w", false, "write the tables into "+page)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.rounds < 1 || o.length <= 0 || o.clients < 1 || flags.NArg() > 0 {
		return errors.New("-rounds, -length and -clients must be positive, and there are no arguments")
	}
	m, err := measure(ctx, o)
	if err != nil {
		return err
	}
	fmt.Print(m.tables())
	if o.write {
		return fill(page, m.tables())
	}
	return nil
}
