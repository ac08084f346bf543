package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/spf13/cobra"
)

// describedGroup is the document of group describe.
type describedGroup struct {
	listedGroup
	Store  string           `json:"store"`
	Leases []describedLease `json:"leases"`

	// NotStarted are shards of the stream without a lease that the group is to
	// read; null when nobody has asked the stream.
	NotStarted []string `json:"not_started"`
}

type describedLease struct {
	Key        string   `json:"key"`
	Stream     string   `json:"stream,omitempty"`
	ShardID    string   `json:"shard_id"`
	Owner      *string  `json:"owner"`
	Successor  *string  `json:"successor"`
	Counter    int64    `json:"counter"`
	Renewed    *bool    `json:"renewed"` // null when nobody has looked
	Checkpoint string   `json:"checkpoint"`
	Start      *string  `json:"start"`
	UpTo       *string  `json:"up_to"`
	Parents    []string `json:"parents"`
	Children   []string `json:"children"`
	WaitingFor []string `json:"waiting_for"`
	BehindMs   *int64   `json:"behind_ms"` // null when nobody has asked, or it is not known
}

func (a *app) groupDescribeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe GROUP",
		Short: "Show a group's leases: owners, checkpoints, parents",
		Long: `describe shows every lease of a group: the worker that has it, the row's counter,
the time up to which the shard is read, the parents it waits for, and its
checkpoint. A checkpoint is the last record that is done, as sequence number and,
inside a container, /number.

A lease names its owner also when that was killed. --watch looks twice, so long
apart, and says which leases were renewed in between; workers renew every third
of their lease duration, which is 10 s unless they were told otherwise. --stream
asks the stream how far behind each shard is, and names those of its shards that
the group is to read and does not know yet.

-o tsv prints key, owner, counter, checkpoint and parents, separated by tabs.`,
		Example: `  kinetrail group describe orders-app
  kinetrail group describe orders-app --watch 4s --store redis://127.0.0.1:6379
  kinetrail group describe orders-app --stream orders -o json`,
		Args:              wantArgs(1, 1, "GROUP"),
		ValidArgsFunction: a.completeGroups,
	}
	flags := addGroupFlags(cmd, "ask this `stream` how far behind the group is")
	watch := cmd.Flags().Duration("watch", 0, "look again after this time, and say which leases were renewed")
	form := outputFlag(cmd, asTable, asJSON, asTSV)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *watch < 0 {
			return usageErrorf(cmd, "--watch %v: it takes a time from 0", *watch)
		}
		return a.withGroup(cmd, args[0], flags, func(g *openedGroup) error {
			described, err := a.describeGroup(cmd, g, flags, *watch)
			if err != nil {
				return err
			}
			return a.writeGroup(form, described)
		})
	}
	return cmd
}

func (a *app) describeGroup(cmd *cobra.Command, g *openedGroup, flags *groupFlags, watch time.Duration) (describedGroup, error) {
	before := countersOf(g.leases)
	stream, hasStream, err := flags.streamOf(cmd)
	if err != nil {
		return describedGroup{}, err
	}
	if watch > 0 {
		if err := a.lookAgain(cmd.Context(), g, watch); err != nil {
			return describedGroup{}, err
		}
		if hasStream {
			if err := g.onlyOf(stream); err != nil {
				return describedGroup{}, err
			}
		}
	}
	described := describedGroup{listedGroup: listGroup(g.name, g.leases), Store: g.place.String(), Leases: []describedLease{}}
	for _, l := range g.leases {
		d := describeLease(l, g.leases)
		if counter, seen := before[l.Key]; watch > 0 && seen {
			renewed := counter != l.Counter
			d.Renewed = &renewed
		}
		described.Leases = append(described.Leases, d)
	}
	if !hasStream {
		return described, nil
	}
	meter, err := a.newLagMeter(cmd.Context(), stream)
	if err != nil {
		return describedGroup{}, err
	}
	fresh, err := meter.notStarted(cmd.Context(), g.leases)
	if err != nil {
		return describedGroup{}, err
	}
	described.NotStarted = []string{}
	for _, l := range fresh {
		described.NotStarted = append(described.NotStarted, l.ShardID)
	}
	lags, err := meter.measure(cmd.Context(), g.leases)
	if err != nil {
		return describedGroup{}, err
	}
	for i, lag := range lags {
		if lag.err == nil {
			ms := lag.behind.Milliseconds()
			described.Leases[i].BehindMs = &ms
		}
	}
	return described, nil
}

func (a *app) lookAgain(ctx context.Context, g *openedGroup, after time.Duration) error {
	status := a.newStatusLine()
	defer status.clear()
	status.show("Watching group %s for %v", g.name, after)
	if err := wait(ctx, after); err != nil {
		return err
	}
	return g.refresh(ctx)
}

func countersOf(leases []lease.Lease) map[string]int64 {
	counters := make(map[string]int64, len(leases))
	for _, l := range leases {
		counters[l.Key] = l.Counter
	}
	return counters
}

func describeLease(l lease.Lease, all []lease.Lease) describedLease {
	d := describedLease{
		Key: l.Key, Stream: l.Stream, ShardID: l.ShardID,
		Owner: textOrNull(l.Owner), Successor: textOrNull(l.Successor), Counter: l.Counter,
		Checkpoint: l.Checkpoint.String(), Start: textOrNull(l.Start.String()),
		Parents: append([]string{}, l.Parents...), Children: append([]string{}, l.Children...), WaitingFor: []string{},
	}
	if at, ok := upTo(l); ok {
		d.UpTo = textOrNull(at.UTC().Format(time.RFC3339))
	}
	if l.Finished() {
		return d
	}
	for _, other := range all {
		if other.Stream == l.Stream && slices.Contains(l.Parents, other.ShardID) && !other.Finished() {
			d.WaitingFor = append(d.WaitingFor, other.ShardID)
		}
	}
	return d
}

func (a *app) writeGroup(form *choice, g describedGroup) error {
	switch form.value {
	case asJSON:
		return a.writeJSON(g)
	case asTSV:
		rows := make([][]string, len(g.Leases))
		for i, l := range g.Leases {
			rows[i] = []string{l.Key, textOrNone(l.Owner), fmt.Sprint(l.Counter), l.Checkpoint, strings.Join(l.Parents, " ")}
		}
		return a.writeTSV(rows)
	}
	err := a.writeFacts([]fact{
		{"Group", g.Name},
		{"Kept in", g.Store},
		{"Shards", fmt.Sprintf("%d, %d finished, %d without a worker", g.Shards, g.Finished, g.Free)},
		{"Workers", strings.Join(g.Workers, " ")},
		{"Not started", notStartedText(g.NotStarted)},
	})
	if err != nil || len(g.Leases) == 0 {
		return err
	}
	fmt.Fprintln(a.stdout)
	header, rows := groupTable(g)
	return a.writeTable(header, rows, shortenMiddle("CHECKPOINT", 24), leaveOut("PARENTS"), shortenMiddle("OWNER", 20), shortenShards("SHARD"),
		leaveOut("CHECKPOINT"), leaveOut("COUNTER"), shortenMiddle("OWNER", 8))
}

// notStartedText names the shards, unless there are so many that they would hide
// the rest; group lag lists them all.
func notStartedText(shards []string) string {
	const most = 4
	if len(shards) > most {
		return count(len(shards), "shard")
	}
	return strings.Join(shards, " ")
}

// groupTable has the columns that there is something to say in.
func groupTable(g describedGroup) (header []string, rows [][]string) {
	columns := []struct {
		name   string
		always bool
		cell   func(describedLease) string
	}{
		{"SHARD", true, func(l describedLease) string {
			if l.Stream != "" {
				return streamNameOf(l.Stream) + ":" + l.ShardID
			}
			return l.ShardID
		}},
		{"OWNER", true, func(l describedLease) string { return ownerText(l) }},
		{"COUNTER", true, func(l describedLease) string { return fmt.Sprint(l.Counter) }},
		{"RENEWED", false, func(l describedLease) string { return renewedText(l) }},
		{"BEHIND", false, func(l describedLease) string { return behindText(l.BehindMs) }},
		{"READ UP TO", true, func(l describedLease) string { return l.upToText() }},
		{"WAITS FOR", false, func(l describedLease) string { return shardEnds(l.WaitingFor) }},
		{"PARENTS", false, func(l describedLease) string { return shardEnds(l.Parents) }},
		{"CHECKPOINT", true, func(l describedLease) string { return l.Checkpoint }},
	}
	rows = make([][]string, len(g.Leases))
	for _, column := range columns {
		some := column.always
		for _, l := range g.Leases {
			some = some || column.cell(l) != ""
		}
		if !some {
			continue
		}
		header = append(header, column.name)
		for i, l := range g.Leases {
			rows[i] = append(rows[i], column.cell(l))
		}
	}
	return header, rows
}

// shardEnds names shards by their last digits, as one reads them.
func shardEnds(ids []string) string {
	short := make([]string, len(ids))
	for i, id := range ids {
		short[i] = shardEnd(id)
	}
	return strings.Join(short, " ")
}

func ownerText(l describedLease) string {
	owner := printable(textOrNone(l.Owner))
	if l.Successor != nil {
		owner += " → " + printable(*l.Successor)
	}
	if owner == "" {
		return "-"
	}
	return owner
}

func renewedText(l describedLease) string {
	switch {
	case l.Renewed == nil || l.Owner == nil:
		return ""
	case *l.Renewed:
		return "yes"
	}
	return "no"
}

func (l describedLease) upToText() string {
	switch {
	case l.Checkpoint == "SHARD_END":
		return "the end"
	case l.UpTo != nil:
		return *l.UpTo
	}
	return "nothing yet"
}

// completeGroups lets the shell complete the name of a group.
func (a *app) completeGroups(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, ok := cmd.Flags().Lookup("store").Value.(*storeFlag)
	if !ok || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), dialTimeout)
	defer cancel()
	place, err := a.openStore(ctx, store)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer place.close()
	names, _ := place.groups(ctx) // a shell wants no explanation
	return names, cobra.ShellCompDirectiveNoFileComp
}
