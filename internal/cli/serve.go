package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/spf13/cobra"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a local Kinesis server",
		Long: `serve runs a Kinesis server on this machine, for development and tests in any
language. It keeps everything in memory and takes any credentials. Ctrl-C stops it.

Tell other programs where it is with AWS_ENDPOINT_URL_KINESIS, or the AWS CLI with
--endpoint-url; kinetrail's own commands find it with --local.

--fault makes calls fail on purpose: an operation, when, and what happens, such as
"PutRecords nth=3 error=ProvisionedThroughputExceededException".`,
		Example: `  kinetrail serve
  kinetrail serve --stream orders:4 --stream audit:1
  kinetrail serve --addr 127.0.0.1:0
  kinetrail serve --stream orders:2 --fault "PutRecords nth=3 error=ProvisionedThroughputExceededException"`,
		Args: wantArgs(0, 0, ""),
	}
	addr := address(localAddr)
	var streams streamSpecs
	var faults faultRules
	cmd.Flags().Var(&addr, "addr", "`host:port` to listen on; port 0 takes a free one")
	cmd.Flags().Var(&streams, "stream", "create a stream, `name:shards`; repeatable")
	cmd.Flags().Var(&faults, "fault", "make calls fail by this `rule`; repeatable")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.serve(cmd.Context(), string(addr), streams, faults)
	}
	return cmd
}

func (a *app) serve(ctx context.Context, addr string, streams streamSpecs, faults faultRules) error {
	server, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Streams = make(map[string]int, len(streams))
		for _, s := range streams {
			o.Streams[s.name] = s.shards
		}
	})
	if err != nil {
		return err
	}
	if err := server.Faults().Add(faults...); err != nil {
		return errors.Join(err, server.Close())
	}
	if err := server.Listen(addr); err != nil {
		return errors.Join(listenError(addr, err), server.Close())
	}
	if err := a.greet(server.URL(), streams); err != nil {
		return errors.Join(err, server.Close())
	}
	<-ctx.Done()
	if err := server.Close(); err != nil {
		return err
	}
	return &interruptedError{"the server has stopped"}
}

// greet says where the server is and how to reach it.
func (a *app) greet(url string, streams streamSpecs) error {
	local := "kinetrail --local"
	if url != "http://"+localAddr {
		local += " --endpoint-url " + url
	}
	text := "A local Kinesis is listening on " + a.paint.bold(url) + "\n"
	for _, s := range streams {
		text += fmt.Sprintf("  stream %s with %s\n", s.name, count(s.shards, "shard"))
	}
	text += fmt.Sprintf(`
  %s list
  aws --endpoint-url %s kinesis list-streams

It keeps everything in memory and asks for no password. Ctrl-C stops it.
`, local, url)
	_, err := fmt.Fprint(a.stdout, text)
	return err
}

func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &hintedError{
			err:  fmt.Errorf("another program is listening on %s already", addr),
			hint: "Take another port with --addr; port 0 takes a free one.",
		}
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s is not permitted", addr)
	}
	return fmt.Errorf("listen on %s: %s", addr, networkReason(err))
}

// address is a flag: host:port.
type address string

func (a *address) String() string { return string(*a) }
func (a *address) Type() string   { return "host:port" }
func (a *address) Set(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("it takes host:port, such as " + localAddr)
	}
	*a = address(text)
	return nil
}

// streamSpec is a stream to begin with.
type streamSpec struct {
	name   string
	shards int
}

// streamSpecs is a repeatable flag: name:shards.
type streamSpecs []streamSpec

func (s *streamSpecs) String() string { return "" }
func (s *streamSpecs) Type() string   { return "name:shards" }
func (s *streamSpecs) Set(text string) error {
	name, number, ok := strings.Cut(text, ":")
	if !ok {
		return errors.New("it takes name:shards, such as orders:4")
	}
	if _, err := kinetrail.ParseStream(name); err != nil {
		return err
	}
	var shards shardCount
	if err := shards.Set(number); err != nil {
		return fmt.Errorf("shards: %w", err)
	}
	if slices.ContainsFunc(*s, func(other streamSpec) bool { return other.name == name }) {
		return fmt.Errorf("there are two streams %q", name)
	}
	*s = append(*s, streamSpec{name, int(shards)})
	return nil
}

// faultRules is a repeatable flag: a rule of package fault.
type faultRules []fault.Rule

func (f *faultRules) String() string { return "" }
func (f *faultRules) Type() string   { return "rule" }
func (f *faultRules) Set(text string) error {
	rule, err := fault.Parse(text)
	if err != nil {
		return err
	}
	*f = append(*f, rule)
	return nil
}
