package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/spf13/cobra"
)

func (a *app) lagCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lag STREAM --group GROUP",
		Short: "Watch how far a group is behind, shard by shard",
		Long: `lag shows for each shard that a group is not through with: the worker that has it,
how old the oldest record is that the group has not checkpointed, how fast it
reads, and the time it has come to. The pace is stream time read in a second: 1.0x
keeps up, at 4.0x three minutes of lag are gone after one.

On a terminal it is a screen that goes on until Ctrl-C, with the furthest behind
first when there are more shards than lines; elsewhere a line for each shard at
every look, with -o json an object for each look. "kinetrail group lag" looks once.

Shards that the stream has and the group does not know yet, because no worker has
looked since a reshard, are listed as not started and count like all others.

A look costs two of the five calls a second that a shard serves, so --interval is
best not below a second. What a group has handled but not yet checkpointed counts
as lag: up to its checkpoint interval, 5 s by default.`,
		Example: `  kinetrail lag orders --group orders-app
  kinetrail lag orders --group orders-app --store dynamodb:
  kinetrail lag orders --group orders-app -o json --interval 30s`,
		Args: wantArgs(1, 1, "STREAM"),
	}
	var group groupName
	cmd.Flags().Var(&group, "group", "the `group` to watch")
	flags := addGroupFlags(cmd, "")
	interval := cmd.Flags().Duration("interval", 2*time.Second, "time between two looks")
	form := outputFlag(cmd, asTable, asJSON, asTSV)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if group == "" {
			return usageErrorf(cmd, "lag needs --group")
		}
		if *interval <= 0 {
			return usageErrorf(cmd, "--interval %v: it takes a time above 0", *interval)
		}
		flags.stream = args[0]
		return a.withGroup(cmd, string(group), flags, func(g *openedGroup) error {
			w, err := a.newLagWatch(cmd, g, flags)
			if err != nil {
				return err
			}
			return a.watchLag(cmd.Context(), w, *interval, form)
		})
	}
	return cmd
}

func (a *app) groupLagCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lag GROUP --stream STREAM",
		Short: "Look once how far a group is behind",
		Long: `lag shows for each shard that a group is not through with the worker that has it,
how old the oldest record is that the group has not checkpointed, and the time it
has come to. "kinetrail lag" goes on looking.

Shards that the stream has and the group does not know yet, because no worker has
looked since a reshard, are listed as not started and count like all others.

-o tsv prints shard, worker, milliseconds behind and the time, separated by tabs.`,
		Example: `  kinetrail group lag orders-app --stream orders
  kinetrail group lag orders-app --stream orders -o json --store dynamodb:`,
		Args:              wantArgs(1, 1, "GROUP"),
		ValidArgsFunction: a.completeGroups,
	}
	flags := addGroupFlags(cmd, "the `stream` the group reads")
	form := outputFlag(cmd, asTable, asJSON, asTSV)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if flags.stream == "" {
			return usageErrorf(cmd, "group lag needs --stream: the leases of a group over one stream do not name it")
		}
		return a.withGroup(cmd, args[0], flags, func(g *openedGroup) error {
			w, err := a.newLagWatch(cmd, g, flags)
			if err != nil {
				return err
			}
			return a.lagOnce(cmd.Context(), w, form)
		})
	}
	return cmd
}

// lagLook is what one look at a group has shown.
type lagLook struct {
	At       time.Time      `json:"at"`
	Group    string         `json:"group"`
	Stream   string         `json:"stream_name"`
	BehindMs int64          `json:"behind_ms"` // of the shard furthest behind, where it is known
	Finished int            `json:"finished_shards"`
	Shards   []laggingShard `json:"shards"`
	Trouble  string         `json:"trouble,omitempty"` // why this look shows what the last one did
}

// laggingShard is one shard in it.
type laggingShard struct {
	ShardID  string   `json:"shard_id"`
	Started  bool     `json:"started"` // false when the group has no lease for it yet
	Owner    *string  `json:"owner"`
	BehindMs *int64   `json:"behind_ms"` // null when it is not known
	Pace     *float64 `json:"pace"`      // null until it has moved between two looks
	UpTo     *string  `json:"up_to"`
	Problem  string   `json:"problem,omitempty"` // why the lag is not known

	key string
	at  time.Time // UpTo
}

// lagWatch looks at a group again and again.
type lagWatch struct {
	group  *openedGroup
	stream kinetrail.Stream
	meter  *lagMeter
	seen   []lagLook // the looks of the last paceWindow
}

// paceWindow is over how long a pace is measured: checkpoints are written every
// few seconds, and their times are whole seconds.
const paceWindow = 30 * time.Second

func (a *app) newLagWatch(cmd *cobra.Command, g *openedGroup, flags *groupFlags) (*lagWatch, error) {
	stream, _, err := flags.streamOf(cmd)
	if err != nil {
		return nil, err
	}
	meter, err := a.newLagMeter(cmd.Context(), stream)
	return &lagWatch{group: g, stream: stream, meter: meter}, err
}

// look asks the store and the stream.
func (w *lagWatch) look(ctx context.Context) (lagLook, error) {
	if err := w.group.refresh(ctx); err != nil {
		return lagLook{}, err
	}
	if err := w.group.onlyOf(w.stream); err != nil {
		return lagLook{}, err
	}
	look := lagLook{At: time.Now().UTC(), Group: w.group.name, Stream: w.stream.Name(), Shards: []laggingShard{}}
	started := slices.DeleteFunc(slices.Clone(w.group.leases), lease.Lease.Finished)
	look.Finished = len(w.group.leases) - len(started)
	fresh, err := w.meter.notStarted(ctx, w.group.leases)
	if err != nil {
		return lagLook{}, err
	}
	all := slices.Concat(started, fresh)
	lags, err := w.meter.measure(ctx, all)
	if err != nil {
		return lagLook{}, err
	}
	for i, l := range all {
		s := laggingShard{ShardID: l.ShardID, Started: i < len(started), Owner: textOrNull(l.Owner), key: l.Key}
		if lags[i].err != nil {
			s.Problem = lags[i].err.Error()
		} else {
			ms := lags[i].behind.Milliseconds()
			s.BehindMs = &ms
			look.BehindMs = max(look.BehindMs, ms)
		}
		if at, ok := upTo(l); ok && s.Started {
			s.at, s.UpTo = at, textOrNull(at.UTC().Format(time.RFC3339))
		}
		look.Shards = append(look.Shards, s)
	}
	w.pace(&look)
	return look, nil
}

// pace compares a look with the oldest within paceWindow, and keeps it.
func (w *lagWatch) pace(look *lagLook) {
	w.seen = slices.DeleteFunc(w.seen, func(old lagLook) bool { return look.At.Sub(old.At) > paceWindow })
	w.seen = append(w.seen, *look)
	before := w.seen[0]
	elapsed := look.At.Sub(before.At).Seconds()
	for i := range look.Shards {
		s := &look.Shards[i]
		j := slices.IndexFunc(before.Shards, func(old laggingShard) bool { return old.key == s.key })
		if s.BehindMs == nil || *s.BehindMs == 0 { // nothing to read: no pace to speak of
			continue
		}
		if j < 0 || s.at.IsZero() || before.Shards[j].at.IsZero() || elapsed == 0 {
			continue
		}
		pace := s.at.Sub(before.Shards[j].at).Seconds() / elapsed
		s.Pace = &pace
	}
}

func (a *app) lagOnce(ctx context.Context, w *lagWatch, form *choice) error {
	look, err := w.look(ctx)
	if err != nil {
		return err
	}
	return a.writeLag(form, look)
}

func (a *app) writeLag(form *choice, look lagLook) error {
	switch form.value {
	case asJSON:
		return a.writeJSON(look)
	case asTSV:
		return a.writeTSV(lagTSV(look))
	}
	if len(look.Shards) > 0 {
		if err := a.writeTable(lagHeader, lagRows(look),
			shortenMiddle("OWNER", 16), shortenShards("SHARD"), leaveOut("READ UP TO"), shortenEnd("BEHIND", 16), shortenMiddle("OWNER", 8)); err != nil {
			return err
		}
	}
	return a.tell("", lagSentence(look))
}

var lagHeader = []string{"SHARD", "OWNER", "BEHIND", "READ UP TO"}

func lagRows(look lagLook) [][]string {
	rows := make([][]string, len(look.Shards))
	for i, s := range look.Shards {
		rows[i] = []string{s.ShardID, s.ownerText(), s.behindText(), s.upToText()}
	}
	return rows
}

func lagTSV(look lagLook) [][]string {
	rows := make([][]string, len(look.Shards))
	for i, s := range look.Shards {
		behind := ""
		if s.BehindMs != nil {
			behind = fmt.Sprint(*s.BehindMs)
		}
		rows[i] = []string{s.ShardID, textOrNone(s.Owner), behind, textOrNone(s.UpTo)}
	}
	return rows
}

func (s *laggingShard) ownerText() string {
	switch {
	case !s.Started:
		return "(not started)"
	case s.Owner == nil:
		return "-"
	}
	return printable(*s.Owner)
}

func (s *laggingShard) behindText() string {
	if s.Problem != "" {
		return s.Problem
	}
	return behindText(s.BehindMs)
}

func (s *laggingShard) upToText() string {
	if s.UpTo == nil {
		return "nothing yet"
	}
	return *s.UpTo
}

func (s *laggingShard) paceText() string {
	if s.Pace == nil {
		return ""
	}
	return fmt.Sprintf("%.1fx", *s.Pace)
}

// lagSentence sums a look up.
func lagSentence(look lagLook) string {
	if look.Trouble != "" {
		return "Nothing new: " + look.Trouble
	}
	if len(look.Shards) == 0 {
		return fmt.Sprintf("Group %s has no shard of %s to read: %d are read to the end.", look.Group, look.Stream, look.Finished)
	}
	unknown, free, fresh := 0, 0, 0
	for _, s := range look.Shards {
		if s.Problem != "" {
			unknown++
		}
		switch {
		case !s.Started:
			fresh++
		case s.Owner == nil:
			free++
		}
	}
	parts := []string{fmt.Sprintf("Group %s is %s behind on %s", look.Group, ageText(time.Duration(look.BehindMs)*time.Millisecond), look.Stream)}
	if look.BehindMs == 0 {
		parts[0] = fmt.Sprintf("Group %s has caught up with %s", look.Group, look.Stream)
		if unknown > 0 {
			parts[0] += " as far as is known"
		}
	}
	if unknown > 0 {
		parts = append(parts, fmt.Sprintf("of %s the lag is not known", count(unknown, "shard")))
	}
	if free > 0 {
		parts = append(parts, fmt.Sprintf("%s without a worker", count(free, "shard")))
	}
	if fresh > 0 {
		parts = append(parts, fmt.Sprintf("%s not started", count(fresh, "shard")))
	}
	return strings.Join(parts, "; ") + "."
}
