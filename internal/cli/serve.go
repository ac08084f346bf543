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
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/spf13/cobra"
)

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a local Kinesis server",
		Long: `serve runs a Kinesis server on this machine, for development and tests in any
language. It keeps everything in memory and takes any credentials. Ctrl-C stops it.
With --data-dir it keeps everything in a directory, and goes on with that the next
time, however it ended.

Tell other programs where it is with AWS_ENDPOINT_URL_KINESIS, or the AWS CLI with
--endpoint-url; kinetrail's own commands find it with --local.

--fault makes calls fail on purpose: an operation, when, and what happens, such as
"PutRecords nth=3 error=ProvisionedThroughputExceededException".`,
		Example: `  kinetrail serve
  kinetrail serve --stream orders:4 --stream audit:1
  kinetrail serve --addr 127.0.0.1:0
  kinetrail serve --data-dir ./kinesis --stream orders:4
  kinetrail serve --stream orders:2 --fault "PutRecords nth=3 error=ProvisionedThroughputExceededException"`,
		Args: wantArgs(0, 0, ""),
	}
	run := serving{addr: localAddr}
	cmd.Flags().Var(&run.addr, "addr", "`host:port` to listen on; port 0 takes a free one")
	cmd.Flags().Var(&run.streams, "stream", "create a stream, `name:shards`, unless the data directory has it; repeatable")
	cmd.Flags().Var(&run.faults, "fault", "make calls fail by this `rule`; repeatable")
	cmd.Flags().StringVar(&run.dataDir, "data-dir", "", "keep everything in this `directory`")
	cmd.Flags().BoolVar(&run.fsync, "fsync", false, "bring every write to the disk before it is answered, so that it outlives a power failure")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if run.fsync && run.dataDir == "" {
			return usageErrorf(cmd, "--fsync needs --data-dir")
		}
		return a.serve(cmd.Context(), run)
	}
	return cmd
}

// serving is what the flags of serve say.
type serving struct {
	addr    address
	streams streamSpecs
	faults  faultRules
	dataDir string
	fsync   bool
}

func (a *app) serve(ctx context.Context, run serving) error {
	server, err := a.newServer(run)
	if err != nil {
		return dataDirError(err)
	}
	if err := server.Faults().Add(run.faults...); err != nil {
		return errors.Join(err, server.Close())
	}
	if err := server.Listen(string(run.addr)); err != nil {
		return errors.Join(listenError(string(run.addr), err), server.Close())
	}
	if err := a.greet(server.URL(), run); err != nil {
		return errors.Join(err, server.Close())
	}
	<-ctx.Done()
	if err := server.Close(); err != nil {
		return err
	}
	return &interruptedError{"the server has stopped"}
}

// newServer is the server, with its data directory if there is to be one.
func (a *app) newServer(run serving) (*localkinesis.Server, error) {
	var store *diskstore.Store
	if run.dataDir != "" {
		var err error
		if store, err = diskstore.Open(run.dataDir, func(o *diskstore.Options) { o.Fsync = run.fsync }); err != nil {
			return nil, err
		}
	}
	server, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Streams = make(map[string]int, len(run.streams))
		for _, s := range run.streams {
			o.Streams[s.name] = s.shards
		}
		if store != nil {
			o.Store = store
		}
	})
	if err != nil || store == nil {
		return server, err
	}
	for _, cut := range store.Cuts() {
		a.complain(fmt.Sprintf("%s; nothing that was answered is lost", cut))
	}
	return server, nil
}

// dataDirError says what can be done about a directory that cannot be used.
func dataDirError(err error) error {
	if inUse, ok := errors.AsType[*diskstore.InUseError](err); ok {
		return &hintedError{err: inUse, hint: "Stop it, or take another directory with --data-dir."}
	}
	if damaged, ok := errors.AsType[*diskstore.DamagedError](err); ok {
		return &hintedError{err: damaged, hint: "Nothing was changed. Put a copy of the file in its place, or take another directory with --data-dir."}
	}
	return err
}

// greet says where the server is and how to reach it.
func (a *app) greet(url string, run serving) error {
	local := "kinetrail --local"
	if url != "http://"+localAddr {
		local += " --endpoint-url " + url
	}
	text := "A local Kinesis is listening on " + a.paint.bold(url) + "\n"
	for _, s := range run.streams {
		text += fmt.Sprintf("  stream %s with %s\n", s.name, count(s.shards, "shard"))
	}
	where := "memory"
	if run.dataDir != "" {
		where = run.dataDir
	}
	text += fmt.Sprintf(`
  %s list
  aws --endpoint-url %s kinesis list-streams

It keeps everything in %s and asks for no password. Ctrl-C stops it.
`, local, url, where)
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
