package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/spf13/cobra"
)

// describedStream is the document of describe.
type describedStream struct {
	listedStream
	RetentionHours int32            `json:"retention_hours"`
	MaxRecordKiB   int32            `json:"max_record_kib,omitempty"`
	Encryption     string           `json:"encryption"`
	Consumers      int32            `json:"consumers"`
	Shards         []describedShard `json:"shards"`
}

type describedShard struct {
	ID               string  `json:"shard_id"`
	Open             bool    `json:"open"`
	FirstHashKey     string  `json:"first_hash_key"`
	LastHashKey      string  `json:"last_hash_key"`
	ParentID         *string `json:"parent_shard_id"`
	AdjacentParentID *string `json:"adjacent_parent_shard_id"`
	StartingSequence *string `json:"starting_sequence_number"`
	EndingSequence   *string `json:"ending_sequence_number"`
}

func (a *app) describeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe STREAM",
		Short: "Show a stream's shards, their ranges and where they came from",
		Long: `describe shows a stream: its settings, its shards with the part of the hash key
space that each owns drawn as a bar, and, once shards were split or merged, which
came out of which. A closed shard takes no more records but can still be read.`,
		Example: `  kinetrail --local describe orders
  kinetrail describe arn:aws:kinesis:eu-west-1:123456789012:stream/orders
  kinetrail describe orders -o json`,
		Args: wantArgs(1, 1, "STREAM"),
	}
	form := outputFlag(cmd, asTable, asJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		stream, err := streamArg(cmd, args[0])
		if err != nil {
			return err
		}
		client, err := a.connection.client(cmd.Context())
		if err != nil {
			return err
		}
		described, shards, err := describeStream(cmd.Context(), client, stream)
		if err != nil {
			return err
		}
		if form.value == asJSON {
			return a.writeJSON(described)
		}
		return a.writeDescription(described, shards)
	}
	return cmd
}

func describeStream(ctx context.Context, client *kinesis.Client, stream kinetrail.Stream) (describedStream, *shardmap.Map, error) {
	name, arn := stream.APINames()
	answer, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
	if err != nil {
		return describedStream{}, nil, streamError(stream, err)
	}
	listed, err := listShards(ctx, client, stream)
	if err != nil {
		return describedStream{}, nil, err
	}
	shards, err := mapOfShards(listed)
	if err != nil {
		return describedStream{}, nil, err
	}
	summary := answer.StreamDescriptionSummary
	if summary == nil {
		return describedStream{}, nil, fmt.Errorf("describe stream %s: the answer is empty", stream)
	}
	described := describedStream{
		listedStream: listedStream{
			Name:      aws.ToString(summary.StreamName),
			ARN:       aws.ToString(summary.StreamARN),
			Status:    string(summary.StreamStatus),
			Mode:      modeOf(summary.StreamModeDetails),
			CreatedAt: summary.StreamCreationTimestamp,
		},
		RetentionHours: aws.ToInt32(summary.RetentionPeriodHours),
		MaxRecordKiB:   aws.ToInt32(summary.MaxRecordSizeInKiB),
		Encryption:     string(summary.EncryptionType),
		Consumers:      aws.ToInt32(summary.ConsumerCount),
		Shards:         make([]describedShard, len(listed)),
	}
	for i, shard := range listed {
		described.Shards[i] = describeShard(shard)
	}
	return described, shards, nil
}

func describeShard(shard types.Shard) describedShard {
	d := describedShard{
		ID:               aws.ToString(shard.ShardId),
		Open:             !isClosed(shard),
		FirstHashKey:     aws.ToString(shard.HashKeyRange.StartingHashKey),
		LastHashKey:      aws.ToString(shard.HashKeyRange.EndingHashKey),
		ParentID:         shard.ParentShardId,
		AdjacentParentID: shard.AdjacentParentShardId,
	}
	if numbers := shard.SequenceNumberRange; numbers != nil {
		d.StartingSequence, d.EndingSequence = numbers.StartingSequenceNumber, numbers.EndingSequenceNumber
	}
	return d
}

func (a *app) writeDescription(stream describedStream, shards *shardmap.Map) error {
	open := len(shards.Open())
	facts := []fact{
		{"Stream", stream.Name},
		{"ARN", stream.ARN},
		{"Status", stream.Status},
		{"Mode", stream.Mode},
		{"Shards", fmt.Sprintf("%d open, %d closed", open, len(stream.Shards)-open)},
		{"Retention", fmt.Sprintf("%d h", stream.RetentionHours)},
		{"Encryption", strings.ToLower(stream.Encryption)},
		{"Consumers", fmt.Sprint(stream.Consumers)},
		{"Created", wallTime(stream.CreatedAt)},
	}
	if err := a.writeFacts(facts); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout)
	rows := make([][]string, len(stream.Shards))
	for i, shard := range shards.Shards() {
		rows[i] = []string{shard.ID, a.shardState(shard), rangeBar(shard.Range), shard.Range.Start.String(), shard.Range.End.String()}
	}
	header := []string{"SHARD", "STATE", "HASH KEYS", "FIRST", "LAST"}
	if err := a.writeTable(header, rows, leaveOut("LAST"), leaveOut("FIRST"), shortenShards("SHARD")); err != nil {
		return err
	}
	return a.writeLineage(shards)
}

func (a *app) shardState(shard shardmap.Shard) string {
	if shard.Closed {
		return a.paint.faint("closed")
	}
	return a.paint.green("open")
}

// barWidth is the number of characters that stand for the whole hash key space.
const barWidth = 32

// rangeBar draws which part of the hash key space a shard owns. Neighbours
// share no character and leave none empty, but even the smallest range gets one.
func rangeBar(r shardmap.Range) string {
	from := int(math.Round(placeOf(r.Start) * barWidth))
	to := barWidth
	if r.End != shardmap.MaxHashKey {
		to = int(math.Round(placeOf(r.End.Next()) * barWidth))
	}
	if to <= from {
		from = min(from, barWidth-1)
		to = from + 1
	}
	return strings.Repeat("·", from) + strings.Repeat("█", to-from) + strings.Repeat("·", barWidth-to)
}

// placeOf is where a hash key lies in the hash key space, from 0 to 1.
func placeOf(key shardmap.HashKey) float64 {
	return float64(key.Hi) / (1 << 64)
}

// writeLineage draws which shard came out of which. It is silent while no shard
// has been split or merged.
func (a *app) writeLineage(shards *shardmap.Map) error {
	hasParents := func(s shardmap.Shard) bool { return len(s.Parents()) > 0 }
	if !slices.ContainsFunc(shards.Shards(), hasParents) {
		return nil
	}
	tree := a.drawLineage(shards, func(id string) string { return id })
	tooWide := func(line string) bool { return a.width > 0 && displayWidth(line) > a.width }
	if slices.ContainsFunc(strings.Split(tree, "\n"), tooWide) {
		tree = a.drawLineage(shards, shardEnd)
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s\n%s", a.paint.bold("LINEAGE"), tree)
	return err
}

func (a *app) drawLineage(shards *shardmap.Map, name func(id string) string) string {
	tree := lineage{app: a, shards: shards, name: name, drawn: make(map[string]bool)}
	for _, shard := range shards.Shards() {
		if len(shards.Ancestors(shard.ID)) == 0 {
			tree.draw(shard, "", "")
		}
	}
	return tree.text.String()
}

// lineage draws a forest of shards. A shard that two others were merged into
// hangs below both and is drawn out below the first.
type lineage struct {
	app    *app
	shards *shardmap.Map
	name   func(id string) string // how a shard is named
	drawn  map[string]bool
	text   strings.Builder
}

func (l *lineage) draw(shard shardmap.Shard, branch, indent string) {
	fmt.Fprintf(&l.text, "%s%s  ", branch, l.name(shard.ID))
	if l.drawn[shard.ID] {
		l.text.WriteString(l.app.paint.faint("see above") + "\n")
		return
	}
	l.drawn[shard.ID] = true
	l.text.WriteString(l.app.shardState(shard) + l.originOf(shard) + "\n")
	children := l.shards.Children(shard.ID)
	for i, id := range children {
		child, _ := l.shards.Shard(id) // Children names listed shards only
		if i < len(children)-1 {
			l.draw(child, indent+"├─ ", indent+"│  ")
		} else {
			l.draw(child, indent+"└─ ", indent+"   ")
		}
	}
}

// originOf says of a shard what its place in the tree does not: the second
// parent of a merge, and parents whose records have expired.
func (l *lineage) originOf(shard shardmap.Shard) string {
	parents := shard.Parents()
	if len(parents) == 2 {
		return fmt.Sprintf(", merged from %s and %s", l.name(parents[0]), l.name(parents[1]))
	}
	if len(parents) == 1 {
		if _, listed := l.shards.Shard(parents[0]); !listed {
			return fmt.Sprintf(", from %s, which has expired", l.name(parents[0]))
		}
	}
	return ""
}
