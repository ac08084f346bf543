// Command kinetrail puts, reads and explains records of Kinesis streams, and
// runs a local Kinesis. See kinetrail --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/kinetrail/kinetrail/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C lets the command finish what it has accepted; from then
	// on the signal has its usual effect, so a second one ends the program.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
