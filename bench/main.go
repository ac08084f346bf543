package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say run, client, serve or shards; see go doc")
	}
	switch args[0] {
	case "run":
		return run(ctx, args[1:])
	case "client":
		return runClient(ctx, args[1:], os.Stdout)
	case "serve":
		return serve(os.Stdin, os.Stdout)
	case "shards":
		return thousandShards(ctx, args[1:], os.Stdout)
	case "serve-shards":
		return serveShards(ctx, args[1:], os.Stdin, os.Stdout)
	}
	return fmt.Errorf("%q is none of run, client, serve and shards", args[0])
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
