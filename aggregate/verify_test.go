package aggregate_test

import (
	"crypto/md5"
	"fmt"
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"pgregory.net/rapid"
)

func TestVerifyFindsTheContainersThatSplitTakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var data [][]byte
		for range rapid.IntRange(0, 40).Draw(t, "pieces") {
			piece := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "piece")
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0: // any data
			case 1:
				piece = append([]byte(magic), piece...)
			default:
				var b aggregate.Builder
				for _, r := range anyRecords().Draw(t, "records") {
					b.Add(&r)
				}
				if piece = b.AppendTo(nil); len(piece) > 0 && rapid.Bool().Draw(t, "damaged") {
					piece[rapid.IntRange(0, len(piece)-1).Draw(t, "where")] ^= 1
				}
			}
			data = append(data, piece)
		}
		intact := make([]bool, len(data))
		for i := range intact {
			intact[i] = rapid.Bool().Draw(t, "before")
		}
		aggregate.Verify(intact, data)
		for i, d := range data {
			want, err := aggregate.Split(d, nil)
			if intact[i] != (err == nil) {
				t.Errorf("Verify of %x (%d of %d) = %t; Split says %v", d, i, len(data), intact[i], err)
			}
			if !intact[i] {
				continue
			}
			if got, err := aggregate.SplitVerified(d, nil); err != nil || !sameRecords(got, want) {
				t.Errorf("SplitVerified(%x) = %s, error %v; want%s", d, describe(got), err, describe(want))
			}
		}
	})
}

func TestSplitVerifiedRefusesWhatIsNoContainer(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", magic, "plain data that is long enough", magic + "sixteen bytes...", magic + "\xffsixteen bytes..."} {
		if got, err := aggregate.SplitVerified([]byte(data), nil); err == nil || len(got) != 0 {
			t.Errorf("SplitVerified(%q) = %d records, error %v; want an error", data, len(got), err)
		}
	}
}

func TestOutsideCountsTheRecordsWhoseHashKeyIsNotInTheRange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := make([]aggregate.UserRecord, rapid.IntRange(0, 50).Draw(t, "records"))
		for i := range records {
			records[i].PartitionKey = fmt.Sprint("key-", rapid.IntRange(0, 5).Draw(t, "key"))
			if rapid.IntRange(0, 4).Draw(t, "explicit") == 0 {
				records[i].ExplicitHashKey = rapid.SampledFrom([]string{"0", "7", "170141183460469231731687303715884105728", "none", "007"}).Draw(t, "hash key")
			}
		}
		r := rapid.SampledFrom(append(shardmap.Uniform(3), shardmap.Uniform(1)...)).Draw(t, "range")
		want := 0
		for i := range records {
			if key, err := records[i].HashKey(); err != nil || !r.Contains(key) {
				want++
			}
		}
		if got := aggregate.Outside(records, r); got != want {
			t.Errorf("Outside(%s, %v) = %d; want %d", describe(records), r, got, want)
		}
	})
}

func TestVerifyAndOutsideDoNotAllocate(t *testing.T) {
	var b aggregate.Builder
	records := make([]aggregate.UserRecord, 40)
	for i := range records {
		records[i] = aggregate.UserRecord{PartitionKey: fmt.Sprint(i), Data: make([]byte, 100)}
		b.Add(&records[i])
	}
	container := b.AppendTo(nil)
	data, intact := [][]byte{container, container, container[1:]}, make([]bool, 3)
	whole := shardmap.Uniform(1)[0]
	got := testing.AllocsPerRun(20, func() {
		aggregate.Verify(intact, data)
		if aggregate.Outside(records, whole) != 0 || !intact[1] || intact[2] {
			t.Error("Verify or Outside is wrong")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations; want none", got)
	}
}

// BenchmarkVerify100B verifies a page of containers; BenchmarkOutside asks for the
// shard of their keys.
func BenchmarkVerify100B(b *testing.B) {
	w := workloads()[0]
	data := make([][]byte, 100)
	for i := range data {
		data[i] = build(w.records)
	}
	intact := make([]bool, len(data))
	b.ReportAllocs()
	for b.Loop() {
		aggregate.Verify(intact, data)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(data)*len(w.records)), "ns/record")
}

func BenchmarkOutside(b *testing.B) {
	records := make([]aggregate.UserRecord, 100)
	for i := range records {
		records[i].PartitionKey = fmt.Sprintf("%x", md5.Sum([]byte{byte(i)}))[:16]
	}
	half := shardmap.Uniform(2)[0]
	b.ReportAllocs()
	for b.Loop() {
		if n := aggregate.Outside(records, half); n == 0 || n == 100 {
			b.Fatalf("%d of 100 random keys lie outside a half", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/record")
}
