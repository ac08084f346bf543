package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/spf13/cobra"
)

func (a *app) groupMoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "move GROUP SHARD WORKER",
		Short: "Hand a shard to another worker",
		Long: `move asks the worker that has a shard to hand it over to another one, and waits
until that has it: the old owner finishes the record at hand, writes its position
and lets go. A shard that nobody has goes to the worker at once. The worker's name
is what "kinetrail group describe" shows as owner.

Workers share shards out evenly by themselves, so that one which has two fewer
than the new owner may soon ask for one.`,
		Example: `  kinetrail group move orders-app shardId-000000000003 host-b-9f2c
  kinetrail group move orders-app shardId-000000000003 host-c-77aa --any-worker`,
		Args:              wantArgs(3, 3, "GROUP SHARD WORKER"),
		ValidArgsFunction: a.completeGroups,
	}
	flags := addGroupFlags(cmd, "the `stream` of the shard, in a group over several")
	patience := cmd.Flags().Duration("wait", time.Minute, "how long to wait for the worker to have it")
	anyWorker := cmd.Flags().Bool("any-worker", false, "also a worker that has no shard yet and so cannot be told from one that does not exist")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *patience <= 0 {
			return usageErrorf(cmd, "--wait %v: it takes a time above 0", *patience)
		}
		return a.withGroup(cmd, args[0], flags, func(g *openedGroup) error {
			l, err := g.lease(args[1])
			if err != nil {
				return err
			}
			return a.moveLease(cmd.Context(), g, l, args[2], *patience, *anyWorker)
		})
	}
	return cmd
}

var errNoAnswer = errors.New("it took too long")

func (a *app) moveLease(ctx context.Context, g *openedGroup, l lease.Lease, worker string, patience time.Duration, anyWorker bool) error {
	waiting, stop := context.WithTimeoutCause(ctx, patience, errNoAnswer)
	defer stop()
	status := a.newStatusLine()
	defer status.clear()
	status.show("Waiting for %s to have %s", worker, l.ShardID)
	moved, err := lease.Move(waiting, g.Store, l.Key, worker, func(o *lease.MoveOptions) { o.AnyWorker = anyWorker })
	status.clear()
	switch {
	case errors.Is(err, lease.ErrUnknownWorker):
		return &hintedError{
			err:  fmt.Errorf("no lease of group %s belongs to a worker %q", g.name, worker),
			hint: "If it is a worker that has no shard yet, add --any-worker.",
		}
	case errors.Is(err, errNoAnswer):
		return fmt.Errorf("%s has not handed %s over within %v; the request stays, and %s takes the shard when it can", ownerOf(l), l.ShardID, patience, worker)
	case ctx.Err() != nil:
		return &interruptedError{fmt.Sprintf("interrupted: the request stays, and %s takes %s when it can", worker, l.ShardID)}
	case err != nil:
		return g.wrap(err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s has %s, which it goes on with at %s.\n", printable(moved.Owner), moved.ShardID, placeOfLease(moved))
	return err
}

func ownerOf(l lease.Lease) string {
	if l.Owner == "" {
		return "nobody"
	}
	return l.Owner
}
