package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
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
"PutRecords nth=3 error=ProvisionedThroughputExceededException". With --control,
rules change while the server runs: a GET, PUT, POST or DELETE of
/_kinetrail/faults.`,
		Example: `  kinetrail serve
  kinetrail serve --stream orders:4 --stream audit:1
  kinetrail serve --addr 127.0.0.1:0
  kinetrail serve --data-dir ./kinesis --stream orders:4
  kinetrail serve --strict --delay 500ms --stream orders:2
  kinetrail serve --tls
  kinetrail serve --stream orders:2 --fault "PutRecords nth=3 error=ProvisionedThroughputExceededException"`,
		Args: wantArgs(0, 0, ""),
	}
	run := serving{addr: localAddr}
	cmd.Flags().Var(&run.addr, "addr", "`host:port` to listen on, port 0 for a free one")
	cmd.Flags().Var(&run.streams, "stream", "create a stream unless --data-dir has it; repeatable")
	cmd.Flags().Var(&run.faults, "fault", "make calls fail by this `rule`; repeatable")
	cmd.Flags().StringVar(&run.dataDir, "data-dir", "", "keep everything in this `directory`")
	cmd.Flags().BoolVar(&run.fsync, "fsync", false, "write to the disk before answering, against power failures")
	cmd.Flags().BoolVar(&run.strict, "strict", false, "enforce the service's limits")
	cmd.Flags().Var(&run.delay, "delay", "how long streams are CREATING, UPDATING and DELETING")
	cmd.Flags().Var(&run.accessKeys, "access-key", "verify signatures, and take those of this key; repeatable")
	cmd.Flags().BoolVar(&run.control, "control", false, "let programs on this machine change the rules of --fault")
	cmd.Flags().BoolVar(&run.tls, "tls", false, "serve HTTPS, with a certificate for this run unless given")
	cmd.Flags().StringVar(&run.certificate, "tls-cert", "", "serve HTTPS with the certificate in this PEM `file`")
	cmd.Flags().StringVar(&run.key, "tls-key", "", "the PEM `file` with the key of --tls-cert")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if run.fsync && run.dataDir == "" {
			return usageErrorf(cmd, "--fsync needs --data-dir")
		}
		if (run.certificate == "") != (run.key == "") {
			return usageErrorf(cmd, "--tls-cert and --tls-key need each other")
		}
		return a.serve(cmd.Context(), run)
	}
	return cmd
}

// serving is what the flags of serve say.
type serving struct {
	addr             address
	streams          streamSpecs
	faults           faultRules
	control          bool
	dataDir          string
	fsync            bool
	strict           bool
	delay            pause
	accessKeys       accessKeys
	tls              bool
	certificate, key string // files
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
	certificate, err := run.tlsCertificate()
	if err != nil {
		return nil, err
	}
	var store *diskstore.Store
	if run.dataDir != "" {
		if store, err = diskstore.Open(run.dataDir, func(o *diskstore.Options) { o.Fsync = run.fsync }); err != nil {
			return nil, err
		}
	}
	server, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Streams = make(map[string]int, len(run.streams))
		for _, s := range run.streams {
			o.Streams[s.name] = s.shards
		}
		o.Strict, o.Control = run.strict, run.control
		o.CreateDelay, o.UpdateDelay, o.DeleteDelay = run.delay.duration, run.delay.duration, run.delay.duration
		o.Secrets = run.accessKeys
		o.Certificate = certificate
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

// tlsCertificate is what HTTPS is served with, nil for plain HTTP.
func (run *serving) tlsCertificate() (*tls.Certificate, error) {
	switch {
	case run.certificate != "":
		pair, err := tls.LoadX509KeyPair(run.certificate, run.key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate and its key: %w", err)
		}
		return &pair, nil
	case run.tls:
		return localkinesis.SelfSigned()
	}
	return nil, nil
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
	text := "A local Kinesis is listening on " + a.paint.bold(url) + "\n"
	for _, s := range run.streams {
		text += fmt.Sprintf("  stream %s with %s\n", s.name, count(s.shards, "shard"))
	}
	where, asks := "memory", "takes any credentials"
	if run.dataDir != "" {
		where = run.dataDir
	}
	// The AWS CLI wants a region and credentials, whatever they are.
	ours, theirs := "kinetrail --local", "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local aws --region "+localRegion+" --endpoint-url "+url
	if len(run.accessKeys) > 0 {
		asks = "takes what is signed with " + strings.Join(slices.Sorted(maps.Keys(run.accessKeys)), " or ")
		ours, theirs = "kinetrail", "aws --endpoint-url "+url
	}
	if ours == "kinetrail" || url != "http://"+localAddr {
		ours += " --endpoint-url " + url
	}
	if run.tls && run.certificate == "" {
		theirs += " --no-verify-ssl" // nobody else has signed the certificate
	}
	text += fmt.Sprintf(`
  %s list
  %s kinesis list-streams

It keeps everything in %s and %s. Ctrl-C stops it.
`, ours, theirs, where, asks)
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
