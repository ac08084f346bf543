package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/spf13/cobra"
)

func (a *app) groupResetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reset GROUP --to PLACE",
		Short: "Put a group's checkpoints somewhere else",
		Long: `reset lets a group read from another place: trim-horizon is the oldest record there
is, latest what arrives from now on, a time or a duration what arrived then or so
long ago. Without --yes it shows what would become of each shard and changes
nothing.

Stop the group first. While workers are alive reset refuses, because they handle
records at hand twice or leave some out; with --force they lose their shards, can
write no position any more, and take the shards again from the new place.

latest needs --stream: shards that were split or merged are then finished, and
those that the group does not know yet begin now, too.`,
		Example: `  kinetrail group reset orders-app --to 2h
  kinetrail group reset orders-app --to 2026-11-20T09:30:00Z --yes
  kinetrail group reset orders-app --to latest --stream orders --yes
  kinetrail group reset orders-app --to trim-horizon --shard shardId-000000000003`,
		Args:              wantArgs(1, 1, "GROUP"),
		ValidArgsFunction: a.completeGroups,
	}
	flags := &resetFlags{groupFlags: addGroupFlags(cmd, "the `stream`: needed for latest, and to reset one of several")}
	cmd.Flags().Var(&flags.to, "to", "trim-horizon, latest, a `time`, or so long ago (2h)")
	cmd.Flags().StringArrayVar(&flags.shards, "shard", nil, "reset only this `shard`; repeatable")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "do it")
	cmd.Flags().BoolVar(&flags.force, "force", false, "take the shards from living workers")
	flags.alive = leaseDurationFlag(cmd)
	flags.form = outputFlag(cmd, asTable, asJSON, asTSV)
	completeWith(cmd, "to", "trim-horizon", "latest")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if flags.to.text == "" {
			return usageErrorf(cmd, "group reset needs --to")
		}
		if flags.to.position.IsLatest() && flags.stream == "" {
			return usageErrorf(cmd, "--to latest needs --stream: only the stream knows which shards are open")
		}
		return a.withGroup(cmd, args[0], flags.groupFlags, func(g *openedGroup) error { return a.resetGroup(cmd, g, flags) })
	}
	return cmd
}

type resetFlags struct {
	*groupFlags
	to         fromFlag
	shards     []string
	yes, force bool
	alive      *time.Duration
	form       *choice
}

// movedCheckpoint is one shard whose place changes.
type movedCheckpoint struct {
	Shard  string  `json:"shard"`
	Owner  *string `json:"owner"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	isNew  bool
	wanted kinetrail.Position
	lease  lease.Lease
}

// resetDocument is the document of group reset.
type resetDocument struct {
	Group  string            `json:"group"`
	DryRun bool              `json:"dry_run"`
	Shards []movedCheckpoint `json:"shards"`
	held   bool              // workers have shards of the group, and --force is not given
}

func (a *app) resetGroup(cmd *cobra.Command, g *openedGroup, flags *resetFlags) error {
	ctx := cmd.Context()
	if err := g.onlyShards(flags.shards); err != nil {
		return err
	}
	plan, err := a.planReset(cmd, g, flags)
	if err != nil {
		return err
	}
	if !flags.yes {
		held, err := g.isHeld(ctx)
		if err != nil {
			return err
		}
		return a.writeReset(flags.form, resetDocument{Group: g.name, DryRun: true, Shards: plan, held: held && !flags.force})
	}
	if !flags.force {
		if err := a.refuseLiving(ctx, g, *flags.alive); err != nil {
			return err
		}
	}
	to := make(map[string]kinetrail.Position)
	var fresh []lease.Lease
	for _, moved := range plan {
		if moved.isNew {
			fresh = append(fresh, moved.lease)
		} else {
			to[moved.lease.Key] = moved.wanted
		}
	}
	// First the shards that are new to the group: when their parents are
	// finished, workers would begin them at trim-horizon.
	if _, err := lease.Import(ctx, fresh, g.Store, func(o *lease.CopyOptions) { o.Watch = 0 }); err != nil {
		return g.wrap(err)
	}
	if _, err := lease.Reset(ctx, g.Store, to); err != nil {
		return g.wrap(err)
	}
	return a.writeReset(flags.form, resetDocument{Group: g.name, Shards: plan})
}

// isHeld reports whether any lease of the group has an owner, living or dead.
func (g *openedGroup) isHeld(ctx context.Context) (bool, error) {
	all, err := g.List(ctx)
	return slices.ContainsFunc(all, func(l lease.Lease) bool { return l.Owner != "" }), g.wrap(err)
}

// onlyShards leaves out all other leases.
func (g *openedGroup) onlyShards(shards []string) error {
	if len(shards) == 0 {
		return nil
	}
	var kept []lease.Lease
	for _, shard := range shards {
		l, err := g.lease(shard)
		if err != nil {
			return err
		}
		kept = append(kept, l)
	}
	g.leases = kept
	return nil
}

// refuseLiving fails while workers write to the group's leases.
func (a *app) refuseLiving(ctx context.Context, g *openedGroup, duration time.Duration) error {
	workers, err := a.living(ctx, g, duration)
	if err != nil || len(workers) == 0 {
		return err
	}
	return &hintedError{
		err:  fmt.Errorf("group %s has living workers: %s", g.name, strings.Join(workers, ", ")),
		hint: "Stop them first; --force takes their shards from them.",
	}
}

// living watches the group for a lease duration.
func (a *app) living(ctx context.Context, g *openedGroup, duration time.Duration) ([]string, error) {
	status := a.newStatusLine()
	defer status.clear()
	status.show("Looking for %v whether workers of group %s are alive", duration, g.name)
	workers, err := lease.Living(ctx, g.Store, duration)
	return workers, g.wrap(err)
}

// planReset says what becomes of each lease.
func (a *app) planReset(cmd *cobra.Command, g *openedGroup, flags *resetFlags) ([]movedCheckpoint, error) {
	if flags.to.position.IsLatest() {
		return a.planLatest(cmd, g, flags)
	}
	plan := make([]movedCheckpoint, len(g.leases))
	for i, l := range g.leases {
		plan[i] = moveCheckpoint(l, flags.to.position)
	}
	return plan, nil
}

func moveCheckpoint(l lease.Lease, to kinetrail.Position) movedCheckpoint {
	return movedCheckpoint{Shard: shardOf(l), Owner: textOrNull(l.Owner), From: placeOfLease(l), To: placeText(to, kinetrail.Position{}), wanted: to, lease: l}
}

// planLatest finishes the closed shards and lets the open ones begin now, by the
// service's clock.
func (a *app) planLatest(cmd *cobra.Command, g *openedGroup, flags *resetFlags) ([]movedCheckpoint, error) {
	stream, _, err := flags.streamOf(cmd)
	if err != nil {
		return nil, err
	}
	client, err := a.connection.client(cmd.Context())
	if err != nil {
		return nil, err
	}
	now, err := serviceNow(cmd.Context(), client, stream)
	if err != nil {
		return nil, err
	}
	shards, err := listShards(cmd.Context(), client, stream)
	if err != nil {
		return nil, err
	}
	open := make(map[string]bool)
	for _, shard := range shards {
		open[aws.ToString(shard.ShardId)] = !isClosed(shard)
	}
	var plan []movedCheckpoint
	known := make(map[string]bool)
	for _, l := range g.leases {
		known[l.ShardID] = true
		to := kinetrail.ShardEnd()
		if open[l.ShardID] {
			to = kinetrail.AtTime(now)
		}
		plan = append(plan, moveCheckpoint(l, to))
	}
	if len(flags.shards) > 0 || len(g.leases) == 0 {
		return plan, nil
	}
	identifier := g.leases[0].Stream // all are of this stream
	for _, shard := range shards {
		if known[aws.ToString(shard.ShardId)] || isClosed(shard) {
			continue
		}
		l := lease.Lease{
			Stream: identifier, ShardID: aws.ToString(shard.ShardId), Key: aws.ToString(shard.ShardId),
			StartingHashKey: aws.ToString(shard.HashKeyRange.StartingHashKey), EndingHashKey: aws.ToString(shard.HashKeyRange.EndingHashKey),
			Checkpoint: kinetrail.AtTime(now), Start: kinetrail.AtTime(now),
		}
		if identifier != "" {
			l.Key = identifier + ":" + l.ShardID
		}
		for _, parent := range []*string{shard.ParentShardId, shard.AdjacentParentShardId} {
			if parent != nil {
				l.Parents = append(l.Parents, *parent)
			}
		}
		moved := moveCheckpoint(l, kinetrail.AtTime(now))
		moved.From, moved.isNew = "not yet known", true
		plan = append(plan, moved)
	}
	slices.SortFunc(plan, func(a, b movedCheckpoint) int { return strings.Compare(a.lease.Key, b.lease.Key) })
	return plan, nil
}

// serviceNow is the service's clock.
func serviceNow(ctx context.Context, client *kinesis.Client, stream kinetrail.Stream) (time.Time, error) {
	asked := time.Now()
	name, arn := stream.APINames()
	answer, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
	if err != nil {
		return time.Time{}, streamError(stream, err)
	}
	return serviceTime(answer.ResultMetadata, asked).UTC().Truncate(time.Millisecond), nil
}

func (a *app) writeReset(form *choice, d resetDocument) error {
	if form.value == asJSON {
		return a.writeJSON(d)
	}
	rows := make([][]string, len(d.Shards))
	for i, s := range d.Shards {
		rows[i] = []string{s.Shard, printable(textOrNone(s.Owner)), s.From, s.To}
	}
	if form.value == asTSV {
		return a.writeTSV(rows)
	}
	for i, s := range d.Shards {
		if s.Owner == nil {
			rows[i][1] = "-"
		}
	}
	if err := a.writeTable([]string{"SHARD", "OWNER", "FROM", "TO"}, rows,
		shortenMiddle("FROM", 20), shortenShards("SHARD"), shortenMiddle("OWNER", 12), shortenMiddle("TO", 20), shortenMiddle("OWNER", 8)); err != nil {
		return err
	}
	return a.tell("", d.ending())
}

// ending is the sentence below the table.
func (d resetDocument) ending() string {
	if d.DryRun {
		ending := "Nothing was changed; --yes does it."
		if d.held {
			ending += "\nWorkers hold shards of the group: while one is alive --yes is refused, unless --force is given."
		}
		return ending
	}
	finished := 0
	for _, s := range d.Shards {
		if s.wanted.IsShardEnd() {
			finished++
		}
	}
	ending := fmt.Sprintf("Group %s goes on from there in %s", d.Group, count(len(d.Shards)-finished, "shard"))
	if finished > 0 {
		ending += fmt.Sprintf(", and has finished %s", count(finished, "closed shard"))
	}
	return ending + "."
}
