package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail/internal/demo"
	"github.com/spf13/cobra"
)

// demoCommand makes the command; opts are for tests.
func (a *app) demoCommand(opts ...func(*demo.Options)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play how a trace crosses a stream, five ways",
		Long: `demo starts a local server and two services, event-producer and event-consumer,
which are traced apart from each other, and sends events of 20 groups through a
stream: once without a trace, and once with each carrier. A consumer and a Lambda
function handle them. For each act it shows whether put and handler are one trace,
whether groups kept their shard and their order, and whether the key came back.

It needs nothing else and leaves nothing behind. Each value is computed from what
was received; one that should have come out otherwise is named, and the exit code
is 1.`,
		Example: `  kinetrail demo
  kinetrail demo --shards 8
  kinetrail demo -o json | jq '.acts[] | {carrier, connected, order_kept}'`,
		Args: wantArgs(0, 0, ""),
	}
	shards := demoShards(5)
	cmd.Flags().Var(&shards, "shards", fmt.Sprintf("shards of the stream, %d to %d", demo.MinShards, demo.MaxShards))
	addr := metricsFlag(cmd)
	form := outputFlag(cmd, asTable, asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := demo.CheckEnvironment(); err != nil { // before the story begins
			return explainPlay(err)
		}
		sink, stopMetrics, err := a.serveMetrics(*addr)
		if err != nil {
			return err
		}
		defer stopMetrics()
		opts := append([]func(*demo.Options){func(o *demo.Options) { o.Shards, o.Metrics = int(shards), sink }}, opts...)
		if form.value == asJSON {
			return a.playDocument(cmd, opts)
		}
		return a.playStory(cmd, opts)
	}
	return cmd
}

// demoShards is a flag: how many shards the demo plays on.
type demoShards int

func (n *demoShards) String() string { return strconv.Itoa(int(*n)) }
func (n *demoShards) Type() string   { return "number" }
func (n *demoShards) Set(text string) error {
	number, err := strconv.Atoi(text)
	switch {
	case err == nil && number == 1:
		return errors.New("with one shard no record can land on the wrong one, and the act of the partition key would show nothing")
	case err != nil || number < demo.MinShards || number > demo.MaxShards:
		return fmt.Errorf("it takes a number from %d to %d", demo.MinShards, demo.MaxShards)
	}
	*n = demoShards(number)
	return nil
}

// playDocument plays without a word and writes one JSON document.
func (a *app) playDocument(cmd *cobra.Command, opts []func(*demo.Options)) error {
	progress := a.newProgress()
	defer progress.clear()
	report, err := demo.Play(cmd.Context(), append(opts, func(o *demo.Options) {
		o.Played = func(p demo.Played) { progress.show("act %s played", p.Carrier) }
	})...)
	if err != nil {
		return explainPlay(err)
	}
	progress.clear()
	if err := a.writeJSON(report); err != nil {
		return err
	}
	return judgement(report)
}

// explainPlay says what to do about a play that cannot begin.
func explainPlay(err error) error {
	if errors.Is(err, demo.ErrPropagationForced) {
		return &hintedError{err: demo.ErrPropagationForced, hint: "Unset it for the demo."}
	}
	return err
}

// judgement is an error that names every value that came out differently than
// expected, nil when none did.
func judgement(report *demo.Report) error {
	deviations := report.Deviations()
	if len(deviations) == 0 {
		return nil
	}
	sentences := make([]string, len(deviations))
	for i, d := range deviations {
		sentences[i] = d.String()
	}
	return fmt.Errorf("%s came out differently: %s", count(len(deviations), "value"), strings.Join(sentences, "; "))
}
