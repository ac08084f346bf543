package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/dynamolease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/lease/redislease"
	"github.com/spf13/cobra"
)

func (a *app) groupCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy GROUP [NEWGROUP]",
		Short: "Copy a group to another place or another name",
		Long: `copy carries a group's checkpoints to another place, --to-store, under its name or
another: how far it is in each shard, also inside a container, and which shard came
out of which. Workers that are started there go on from there. The group that is
copied stays as it is.

Stop its workers first: while any of either group is alive copy refuses. So it does
when the target has other checkpoints already, unless --replace is given. After an
interruption the same command goes on.`,
		Example: `  kinetrail group copy orders-app --to-store dynamodb: --dry-run
  kinetrail group copy orders-app --store redis://127.0.0.1:6379 --to-store dynamodb:
  kinetrail group copy orders-app orders-trial`,
		Args:              wantArgs(1, 2, "GROUP [NEWGROUP]"),
		ValidArgsFunction: a.completeGroups,
	}
	flags := addGroupFlags(cmd, "")
	target := new(storeFlag)
	cmd.Flags().Var(target, "to-store", "the `place` to copy to, as --store (default: the same)")
	completeStore(cmd, "to-store")
	options := addCopyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := groupArg(cmd, args[len(args)-1])
		if err != nil {
			return err
		}
		return a.withGroup(cmd, args[0], flags, func(g *openedGroup) error {
			if target.text == "" {
				if name == g.name {
					return usageErrorf(cmd, "group copy needs --to-store or NEWGROUP: a group cannot be copied onto itself")
				}
				target = &storeFlag{text: flags.store.text}
			}
			place, err := a.openStore(cmd.Context(), target)
			if err != nil {
				return err
			}
			defer place.close()
			if name == g.name && place.String() == g.place.String() {
				return usageErrorf(cmd, "group copy: %s is the place the group is in", place)
			}
			status := a.newStatusLine()
			defer status.clear()
			status.show("Looking for %v whether workers are alive", options.alive)
			copied, err := copyInto(cmd.Context(), place, name, options, func(into lease.Store) (lease.Copied, error) {
				return lease.Copy(cmd.Context(), g.Store, into, options.apply)
			})
			status.clear()
			if err != nil {
				return copyError(g.name, name, place, err)
			}
			return a.writeCopied(options, name, place, copied)
		})
	}
	return cmd
}

// copyFlags are those of copy and import.
type copyFlags struct {
	dryRun, replace bool
	alive           *time.Duration
	form            *choice
}

func addCopyFlags(cmd *cobra.Command) *copyFlags {
	flags := new(copyFlags)
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what would be written and write nothing")
	cmd.Flags().BoolVar(&flags.replace, "replace", false, "overwrite checkpoints the target has already")
	flags.alive = leaseDurationFlag(cmd)
	flags.form = outputFlag(cmd, asTable, asJSON, asTSV)
	return flags
}

func (f *copyFlags) apply(o *lease.CopyOptions) {
	o.DryRun, o.Replace, o.Watch = f.dryRun, f.replace, *f.alive
}

// copyInto lets write fill a group. A new group is filled in memory first, so that
// neither a dry run nor a copy that is refused makes one.
func copyInto(ctx context.Context, place groupStore, group string, flags *copyFlags, write func(into lease.Store) (lease.Copied, error)) (lease.Copied, error) {
	known, err := place.exists(ctx, group)
	if err != nil {
		return lease.Copied{}, err
	}
	if !known {
		copied, err := write(memlease.New())
		if err != nil || flags.dryRun {
			return copied, err
		}
		into, err := place.open(ctx, group)
		if err != nil {
			return lease.Copied{}, err
		}
		return lease.Import(ctx, copied.Created, into, flags.apply)
	}
	into, err := place.open(ctx, group)
	if err != nil {
		return lease.Copied{}, err
	}
	return write(into)
}

func copyError(source, target string, place groupStore, err error) error {
	if living, ok := errors.AsType[*lease.LivingError](err); ok {
		group := source
		if living.Group == "target" {
			group = target
		}
		return &hintedError{
			err:  fmt.Errorf("group %s has living workers: %s", group, strings.Join(living.Workers, ", ")),
			hint: "Stop them first, or both groups handle the same records.",
		}
	}
	if occupied, ok := errors.AsType[*lease.OccupiedError](err); ok {
		return &hintedError{
			err:  fmt.Errorf("group %s in %s has other checkpoints for %s already", target, place, count(len(occupied.Leases), "shard")),
			hint: "--replace overwrites them; --dry-run shows what it would write.",
		}
	}
	return &storeError{place, err}
}

// copiedLease is one shard of what was copied.
type copiedLease struct {
	Shard      string `json:"shard"`
	Checkpoint string `json:"checkpoint"`
	Result     string `json:"result"` // created, replaced or kept
}

// copiedDocument is the document of copy and import.
type copiedDocument struct {
	Group  string        `json:"group"`
	Store  string        `json:"store"`
	DryRun bool          `json:"dry_run"`
	Shards []copiedLease `json:"shards"`
}

func (a *app) writeCopied(flags *copyFlags, group string, place groupStore, copied lease.Copied) error {
	d := copiedDocument{Group: group, Store: place.String(), DryRun: flags.dryRun, Shards: []copiedLease{}}
	add := func(leases []lease.Lease, result string) {
		for _, l := range leases {
			d.Shards = append(d.Shards, copiedLease{Shard: shardOf(l), Checkpoint: placeOfLease(l), Result: result})
		}
	}
	add(copied.Created, "created")
	add(copied.Replaced, "replaced")
	add(copied.Kept, "there already")
	slices.SortFunc(d.Shards, func(a, b copiedLease) int { return strings.Compare(a.Shard, b.Shard) })
	if flags.form.value == asJSON {
		return a.writeJSON(d)
	}
	rows := make([][]string, len(d.Shards))
	for i, s := range d.Shards {
		rows[i] = []string{s.Shard, s.Result, s.Checkpoint}
	}
	if flags.form.value == asTSV {
		return a.writeTSV(rows)
	}
	if err := a.writeTable([]string{"SHARD", "RESULT", "CHECKPOINT"}, rows, shortenMiddle("CHECKPOINT", 20), shortenShards("SHARD")); err != nil {
		return err
	}
	ending := fmt.Sprintf("Group %s is in %s now, with %s.", group, place, count(len(rows), "shard"))
	if flags.dryRun {
		ending = fmt.Sprintf("Nothing was written; without --dry-run group %s would be in %s.", group, place)
	}
	return a.tell("", ending)
}

func (a *app) groupImportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import GROUP --from PLACE --name NAME --stream STREAM",
		Short: "Take over the checkpoints of async-kinesis for Python",
		Long: `import makes a group of what a Redis or DynamoDB checkpointer of async-kinesis has
kept under a name, so that Go workers go on where the Python ones ended. The
checkpoints there stay as they are. In DynamoDB their table is
kinesis-checkpoints-NAME, or that of --from dynamodb:TABLE.

Stop the Python workers first; import refuses while a shard is with one of them,
unless --force is given. async-kinesis counts records of the stream: when the last
one was a container, its records after the first are handled again.`,
		Example: `  kinetrail group import orders-app --from redis://127.0.0.1:6379 --name orders --stream orders
  kinetrail group import orders-app --from dynamodb: --name orders --stream orders --store dynamodb:`,
		Args: wantArgs(1, 1, "GROUP"),
	}
	store := addStoreFlag(cmd)
	var from storeFlag
	cmd.Flags().Var(&from, "from", "the `place` of the Python checkpoints: redis:// or dynamodb:")
	completeStore(cmd, "from")
	name := cmd.Flags().String("name", "", "the `name` of the Python checkpointer")
	streamText := cmd.Flags().String("stream", "", "the `stream` they are for")
	force := cmd.Flags().Bool("force", false, "import also what Python workers have not given up")
	options := addCopyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		group, err := groupArg(cmd, args[0])
		if err != nil {
			return err
		}
		if from.text == "" || *name == "" || *streamText == "" {
			return usageErrorf(cmd, "group import needs --from, --name and --stream")
		}
		source, err := a.openPlace(cmd.Context(), from.text)
		if err != nil {
			return err
		}
		defer source.close()
		shards, err := a.shardIDs(cmd, *streamText)
		if err != nil {
			return err
		}
		leases, err := readAsyncKinesis(cmd, source, *name, shards)
		if err != nil {
			return err
		}
		if err := refuseImport(leases, source, *name, *force); err != nil {
			return err
		}
		place, err := a.openStore(cmd.Context(), store)
		if err != nil {
			return err
		}
		defer place.close()
		copied, err := copyInto(cmd.Context(), place, group, options, func(into lease.Store) (lease.Copied, error) {
			return lease.Import(cmd.Context(), leases, into, options.apply)
		})
		if err != nil {
			return copyError(*name, group, place, err)
		}
		return a.writeCopied(options, group, place, copied)
	}
	return cmd
}

// shardIDs are those of all shards of a stream.
func (a *app) shardIDs(cmd *cobra.Command, streamText string) ([]string, error) {
	stream, err := streamArg(cmd, streamText)
	if err != nil {
		return nil, err
	}
	client, err := a.connection.client(cmd.Context())
	if err != nil {
		return nil, err
	}
	shards, err := listShards(cmd.Context(), client, stream)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(shards))
	for i, shard := range shards {
		ids[i] = aws.ToString(shard.ShardId)
	}
	return ids, nil
}

// asyncKinesisTable begins the name of a table of async-kinesis.
const asyncKinesisTable = "kinesis-checkpoints-"

// readAsyncKinesis reads what a Python checkpointer has kept, of the stream's
// shards.
func readAsyncKinesis(cmd *cobra.Command, source groupStore, name string, shards []string) ([]lease.Lease, error) {
	var leases []lease.Lease
	var err error
	switch source := source.(type) {
	case *redisStore:
		leases, err = redislease.ReadAsyncKinesis(cmd.Context(), source.client, name, shards)
	case *dynamoStore:
		table := source.table
		if table == "" {
			table = asyncKinesisTable + name
		}
		leases, err = dynamolease.ReadAsyncKinesis(cmd.Context(), source.client, table)
		leases = slices.DeleteFunc(leases, func(l lease.Lease) bool { return !slices.Contains(shards, l.ShardID) })
	default:
		return nil, usageErrorf(cmd, "--from %s: async-kinesis keeps checkpoints in Redis or DynamoDB", source)
	}
	if err != nil {
		return nil, &storeError{source, err}
	}
	return leases, nil
}

func refuseImport(leases []lease.Lease, source groupStore, name string, force bool) error {
	if len(leases) == 0 {
		return fmt.Errorf("in %s there are no checkpoints of %q for shards of the stream", source, name)
	}
	for _, l := range leases {
		if l.Owner != "" && !force {
			return &hintedError{
				err:  fmt.Errorf("the Python worker %s has not given up %s", abbreviate(l.Owner), l.ShardID),
				hint: "Stop the Python workers first; after a crash, --force imports all the same.",
			}
		}
	}
	return nil
}
