package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/spf13/cobra"
)

// hashedKey is where a partition key goes.
type hashedKey struct {
	PartitionKey string `json:"partition_key"`
	MD5          string `json:"md5"`
	HashKey      string `json:"hash_key"`
	ShardID      string `json:"shard_id,omitempty"`
}

func (a *app) hashkeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hashkey KEY...",
		Short: "Show the hash key and the shard of partition keys",
		Long: `hashkey shows where Kinesis puts records with these partition keys: the MD5 of the
key, the same as the decimal number that ExplicitHashKey takes, and the shard
whose range holds it.

The shards are those of a new stream with --shards of them, or the open shards of
an existing --stream, which needs a connection. Without either, no shard is shown.

-o tsv prints key, MD5, hash key and shard, separated by tabs, the key as it is.`,
		Example: `  # Which of 5 shards does each group go to?
  kinetrail hashkey --shards 5 group-1 group-2 group-3

  # Where does a key go today, after splits and merges?
  kinetrail hashkey --stream orders customer-42

  # A key that begins with a dash
  kinetrail hashkey --shards 5 -- -odd-key`,
		Args: wantArgs(1, -1, "at least one KEY"),
	}
	var shards shardCount
	var stream string
	cmd.Flags().Var(&shards, "shards", "place the keys on a new stream with this many shards")
	cmd.Flags().StringVar(&stream, "stream", "", "place the keys on the open shards of this `stream`")
	form := outputFlag(cmd, asTable, asJSON, asTSV)
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		if err := oneOfFlags(cmd, "shards", "stream"); err != nil {
			return err
		}
		for _, key := range keys {
			if err := checkPartitionKey(key); err != nil {
				return usageErrorf(cmd, "%s: %w", abbreviate(key), err)
			}
		}
		placement, err := a.placement(cmd, int(shards), stream)
		if err != nil {
			return err
		}
		placed, err := placeKeys(placement, keys)
		if err != nil {
			return err
		}
		return a.writeHashedKeys(form, placed, placement != nil)
	}
	return cmd
}

// placement is the map of shards that the flags ask for, nil for none.
func (a *app) placement(cmd *cobra.Command, shards int, stream string) (*shardmap.Map, error) {
	switch {
	case shards > 0:
		return uniformShards(shards)
	case stream != "":
		return a.openShards(cmd.Context(), cmd, stream)
	}
	return nil, nil
}

// uniformShards are the shards of a new stream.
func uniformShards(n int) (*shardmap.Map, error) {
	shards := make([]shardmap.Shard, n)
	for i, hashKeys := range shardmap.Uniform(n) {
		shards[i] = shardmap.Shard{ID: shardID(i), Range: hashKeys}
	}
	return shardmap.New(shards)
}

func (a *app) openShards(ctx context.Context, cmd *cobra.Command, name string) (*shardmap.Map, error) {
	stream, err := streamArg(cmd, name)
	if err != nil {
		return nil, err
	}
	client, err := a.connection.client(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := listShards(ctx, client, stream)
	if err != nil {
		return nil, err
	}
	return mapOfShards(listed)
}

func placeKeys(placement *shardmap.Map, keys []string) ([]hashedKey, error) {
	placed := make([]hashedKey, len(keys))
	for i, key := range keys {
		hash := shardmap.HashKeyOf(key)
		placed[i] = hashedKey{
			PartitionKey: key,
			MD5:          fmt.Sprintf("%016x%016x", hash.Hi, hash.Lo),
			HashKey:      hash.String(),
		}
		if placement == nil {
			continue
		}
		shard, ok := placement.ShardFor(hash)
		if !ok {
			return nil, fmt.Errorf("no open shard of the stream owns the hash key of %s", abbreviate(key))
		}
		placed[i].ShardID = shard.ID
	}
	return placed, nil
}

func (a *app) writeHashedKeys(form *choice, keys []hashedKey, withShards bool) error {
	switch form.value {
	case asJSON:
		return a.writeJSON(keys)
	case asTSV:
		for _, k := range keys {
			if _, err := io.WriteString(a.stdout, k.PartitionKey+"\t"+k.MD5+"\t"+k.HashKey+"\t"+k.ShardID+"\n"); err != nil {
				return err
			}
		}
		return nil
	}
	header := []string{"KEY", "MD5", "HASH KEY"}
	if withShards {
		header = append(header, "SHARD")
	}
	rows := make([][]string, len(keys))
	for i, k := range keys {
		rows[i] = []string{printable(k.PartitionKey), k.MD5, k.HashKey, k.ShardID}[:len(header)]
	}
	return a.writeTable(header, rows, leaveOut("MD5"), shortenShards("SHARD"), shortenMiddle("KEY", 8))
}
