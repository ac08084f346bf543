package shardmap_test

import (
	"crypto/md5"
	"math/big"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/shardmap"
)

// Results go to variables of the package, so that the compiler cannot leave
// the work out.
var (
	sinkKey    shardmap.HashKey
	sinkShard  shardmap.Shard
	sinkBytes  []byte
	sinkDigest [md5.Size]byte
	sinkText   string
)

const benchKey = "0123456789abcdef"

func TestTheWayOfARecordAllocatesNothing(t *testing.T) {
	m := uniformMap(t, 1000)
	overlapping, _ := shardmap.New(append(uniformShards(2), shardmap.Shard{ID: "wide", Range: shardmap.FullRange}))
	longKey := strings.Repeat("ö", 128) // 256 bytes
	buf := make([]byte, 0, shardmap.MaxHashKeyDigits)
	decimal := shardmap.MaxHashKey.String()

	costs := map[string]func(){
		"HashKeyOf":                      func() { sinkKey = shardmap.HashKeyOf(benchKey) },
		"HashKeyOf a long key":           func() { sinkKey = shardmap.HashKeyOf(longKey) },
		"HashKeyOf an empty key":         func() { sinkKey = shardmap.HashKeyOf("") },
		"AppendDecimal":                  func() { sinkBytes = shardmap.HashKeyOf(benchKey).AppendDecimal(buf) },
		"ParseHashKey":                   func() { sinkKey, _ = shardmap.ParseHashKey(decimal) },
		"ShardFor":                       func() { sinkShard, _ = m.ShardFor(sinkKey) },
		"from key to shard":              func() { sinkShard, _ = m.ShardFor(shardmap.HashKeyOf(longKey)) },
		"ShardFor of overlapping shards": func() { sinkShard, _ = overlapping.ShardFor(sinkKey) },
	}
	for name, run := range costs {
		if allocations := testing.AllocsPerRun(100, run); allocations != 0 {
			t.Errorf("%s allocates %v times, want 0", name, allocations)
		}
	}
}

// BenchmarkHashKey is a record's partition key turned into the decimal text of
// ExplicitHashKey.
func BenchmarkHashKey(b *testing.B) {
	var buf [shardmap.MaxHashKeyDigits]byte
	b.ReportAllocs()
	for b.Loop() {
		sinkBytes = shardmap.HashKeyOf(benchKey).AppendDecimal(buf[:0])
	}
}

// BenchmarkHashKeyOf is the hash key alone, which is all a producer needs to
// find the shard.
func BenchmarkHashKeyOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkKey = shardmap.HashKeyOf(benchKey)
	}
}

// BenchmarkMD5 is what of that is crypto/md5: on a noisy machine the ratio to it
// tells more than the nanoseconds.
func BenchmarkMD5(b *testing.B) {
	key := []byte(benchKey)
	b.ReportAllocs()
	for b.Loop() {
		sinkDigest = md5.Sum(key)
	}
}

// BenchmarkHashKeyWithMathBig is the same work with math/big.
func BenchmarkHashKeyWithMathBig(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		digest := md5.Sum([]byte(benchKey))
		sinkText = new(big.Int).SetBytes(digest[:]).String()
	}
}

func BenchmarkAppendDecimal(b *testing.B) {
	var buf [shardmap.MaxHashKeyDigits]byte
	b.ReportAllocs()
	for b.Loop() {
		sinkBytes = shardmap.MaxHashKey.AppendDecimal(buf[:0])
	}
}

func BenchmarkParseHashKey(b *testing.B) {
	decimal := shardmap.MaxHashKey.String()
	b.ReportAllocs()
	for b.Loop() {
		sinkKey, _ = shardmap.ParseHashKey(decimal)
	}
}

func BenchmarkShardForOf1000(b *testing.B) {
	m := uniformMap(b, 1000)
	key := shardmap.HashKeyOf(benchKey)
	b.ReportAllocs()
	for b.Loop() {
		sinkShard, _ = m.ShardFor(key)
	}
}

func BenchmarkNewOf1000(b *testing.B) {
	shards := uniformShards(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := shardmap.New(shards); err != nil {
			b.Fatal(err)
		}
	}
}
