package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/spf13/cobra"
)

func (a *app) groupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Look after consumer groups, wherever they are kept",
		Long: `group shows and changes the leases of consumer groups: who reads which shard, and
how far. It works wherever groups are kept, without their workers' help:

  file:DIR                in files on this machine, NAME.leases in DIR; file: alone
                          is a directory of yours and the default
  redis://HOST:PORT/DB    in Redis or Valkey; rediss:// with TLS, ?cluster=true for
                          a cluster
  dynamodb:               in DynamoDB, in a table of the group's name, as the KCL
                          does; dynamodb:TABLE names another, and behind a ? there
                          may be region=REGION&endpoint=URL

--store names the place; the variable KINETRAIL_STORE is its default, which keeps
passwords out of ps. What a command changes it changes row by row and only if the
row is still as it was seen: a worker that has lost a lease can write no position.`,
		Example: `  kinetrail group list
  kinetrail group describe orders-app --store redis://127.0.0.1:6379
  kinetrail group lag orders-app --stream orders --store dynamodb:
  kinetrail group reset orders-app --to 2h`,
		Args: wantArgs(0, -1, ""),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return noCommand(cmd, args[0])
	}
	cmd.AddCommand(
		a.groupListCommand(),
		a.groupDescribeCommand(),
		a.groupLagCommand(),
		a.groupResetCommand(),
		a.groupMoveCommand(),
		a.groupReleaseCommand(),
		a.groupCopyCommand(),
		a.groupImportCommand(),
	)
	return cmd
}

// listedGroup is one line of group list.
type listedGroup struct {
	Name     string   `json:"group"`
	Shards   int      `json:"shards"`
	Finished int      `json:"finished"`
	Free     int      `json:"free"`
	Workers  []string `json:"workers"`
}

func (a *app) groupListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the groups and their workers",
		Long: `list shows the groups that are kept in a place: their shards, how many of them are
read to the end or have no worker, and the workers that hold the others. A worker
that was killed stands there until its leases are taken.

-o tsv prints name, shards, finished, free and workers, separated by tabs.`,
		Example: `  kinetrail group list
  kinetrail group list --store dynamodb: -o json`,
		Args: wantArgs(0, 0, ""),
	}
	store := addStoreFlag(cmd)
	form := outputFlag(cmd, asTable, asJSON, asTSV)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		place, err := a.openStore(cmd.Context(), store)
		if err != nil {
			return err
		}
		defer place.close()
		groups, err := listGroups(cmd.Context(), place)
		if err != nil {
			return err
		}
		return a.writeGroups(form, place, groups)
	}
	return cmd
}

func listGroups(ctx context.Context, place groupStore) ([]listedGroup, error) {
	names, err := place.groups(ctx)
	if err != nil {
		return nil, &storeError{place, err}
	}
	groups := []listedGroup{}
	for _, name := range names {
		store, err := makeGroup(ctx, place, name)
		if err != nil {
			return nil, err
		}
		leases, err := store.List(ctx)
		if err != nil {
			return nil, &storeError{place, err}
		}
		groups = append(groups, listGroup(name, leases))
	}
	return groups, nil
}

func listGroup(name string, leases []lease.Lease) listedGroup {
	g := listedGroup{Name: name, Shards: len(leases), Workers: []string{}}
	for _, l := range leases {
		switch {
		case l.Finished():
			g.Finished++
		case l.Owner == "":
			g.Free++
		default:
			g.Workers = append(g.Workers, l.Owner)
		}
	}
	slices.Sort(g.Workers)
	g.Workers = slices.Compact(g.Workers)
	return g
}

func (a *app) writeGroups(form *choice, place groupStore, groups []listedGroup) error {
	if form.value == asJSON {
		return a.writeJSON(groups)
	}
	rows := make([][]string, len(groups))
	for i, g := range groups {
		rows[i] = []string{g.Name, fmt.Sprint(g.Shards), fmt.Sprint(g.Finished), fmt.Sprint(g.Free), printable(strings.Join(g.Workers, " "))}
	}
	if form.value == asTSV {
		return a.writeTSV(rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintf(a.stdout, "There are no groups in %s.\n", place)
		return err
	}
	return a.writeTable([]string{"GROUP", "SHARDS", "FINISHED", "FREE", "WORKERS"}, rows,
		shortenEnd("WORKERS", 20), leaveOut("FINISHED"), shortenMiddle("GROUP", 12))
}

// writeTSV writes rows separated by tabs.
func (a *app) writeTSV(rows [][]string) error {
	for _, row := range rows {
		if _, err := io.WriteString(a.stdout, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// groupFlags are what the commands for one group have in common.
type groupFlags struct {
	store  *storeFlag
	stream string
}

// addGroupFlags gives a command the flags for one group.
func addGroupFlags(cmd *cobra.Command, streamUsage string) *groupFlags {
	flags := &groupFlags{store: addStoreFlag(cmd)}
	if streamUsage != "" {
		cmd.Flags().StringVar(&flags.stream, "stream", "", streamUsage)
	}
	return flags
}

// leaseDurationFlag is how long a worker may be silent and alive.
func leaseDurationFlag(cmd *cobra.Command) *time.Duration {
	const ofConsumers = 10 * time.Second // consumer.Options.LeaseDuration
	return cmd.Flags().Duration("lease-duration", ofConsumers, "the group's LeaseDuration: who is silent for so long is dead")
}

// streamOf reads --stream; ok is false when it was not given.
func (f *groupFlags) streamOf(cmd *cobra.Command) (stream kinetrail.Stream, ok bool, err error) {
	if f.stream == "" {
		return kinetrail.Stream{}, false, nil
	}
	stream, err = streamArg(cmd, f.stream)
	return stream, err == nil, err
}

// openedGroup is a group that a command works on.
type openedGroup struct {
	lease.Store
	name   string
	place  groupStore
	leases []lease.Lease // in the order of their keys
}

// withGroup opens the group named by an argument, lists its leases and works on
// it. With a stream, the leases are those of the stream.
func (a *app) withGroup(cmd *cobra.Command, arg string, flags *groupFlags, work func(*openedGroup) error) error {
	name, err := groupArg(cmd, arg)
	if err != nil {
		return err
	}
	stream, hasStream, err := flags.streamOf(cmd)
	if err != nil {
		return err
	}
	place, err := a.openStore(cmd.Context(), flags.store)
	if err != nil {
		return err
	}
	defer place.close()
	store, err := openGroup(cmd.Context(), place, name)
	if err != nil {
		return err
	}
	g := &openedGroup{Store: store, name: name, place: place}
	if err := g.refresh(cmd.Context()); err != nil {
		return err
	}
	if hasStream {
		if err := g.onlyOf(stream); err != nil {
			return err
		}
	}
	return work(g)
}

func (g *openedGroup) refresh(ctx context.Context) error {
	leases, err := g.List(ctx)
	if err != nil {
		return &storeError{g.place, err}
	}
	slices.SortFunc(leases, func(a, b lease.Lease) int { return strings.Compare(a.Key, b.Key) })
	g.leases = leases
	return nil
}

// onlyOf leaves out the leases of other streams, in a group over several.
func (g *openedGroup) onlyOf(stream kinetrail.Stream) error {
	all := len(g.leases)
	g.leases = slices.DeleteFunc(g.leases, func(l lease.Lease) bool { return l.Stream != "" && streamNameOf(l.Stream) != stream.Name() })
	if all > 0 && len(g.leases) == 0 {
		return fmt.Errorf("group %s does not read stream %q", g.name, stream)
	}
	return nil
}

// streamNameOf is the name in Lease.Stream: account:name:creation.
func streamNameOf(identifier string) string {
	_, rest, _ := strings.Cut(identifier, ":")
	name, _, _ := strings.Cut(rest, ":")
	return name
}

// lease finds the row of a shard, by its ID or, in a group over several streams,
// by its key.
func (g *openedGroup) lease(shard string) (lease.Lease, error) {
	var found []lease.Lease
	for _, l := range g.leases {
		if l.Key == shard {
			return l, nil
		}
		if l.ShardID == shard {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return lease.Lease{}, &hintedError{
			err:  fmt.Errorf("group %s has no lease for shard %q", g.name, shard),
			hint: fmt.Sprintf("\"kinetrail group describe %s\" shows its shards.", g.name),
		}
	}
	return lease.Lease{}, &hintedError{
		err:  fmt.Errorf("group %s reads several streams with a shard %q", g.name, shard),
		hint: "Name one with --stream.",
	}
}

// wrap names the place in an error of the store.
func (g *openedGroup) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &storeError{g.place, err}
}

// shardOf is how a lease is named in a table: by its shard, and in a group over
// several streams by the stream too.
func shardOf(l lease.Lease) string {
	if l.Stream != "" {
		return streamNameOf(l.Stream) + ":" + l.ShardID
	}
	return l.ShardID
}

// placeOfLease is where a group is in a shard, in words.
func placeOfLease(l lease.Lease) string { return placeText(l.Checkpoint, l.Start) }

func placeText(checkpoint, start kinetrail.Position) string {
	if start.IsZero() {
		start = checkpoint
	}
	since, isTime := start.Time()
	switch {
	case checkpoint.IsShardEnd():
		return "end of the shard"
	case checkpoint.IsRecord() && checkpoint.Sub() == math.MaxInt32: // all there may be in a container, from async-kinesis
		return checkpoint.Sequence()
	case checkpoint.IsRecord():
		return checkpoint.String()
	case isTime:
		return since.Format(arrivalLayout)
	case start.IsTrimHorizon():
		return "trim-horizon"
	case start.IsLatest():
		return "latest"
	}
	return start.String()
}

// upTo is the time up to which a shard is read, as far as its checkpoint tells:
// Kinesis writes it into sequence numbers.
func upTo(l lease.Lease) (time.Time, bool) {
	if l.Checkpoint.IsRecord() {
		number, err := sequence.Parse(l.Checkpoint.Sequence())
		return number.At(), err == nil
	}
	if at, ok := l.Start.Time(); ok {
		return at, true
	}
	return l.Checkpoint.Time()
}
