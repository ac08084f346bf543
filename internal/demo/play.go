package demo

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Options tunes a play. Play fills in every default before it calls the
// caller's functions.
type Options struct {
	// Shards is the number of shards of every stream, from MinShards to
	// MaxShards. The default is 5.
	Shards int

	// Script is what is played. The default is Script().
	Script []Act

	// Metrics gets the metrics of all services, besides what the report says
	// of each. The default is metrics.Noop.
	Metrics metrics.Sink

	// Played is called after each act, before the next one begins. The default
	// is nil.
	Played func(Played)
}

const (
	// MinShards is 2: with a single one no record can come to lie on the wrong
	// shard, so the act of the partition key would show nothing.
	MinShards = 2

	// MaxShards keeps the readers of one machine from being busy with asking.
	MaxShards = 50
)

// ErrPropagationForced is returned when KINETRAIL_PROPAGATION is set: it is
// stronger than the carrier of any act.
var ErrPropagationForced = errors.New(tracecarrier.EnvironmentVariable + " is set, which keeps the acts from choosing their carriers")

// Report is a play that was played to its end.
type Report struct {
	Shards      []Shard      `json:"shards"`
	Acts        []Played     `json:"acts"`
	Assignments []Assignment `json:"assignments"`
}

// Deviations are the values that came out differently than expected, none when
// all is well.
func (r *Report) Deviations() (found []Deviation) {
	for i := range r.Acts {
		found = append(found, r.Acts[i].Deviations()...)
	}
	for _, a := range r.Assignments {
		found = append(found, a.deviations(r.Shards)...)
	}
	return found
}

// Play plays the acts one after another on a server of its own, which listens
// on a free port of 127.0.0.1. An error means that something could not be
// played, or that ctx ended, and is then its cause. No goroutine is left when
// Play returns.
func Play(ctx context.Context, opts ...func(*Options)) (*Report, error) {
	o := Options{Shards: 5, Script: Script(), Metrics: metrics.Noop}
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	server, err := localkinesis.New()
	if err != nil {
		return nil, fmt.Errorf("start a local server: %w", err)
	}
	defer server.Close()
	if err := server.Listen("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start a local server: %w", err)
	}

	report, err := playOn(ctx, server, o)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return report, err
}

// playOn plays on a server.
func playOn(ctx context.Context, server *localkinesis.Server, o Options) (*Report, error) {
	client := server.Client()
	shards, assignments, err := assign(ctx, client, o.Shards)
	if err != nil {
		return nil, err
	}
	report := &Report{Shards: shards, Assignments: assignments}
	for _, act := range o.Script {
		played, err := playAct(ctx, server, client, act, o.Shards, o.Metrics)
		if err != nil {
			return nil, fmt.Errorf("act %s: %w", act.Carrier, err)
		}
		report.Acts = append(report.Acts, played)
		if o.Played != nil {
			o.Played(played)
		}
	}
	return report, nil
}

func (o *Options) check() error {
	var errs []error
	if o.Shards < MinShards || o.Shards > MaxShards {
		errs = append(errs, fmt.Errorf("demo: Options.Shards is %d, it must lie between %d and %d", o.Shards, MinShards, MaxShards))
	}
	if err := CheckEnvironment(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CheckEnvironment returns ErrPropagationForced when Play would, for callers
// that have something to do before they play.
func CheckEnvironment() error {
	if os.Getenv(tracecarrier.EnvironmentVariable) != "" {
		return ErrPropagationForced
	}
	return nil
}
