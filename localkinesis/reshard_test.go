package localkinesis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/shardmap"
)

// background is the context of property tests, which have none.
var background = context.Background()

// mapOf is the shard map of a stream; it fails unless the open shards cover
// every hash key exactly once.
func mapOf(t tester, s *localkinesis.Server) *shardmap.Map {
	t.Helper()
	listed, err := s.Shards("orders")
	if err != nil {
		t.Fatalf("%v", err)
	}
	var shards []shardmap.Shard
	for _, shard := range listed {
		shards = append(shards, shard.Shard)
	}
	m, err := shardmap.New(shards)
	if err != nil {
		t.Fatalf("shards %v: %v", shards, err)
	}
	return m
}

// reshard makes one change that chance picks.
func reshard(t *rapid.T, s *localkinesis.Server, client *kinesis.Client) {
	open := mapOf(t, s).Open()
	i := rapid.IntRange(0, len(open)-1).Draw(t, "shard")
	var err error
	switch change := rapid.SampledFrom([]string{"split", "merge", "update"}).Draw(t, "change"); {
	case change == "split":
		at, ok := splitAt(t, open[i].Range)
		if !ok {
			return
		}
		_, err = client.SplitShard(background, &kinesis.SplitShardInput{
			StreamName: aws.String("orders"), ShardToSplit: &open[i].ID, NewStartingHashKey: aws.String(at.String()),
		})
	case change == "merge" && i+1 < len(open):
		_, err = client.MergeShards(background, &kinesis.MergeShardsInput{
			StreamName: aws.String("orders"), ShardToMerge: &open[i].ID, AdjacentShardToMerge: &open[i+1].ID,
		})
	case change == "update":
		target := rapid.IntRange(1, 12).Draw(t, "target")
		_, err = client.UpdateShardCount(background, &kinesis.UpdateShardCountInput{
			StreamName: aws.String("orders"), TargetShardCount: aws.Int32(int32(target)), ScalingType: types.ScalingTypeUniformScaling,
		})
		got := mapOf(t, s).Open()
		for j, want := range shardmap.Uniform(target) {
			if len(got) != target || got[j].Range != want {
				t.Fatalf("UpdateShardCount to %d left %v", target, got)
			}
		}
	}
	if err != nil {
		t.Fatalf("reshard: %v", err)
	}
}

// splitAt is where a shard can be split: in its middle, or as close to an edge
// as the service allows.
func splitAt(t *rapid.T, r shardmap.Range) (at shardmap.HashKey, ok bool) {
	middle, ok := r.Middle()
	if !ok || middle.Compare(r.Start.Next()) <= 0 || middle.Compare(r.End) >= 0 {
		return at, false
	}
	return rapid.SampledFrom([]shardmap.HashKey{middle, r.Start.Next().Next(), r.End.Prev()}).Draw(t, "at"), true
}

func TestAnySequenceOfReshardsKeepsKeysCoveredLineageCompleteAndRecordsInPlace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, client := serverFor(t, withStream("orders", rapid.IntRange(1, 5).Draw(t, "shards")))
		defer s.Close()
		stored := make(map[string][]string) // shard → payloads
		for round := range rapid.IntRange(1, 5).Draw(t, "rounds") {
			m := mapOf(t, s)
			for n := range 5 {
				key := fmt.Sprint(round, "/", n)
				out, err := client.PutRecord(background, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(key)})
				if err != nil {
					t.Fatalf("PutRecord: %v", err)
				}
				if owner, _ := m.ShardFor(shardmap.HashKeyOf(key)); owner.ID != *out.ShardId {
					t.Fatalf("record went to %s; %s owns its key", *out.ShardId, owner.ID)
				}
				stored[*out.ShardId] = append(stored[*out.ShardId], key)
			}
			reshard(t, s, client)
		}
		checkLineage(t, s)
		checkPages(t, s, client, stored)
	})
}

// checkLineage looks at every shard's parents and numbers.
func checkLineage(t tester, s *localkinesis.Server) {
	t.Helper()
	m := mapOf(t, s)
	shards, _ := s.Shards("orders")
	for _, shard := range shards {
		if shard.Closed != (len(m.Children(shard.ID)) > 0) {
			t.Fatalf("%s: closed is %t, its children are %v", shard.ID, shard.Closed, m.Children(shard.ID))
		}
		var covered []shardmap.Range
		for _, id := range shard.Parents() {
			parent, ok := m.Shard(id)
			if !ok || !parent.Closed {
				t.Fatalf("%s has the parent %s, which is not listed or still open", shard.ID, id)
			}
			covered = append(covered, parent.Range)
			i := slices.IndexFunc(shards, func(p localkinesis.Shard) bool { return p.ID == id })
			if shards[i].End.Time >= shard.Start.Created {
				t.Fatalf("%s begins in second %d, its parent %s ends in %d", shard.ID, shard.Start.Created, id, shards[i].End.Time)
			}
		}
		switch len(covered) {
		case 1:
			if !covered[0].Contains(shard.Range.Start) || !covered[0].Contains(shard.Range.End) {
				t.Fatalf("%s has %v, outside its parent's %v", shard.ID, shard.Range, covered[0])
			}
		case 2:
			if !covered[0].AdjacentTo(covered[1]) || shard.Range.Start != covered[0].Start || shard.Range.End != covered[1].End {
				t.Fatalf("%s has %v, not its parents' %v", shard.ID, shard.Range, covered)
			}
		}
	}
}

// checkPages reads every shard to its end: its records are where they were
// stored, and the last page of a closed shard names its children.
func checkPages(t *rapid.T, s *localkinesis.Server, client *kinesis.Client, stored map[string][]string) {
	m := mapOf(t, s)
	r := reader{t, client}
	for _, shard := range m.Shards() {
		got, last := r.drain(r.iterator(&kinesis.GetShardIteratorInput{
			ShardId: aws.String(shard.ID), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		}), 3)
		if !slices.Equal(got, stored[shard.ID]) {
			t.Fatalf("%s holds %v; want %v", shard.ID, got, stored[shard.ID])
		}
		if (last.NextShardIterator == nil) != shard.Closed {
			t.Fatalf("%s: closed is %t, its last page's iterator is nil: %t", shard.ID, shard.Closed, last.NextShardIterator == nil)
		}
		var children []string
		for _, child := range last.ChildShards {
			children = append(children, *child.ShardId)
			of, _ := m.Shard(*child.ShardId)
			if !slices.Equal(child.ParentShards, of.Parents()) || *child.HashKeyRange.StartingHashKey != of.Range.Start.String() {
				t.Fatalf("%s: its child is told as %v; want %v", shard.ID, child, of)
			}
		}
		if !slices.Equal(children, m.Children(shard.ID)) {
			t.Fatalf("%s: the last page names %v; want %v", shard.ID, children, m.Children(shard.ID))
		}
	}
}

func TestHundredsOfShardsKeepTheirLineageThroughManyReshards(t *testing.T) {
	t.Parallel()
	s, client := serverFor(t, withStream("orders", 1))
	defer s.Close()
	put := make(map[string]string) // payload → shard
	for round, target := range []int32{300, 7, 299, 150, 64, 500, 1, 333} {
		for i := range 50 {
			key := fmt.Sprint(round, "/", i)
			out, err := client.PutRecord(background, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: &key, Data: []byte(key)})
			put[key] = *must(t, out, err).ShardId
		}
		_, err := client.UpdateShardCount(background, &kinesis.UpdateShardCountInput{
			StreamName: aws.String("orders"), TargetShardCount: &target, ScalingType: types.ScalingTypeUniformScaling,
		})
		must(t, 0, err)
		open := mapOf(t, s).Open()
		for i, want := range shardmap.Uniform(int(target)) {
			if len(open) != int(target) || open[i].Range != want {
				t.Fatalf("UpdateShardCount to %d left %d shards, the %d. with %v; want %v", target, len(open), i, open[i].Range, want)
			}
		}
	}
	checkLineage(t, s)
	records, err := s.Records("orders", "")
	for _, r := range must(t, records, err) {
		if put[string(r.Data)] != r.ShardID {
			t.Errorf("record %s lies on %s; it was put on %s", r.Data, r.ShardID, put[string(r.Data)])
		}
		delete(put, string(r.Data))
	}
	if len(put) > 0 {
		t.Errorf("%d records are lost: %v", len(put), put)
	}
	shards, err := s.Shards("orders")
	must(t, shards, err)
	listed := 0
	for in := (&kinesis.ListShardsInput{StreamName: aws.String("orders")}); in != nil; {
		page, err := client.ListShards(t.Context(), in)
		listed += len(must(t, page, err).Shards)
		if in = nil; page.NextToken != nil {
			in = &kinesis.ListShardsInput{NextToken: page.NextToken}
		}
	}
	if listed != len(shards) || listed < 4000 {
		t.Errorf("%d shards are listed, page by page; there are %d", listed, len(shards))
	}
}

func TestShardFiltersListTheShardsOfTheirTime(t *testing.T) {
	t.Parallel()
	s := inProcess(t, withStream("orders", 1))
	clock := s.Clock()
	clock.Freeze()
	start := clock.Now()
	clock.Set(start.Add(1000e9))
	mustSend(t, s, "UpdateShardCount", `{"StreamName":"orders","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`)
	clock.Set(start.Add(2000e9))
	client := s.Client(once)
	for _, tt := range []struct {
		filter types.ShardFilter
		want   []string
	}{
		{types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, []string{"1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}, []string{"0"}},
		{types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, []string{"0", "1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(start.Add(500e9))}, []string{"0"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: aws.Time(start.Add(1500e9))}, []string{"1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: aws.Time(start.Add(500e9))}, []string{"0", "1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: aws.Time(start.Add(1500e9))}, []string{"1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shardId-000000000001")}, []string{"2"}},
	} {
		out, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("orders"), ShardFilter: &tt.filter})
		var got []string
		for _, shard := range must(t, out, err).Shards {
			got = append(got, (*shard.ShardId)[len("shardId-00000000000"):])
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s at %v: %v; want %v", tt.filter.Type, tt.filter.Timestamp, got, tt.want)
		}
	}
}

func TestStateChangesTakeTheirDelayOnTheServersClock(t *testing.T) {
	t.Parallel()
	s := inProcess(t, func(o *localkinesis.Options) { o.CreateDelay, o.UpdateDelay, o.DeleteDelay = 1e9, 2e9, 3e9 })
	s.Clock().Freeze()
	client := s.Client(once)
	status := func() types.StreamStatus {
		t.Helper()
		out, err := client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("orders")})
		return must(t, out, err).StreamDescriptionSummary.StreamStatus
	}
	expect := func(want types.StreamStatus) {
		t.Helper()
		if got := status(); got != want {
			t.Errorf("StreamStatus = %s; want %s", got, want)
		}
	}
	mustSend(t, s, "CreateStream", `{"StreamName":"orders","ShardCount":1}`)
	expect(types.StreamStatusCreating)
	if code, message := refusal(t, s, "UpdateShardCount", `{"StreamName":"orders","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`); code != "ResourceInUseException" ||
		message != "Stream orders under account 000000000000 not ACTIVE, instead in state CREATING" {
		t.Errorf("UpdateShardCount while CREATING: %s %q", code, message)
	}
	s.Clock().Advance(1e9)
	expect(types.StreamStatusActive)

	mustSend(t, s, "UpdateShardCount", `{"StreamName":"orders","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}`)
	expect(types.StreamStatusUpdating)
	if got := mustSend(t, s, "PutRecord", `{"StreamName":"orders","PartitionKey":"k","Data":""}`); !strings.Contains(got, "shardId-000000000000") {
		t.Errorf("a record put while UPDATING: %s; want it on the old shard", got)
	}
	s.Clock().Advance(2e9)
	expect(types.StreamStatusActive)
	if open := mapOf(t, s).Open(); len(open) != 2 {
		t.Errorf("open shards after the update: %v; want 2", open)
	}

	mustSend(t, s, "DeleteStream", `{"StreamName":"orders"}`)
	expect(types.StreamStatusDeleting)
	s.Clock().Advance(3e9)
	if code, _ := refusal(t, s, "DescribeStream", `{"StreamName":"orders"}`); code != "ResourceNotFoundException" {
		t.Errorf("DescribeStream of a deleted stream: %s; want ResourceNotFoundException", code)
	}
	mustSend(t, s, "CreateStream", `{"StreamName":"orders","ShardCount":1}`)
}
