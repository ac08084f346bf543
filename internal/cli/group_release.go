package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/spf13/cobra"
)

func (a *app) groupReleaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release GROUP [SHARD...]",
		Short: "Free shards from their workers, dead ones above all",
		Long: `release makes shards nobody's, so that the next worker that looks takes them: those
named, or with --worker all of one worker. It first watches for --lease-duration
whether the owners are alive. From a dead one it takes the shard after that; a
living one is asked, finishes the record at hand and writes its position, and after
--wait the shard is taken from it, too. A worker that has lost a shard can write no
position any more.

Workers free their shards themselves when they stop, and those of a dead worker
are taken after the lease duration: release is for groups of which no worker runs,
and with a shorter --lease-duration for what does not wait so long.`,
		Example: `  kinetrail group release orders-app --worker host-b-9f2c
  kinetrail group release orders-app shardId-000000000003 shardId-000000000004`,
		Args:              wantArgs(1, -1, "GROUP"),
		ValidArgsFunction: a.completeGroups,
	}
	flags := addGroupFlags(cmd, "the `stream` of the shards, in a group over several")
	worker := cmd.Flags().String("worker", "", "free all shards of this `worker`")
	patience := cmd.Flags().Duration("wait", 30*time.Second, "how long a living worker may take to hand over")
	alive := leaseDurationFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		shards := args[1:]
		if (*worker == "") == (len(shards) == 0) {
			return usageErrorf(cmd, "group release needs either SHARD or --worker")
		}
		return a.withGroup(cmd, args[0], flags, func(g *openedGroup) error {
			if err := g.onlyToRelease(shards, *worker); err != nil {
				return err
			}
			return a.releaseLeases(cmd.Context(), g, *patience, *alive)
		})
	}
	return cmd
}

// onlyToRelease leaves the leases of the shards or of the worker.
func (g *openedGroup) onlyToRelease(shards []string, worker string) error {
	if worker == "" {
		return g.onlyShards(shards)
	}
	all := g.leases
	g.leases = nil
	for _, l := range all {
		if l.Owner == worker {
			g.leases = append(g.leases, l)
		}
	}
	if len(g.leases) == 0 {
		return &hintedError{
			err:  fmt.Errorf("no lease of group %s belongs to a worker %q", g.name, worker),
			hint: fmt.Sprintf("\"kinetrail group describe %s\" shows the owners.", g.name),
		}
	}
	return nil
}

func (a *app) releaseLeases(ctx context.Context, g *openedGroup, patience, alive time.Duration) error {
	var workers []string
	if slices.ContainsFunc(g.leases, func(l lease.Lease) bool { return l.Owner != "" }) {
		var err error
		if workers, err = a.living(ctx, g, alive); err != nil {
			return err
		}
	}
	for done, l := range g.leases {
		if l.Owner == "" {
			if _, err := fmt.Fprintf(a.stdout, "%s is nobody's already.\n", shardOf(l)); err != nil {
				return err
			}
			continue
		}
		wait, how := time.Duration(0), "which is dead"
		if slices.Contains(workers, l.Owner) {
			wait, how = patience, "which was asked"
		}
		freed, err := lease.Free(ctx, g.Store, l.Key, wait)
		if ctx.Err() != nil {
			return &interruptedError{fmt.Sprintf("interrupted: %d of %s are done", done, count(len(g.leases), "shard"))}
		}
		if err != nil {
			return g.wrap(err)
		}
		if _, err := fmt.Fprintf(a.stdout, "%s is free: it was with %s, %s, and goes on at %s.\n", shardOf(freed), printable(l.Owner), how, placeOfLease(freed)); err != nil {
			return err
		}
	}
	return nil
}
