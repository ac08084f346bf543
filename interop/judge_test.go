package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/shardmap"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// twoShards is a stream of a parent with two containers of three records each,
// and a child with three plain records.
func twoShards() truth {
	t := truth{records: make(map[string][]userRecord), place: make(map[string]map[place]int)}
	parent, child := localkinesis.Shard{}, localkinesis.Shard{}
	parent.ID, child.ID, child.ParentID = "parent", "child", "parent"
	t.shards = []localkinesis.Shard{parent, child}
	for i := range 9 {
		id, at := "parent", place{fmt.Sprint(100 + i/3), i % 3}
		if i >= 6 {
			id, at = "child", place{fmt.Sprint(200 + i), 0}
		}
		if t.place[id] == nil {
			t.place[id] = make(map[place]int)
		}
		t.place[id][at] = len(t.records[id])
		t.records[id] = append(t.records[id], userRecord{PartitionKey: "k", Data: fmt.Append(nil, i), SequenceNumber: at.sequence, SubSequenceNumber: at.sub})
	}
	return t
}

// script is what workers tell: a line is "worker event shard [place]", and the
// number of the line its time. A place is one of the shard's records; for a
// beginning it is the one before the first, and - is none.
func script(t *testing.T, told truth, lines ...string) []*member {
	t.Helper()
	var members []*member
	byName := make(map[string]*member)
	for i, line := range lines {
		f := strings.Fields(line)
		m := byName[f[0]]
		if m == nil {
			m = &member{name: f[0], kind: goKind}
			if strings.HasPrefix(f[0], "java") {
				m.kind = javaKind
			}
			byName[f[0]], members = m, append(members, m)
		}
		at := int64(i+1) * 100_000
		if f[1] == "killed" {
			m.killedAt = at
			continue
		}
		e := event{Event: f[1], Shard: f[2], At: at}
		if len(f) > 3 && f[3] == "-" {
			e.Sequence = "TRIM_HORIZON"
		} else if len(f) > 3 {
			var n int
			if _, err := fmt.Sscan(f[3], &n); err != nil {
				t.Fatal(err)
			}
			r := told.records[f[2]][n]
			e.Sequence, e.Sub, e.Key, e.Data = r.SequenceNumber, r.SubSequenceNumber, r.PartitionKey, string(r.Data)
		}
		m.events = append(m.events, e)
	}
	return members
}

// goodOrder is a fleet that did as it should: a Go worker gives the parent up
// within a container, a Java worker is killed two records after its checkpoint.
var goodOrder = []string{
	"go begin parent -", "go record parent 0", "go record parent 1", "go released parent",
	"java begin parent 1", "java record parent 2", "java record parent 3", "java record parent 4", "java killed",
	"go-2 begin parent 2", "go-2 record parent 3", "go-2 record parent 4", "go-2 record parent 5", "go-2 released parent",
	"go-2 begin child -", "go-2 record child 0", "go-2 record child 1", "go-2 record child 2", "go-2 released child",
}

func TestAFleetInGoodOrderIsTold(t *testing.T) {
	t.Parallel()
	told := twoShards()
	got, err := judge(told, script(t, told, goodOrder...))
	want := verdict{
		handled: 11, tenures: 4, moves: map[string]int{"Go → Java": 1, "Java → Go": 1},
		inside: map[string]int{"Go → Java": 1}, duplicates: map[string]int{"Java worker killed": 2},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("judge = %+v, %v\nwant %+v", got, err, want)
	}
}

func TestWhatIsHandledTwiceIsExplained(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		ends []string // of the first worker
		want string   // "" for an error
	}{
		{"killed", []string{"go killed"}, "Go worker killed"},
		{"killed as it gave the shard up", []string{"go released parent", "go killed"}, "Go worker killed"},
		{"its lease is lost", []string{"go lost parent"}, "Java worker took over without a word from a Go worker"},
		{"its lease was taken before the position was written", []string{"go released parent", "go refused parent"}, "Java worker took over without a word from a Go worker"},
		{"given up", []string{"go released parent"}, ""},
		{"finished", []string{"go ended parent"}, ""},
		{"finished too late", []string{"go ended parent", "go lost parent"}, "Java worker took over without a word from a Go worker"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			told := twoShards()
			lines := append([]string{"go begin parent -", "go record parent 0", "go record parent 1"}, tt.ends...)
			lines = append(lines, "java begin parent 0", "java record parent 1", "java record parent 2", "java record parent 3", "java record parent 4", "java record parent 5",
				"java begin child -", "java record child 0", "java record child 1", "java record child 2")
			got, err := judge(told, script(t, told, lines...))
			if (err != nil) != (tt.want == "") || tt.want != "" && !reflect.DeepEqual(got.duplicates, map[string]int{tt.want: 1}) {
				t.Errorf("judge = %v, %v; want one %q", got.duplicates, err, tt.want)
			}
		})
	}
}

func TestAFleetThatDoesWrongIsFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line, instead, says string
	}{
		{"a lost record", "go-2 record child 2", "", "record 2 of 3 of child is lost"},
		{"a gap", "java record parent 3", "", "handles record 4 of the shard after 1 others; want 3"},
		{"a record twice", "java record parent 3", "java record parent 2", "handles record 2 of the shard after 1 others; want 3"},
		{"the first record of a container again", "java record parent 2", "java record parent 0", "handles record 0"},
		{"the rest of a container left out", "java record parent 2", "java record parent 3", "handles record 3"},
		{"a step back after a shard was given up", "java begin parent 1", "java begin parent 0", "handles record 2"},
		{"a record again that was given up", "java killed", "java released parent", "although java gave the shard up in good order"},
		{"a child before its parent", "go begin parent -", "go begin parent -\njava-0 begin child -", "before its parent parent is done"},
		{"a record without a lease", "java begin parent 1", "", "without a lease"},
		{"a record of another stream", "go-2 record child 2", "go-2 record parent 2", "handles record 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			told := twoShards()
			var lines []string
			for _, line := range goodOrder {
				if line == tt.line {
					line = tt.instead
				}
				if line != "" {
					lines = append(lines, strings.Split(line, "\n")...)
				}
			}
			if _, err := judge(told, script(t, told, lines...)); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("judge = %v; want %q", err, tt.says)
			}
		})
	}
	told := twoShards()
	members := script(t, told, goodOrder...)
	members[0].events[1].Data = "x"
	if _, err := judge(told, members); err == nil {
		t.Error("other data than was put are good for judge")
	}
}

func TestContainersOnTheWrongShardAreNotToBeRead(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} })
	halves := shardmap.Uniform(2)
	for _, hashKeys := range [][]shardmap.HashKey{{halves[0].Start, halves[0].End}, {halves[0].Start, halves[1].Start}} {
		var b aggregate.Builder
		for i, key := range hashKeys {
			b.Add(&aggregate.UserRecord{PartitionKey: "k", ExplicitHashKey: key.String(), Data: fmt.Appendf(nil, "%d:", i)})
		}
		_, err := server.Client().PutRecord(t.Context(), &kinesis.PutRecordInput{
			StreamName: aws.String("orders"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String(hashKeys[0].String()), Data: b.AppendTo(nil),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := truthOf(server, "orders")
	if err != nil || got.count() != 2 || got.thrown != 2 {
		t.Fatalf("%d records are to be read and %d are not, %v; want 2 and 2", got.count(), got.thrown, err)
	}
	if err := got.holds(map[int]bool{0: true, 1: true}); err != nil {
		t.Errorf("both numbers are there: %v", err)
	}
	if got.holds(map[int]bool{2: true}) == nil || got.holds(nil) == nil {
		t.Error("a record that is missing, and no records at all, are good for holds")
	}
	if at, err := got.within(shardID(0), 0); err != nil || at != 1 {
		t.Errorf("within = %d, %v; want the second record", at, err)
	}
	if _, err := got.within(shardID(0), 2); err == nil {
		t.Error("within finds a record after the last")
	}
}
