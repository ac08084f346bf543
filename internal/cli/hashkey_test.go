package cli

import (
	"crypto/md5"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
)

func TestHashkeyTSVIsKeyMD5DecimalAndShardForAnyKey(t *testing.T) {
	t.Parallel()
	keys := []string{"a", "é", "é", "k5076", "漢字", "🙂 with spaces", "--dashes", "\u202eevil", "a\tb", strings.Repeat("🙂", 128)}
	args := append([]string{"hashkey", "--shards", "5", "--output", "tsv", "--"}, keys...)
	var want strings.Builder
	for _, key := range keys {
		digest := md5.Sum([]byte(key))
		hash := new(big.Int).SetBytes(digest[:])
		step := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(5))
		shard := min(new(big.Int).Div(hash, step).Int64(), 4)
		fmt.Fprintf(&want, "%s\t%s\t%s\tshardId-%012d\n", key, hex.EncodeToString(digest[:]), hash, shard)
	}
	if got := succeed(t, args...); got != want.String() {
		t.Errorf("kinetrail hashkey printed\n%s; want\n%s", got, want.String())
	}
}

func TestHashkeyAgreesWithTheRecordedAssignments(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/hashkey_vectors.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	vectors, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"hashkey", "--shards", "5", "-o", "json", "--"}
	for _, v := range vectors[1:] {
		args = append(args, v[0])
	}
	var got []hashedKey
	if err := json.Unmarshal([]byte(succeed(t, args...)), &got); err != nil {
		t.Fatal(err)
	}
	for i, v := range vectors[1:] {
		want := hashedKey{PartitionKey: v[0], MD5: v[1], HashKey: v[2], ShardID: "shardId-00000000000" + v[3]}
		if got[i] != want {
			t.Errorf("kinetrail hashkey %q = %+v; want %+v", v[0], got[i], want)
		}
	}
}

func TestHashkeyTableLinesUpWideCharacters(t *testing.T) {
	t.Parallel()
	golden(t, "hashkey.txt", succeed(t, "hashkey", "--shards", "5", "group-1", "漢字", "é", "tab\there"))
	golden(t, "hashkey_no_shards.txt", succeed(t, "hashkey", "group-1"))
}

func lines(text string) int { return strings.Count(text, "\n") }
