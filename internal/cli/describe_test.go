package cli

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail/shardmap"
)

func TestDescribeDrawsRangesAndLineage(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	server.Clock().Freeze()
	server.Clock().Set(time.Date(2023, 11, 14, 9, 31, 26, 0, time.UTC))
	client := server.Client()
	create(t, client, "events", 1)
	golden(t, "describe_new.txt", succeed(t, with(flags, "describe", "events")...))
	for _, target := range []int32{2, 4, 3} {
		server.Clock().Advance(time.Minute)
		_, err := client.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
			StreamName: aws.String("events"), TargetShardCount: &target, ScalingType: "UNIFORM_SCALING",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "describe.txt", succeed(t, with(flags, "describe", "events")...))
	golden(t, "describe.json", succeed(t, with(flags, "describe", "arn:aws:kinesis:us-east-1:000000000000:stream/events", "-o", "json")...))
}

func create(t *testing.T, client *kinesis.Client, stream string, shards int32) {
	t.Helper()
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &stream, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
}

func TestRangeBarsOfNeighboursMeet(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 5, 7, barWidth} {
		var filled [barWidth]int
		for _, hashKeys := range shardmap.Uniform(n) {
			for i, r := range []rune(rangeBar(hashKeys)) {
				if r == '█' {
					filled[i]++
				}
			}
		}
		for i, times := range filled {
			if times != 1 {
				t.Errorf("of the bars of %d shards, %d fill character %d; want 1", n, times, i)
			}
		}
	}
	last := shardmap.Range{Start: shardmap.MaxHashKey, End: shardmap.MaxHashKey}
	if got := []rune(rangeBar(last)); len(got) != barWidth || got[barWidth-1] != '█' || got[barWidth-2] != '·' {
		t.Errorf("rangeBar of the last hash key = %q; want only the last of %d characters filled", string(got), barWidth)
	}
}

func TestLineageOfAShardWhoseParentHasExpired(t *testing.T) {
	t.Parallel()
	halves := shardmap.Uniform(2)
	shards, err := shardmap.New([]shardmap.Shard{
		{ID: "shardId-000000000001", Range: halves[0], ParentID: "shardId-000000000000"},
		{ID: "shardId-000000000002", Range: halves[1], ParentID: "shardId-000000000000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = "shardId-000000000001  open, from shardId-000000000000, which has expired\n" +
		"shardId-000000000002  open, from shardId-000000000000, which has expired\n"
	if got := new(app).drawLineage(shards, func(id string) string { return id }); got != want {
		t.Errorf("the lineage is %q; want %q", got, want)
	}
}

func TestListNamesEveryStreamOverAllPages(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	if got, want := succeed(t, with(flags, "list", "-o", "tsv")...), 1; lines(got) != want {
		t.Errorf("list printed %d lines; want %d", lines(got), want)
	}
	const more = 150 // a page of ListStreams has 100
	for i := range more {
		create(t, server.Client(), "stream-"+string(rune('a'+i/26))+string(rune('a'+i%26)), 1)
	}
	if got, want := lines(succeed(t, with(flags, "list", "-o", "tsv")...)), more+1; got != want {
		t.Errorf("list printed %d lines; want %d", got, want)
	}
}

func TestListIsATableForPeople(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	server.Clock().Freeze()
	server.Clock().Set(time.Date(2023, 11, 14, 9, 31, 26, 0, time.UTC))
	create(t, server.Client(), "events", 1)
	got := succeed(t, with(flags, "list", "--region", "eu-west-1")...) // another region, with its own first stream
	golden(t, "list.txt", got)
}

func TestHashkeyPlacesKeysOnTheOpenShardsOfAStream(t *testing.T) {
	t.Parallel()
	server, flags := localServer(t)
	target := int32(4)
	if _, err := server.Client().UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
		StreamName: aws.String("orders"), TargetShardCount: &target, ScalingType: "UNIFORM_SCALING",
	}); err != nil {
		t.Fatal(err)
	}
	const want = "group-1\t1bbe946fd26759c742d7642ba8474397\t36878702945378520736626047775679136663\tshardId-000000000002\n"
	if got := succeed(t, with(flags, "hashkey", "--stream", "orders", "-o", "tsv", "group-1")...); got != want {
		t.Errorf("hashkey --stream printed %q; want %q", got, want)
	}
}
