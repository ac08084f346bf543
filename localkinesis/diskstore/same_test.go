package diskstore_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

// TestADirectoryAnswersAsMemoryDoes sends the same requests to a server in
// memory and to one in a directory that is restarted now and then.
func TestADirectoryAnswersAsMemoryDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		segment := rapid.SampledFrom([]int64{1, 4 << 10, 1 << 20}).Draw(r, "segment bytes")
		open := func() *session {
			return startWith(t, openStore(t, dir, func(o *diskstore.Options) { o.SegmentBytes = segment }))
		}
		disk := open()
		memory := &session{Server: localkinesis.Start(t), t: t}
		defer func() { disk.end(); memory.end() }()
		memory.Clock().Freeze()
		memory.Clock().Set(noon)
		both := func(operation, body string) {
			want, got := "", ""
			_, want = memory.send(operation, body)
			_, got = disk.send(operation, body)
			if iteratorText.ReplaceAllString(want, "") != iteratorText.ReplaceAllString(got, "") {
				r.Fatalf("%s %.300s:\nmemory %.2000s\n  disk %.2000s", operation, body, want, got)
			}
		}
		both("CreateStream", `{"StreamName":"orders","ShardCount":2}`)
		// Either records expire, or the clock goes back a little now and then,
		// as the machine's does: what has expired may come back in memory when
		// the clock goes back, and not on disk.
		now, daysPass, leastStep := noon, rapid.Bool().Draw(r, "days pass"), 0
		if !daysPass {
			leastStep = -2000
		}
		both("PutRecords", `{"StreamName":"orders","Records":[{"PartitionKey":"a","Data":""}]}`)
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				var entries []string
				// Entries end at 32 KiB, marks and first reads at 64, chunks at 256.
				largest := rapid.SampledFrom([]int{10, 100, 1000, 10_000, 50_000, 300_000}).Draw(r, "largest")
				for range rapid.IntRange(1, 12).Draw(r, "records") {
					data := make([]byte, rapid.SampledFrom([]int{0, 1, largest / 50, largest / 20, largest / 10, largest / 10, largest / 5, largest}).Draw(r, "bytes"))
					key := rapid.StringMatching(`[a-zé]{1,8}`).Draw(r, "key")
					explicit := ""
					if rapid.IntRange(0, 3).Draw(r, "explicit") == 0 {
						explicit = fmt.Sprintf(`,"ExplicitHashKey":"%d"`, rapid.Uint64().Draw(r, "hash key"))
					}
					entries = append(entries, fmt.Sprintf(`{"PartitionKey":"%s","Data":"%s"%s}`, key, base64.StdEncoding.EncodeToString(data), explicit))
				}
				both("PutRecords", `{"StreamName":"orders","Records":[`+strings.Join(entries, ",")+`]}`)
			},
			"read": func(r *rapid.T) {
				from := `"ShardIteratorType":"TRIM_HORIZON"`
				if rapid.Bool().Draw(r, "at a time") {
					at := now.Add(-time.Duration(rapid.IntRange(0, 30*60*1000).Draw(r, "before")) * time.Millisecond)
					from = fmt.Sprintf(`"ShardIteratorType":"AT_TIMESTAMP","Timestamp":%d.%03d`, at.Unix(), at.UnixMilli()%1000)
				}
				body := fmt.Sprintf(`{"StreamName":"orders","ShardId":"%d",%s}`, rapid.IntRange(0, 3).Draw(r, "shard"), from)
				limit := rapid.IntRange(1, 60).Draw(r, "limit")
				status, inMemory := memory.send("GetShardIterator", body)
				_, onDisk := disk.send("GetShardIterator", body)
				if status != 200 {
					if inMemory != onDisk {
						r.Fatalf("GetShardIterator %s: memory %s, disk %s", body, inMemory, onDisk)
					}
					return
				}
				for a, b := memory.member(inMemory, "ShardIterator"), disk.member(onDisk, "ShardIterator"); ; {
					want := memory.must("GetRecords", fmt.Sprintf(`{"ShardIterator":"%s","Limit":%d}`, a, limit))
					got := disk.must("GetRecords", fmt.Sprintf(`{"ShardIterator":"%s","Limit":%d}`, b, limit))
					if iteratorText.ReplaceAllString(want, "") != iteratorText.ReplaceAllString(got, "") {
						r.Fatalf("GetRecords of %s:\nmemory %.2000s\n  disk %.2000s", body, want, got)
					}
					if strings.Contains(want, `"MillisBehindLatest":0`) || !strings.Contains(want, `"NextShardIterator"`) {
						return
					}
					a, b = memory.member(want, "NextShardIterator"), disk.member(got, "NextShardIterator")
				}
			},
			"move the clock": func(r *rapid.T) {
				if daysPass && rapid.IntRange(0, 9).Draw(r, "a day") == 0 {
					now = now.Add(24 * time.Hour)
				}
				now = now.Add(time.Duration(rapid.IntRange(leastStep, 20*60*1000).Draw(r, "millis")) * time.Millisecond)
				memory.Clock().Set(now)
				disk.Clock().Set(now)
			},
			"split": func(r *rapid.T) {
				both("SplitShard", `{"StreamName":"orders","ShardToSplit":"0","NewStartingHashKey":"1000"}`)
			},
			"restart": func(r *rapid.T) {
				disk.end()
				disk = open()
				disk.Clock().Set(now)
				both("ListShards", `{"StreamName":"orders"}`)
			},
		})
	})
}
