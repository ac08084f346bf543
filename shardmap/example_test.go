package shardmap_test

import (
	"errors"
	"fmt"

	"github.com/kinetrail/kinetrail/shardmap"
)

// A new stream of five shards: the partition key alone tells where a record
// will lie.
func Example() {
	var shards []shardmap.Shard
	for i, r := range shardmap.Uniform(5) {
		shards = append(shards, shardmap.Shard{ID: fmt.Sprintf("shardId-%012d", i), Range: r})
	}
	m, err := shardmap.New(shards)
	if err != nil {
		fmt.Println(err)
		return
	}

	key := shardmap.HashKeyOf("group-1")
	owner, _ := m.ShardFor(key)
	fmt.Println(key, "lies on", owner.ID)
	// Output: 36878702945378520736626047775679136663 lies on shardId-000000000000
}

func ExampleHashKeyOf() {
	fmt.Println(shardmap.HashKeyOf("a"))
	fmt.Println(shardmap.HashKeyOf("é"))
	// Output:
	// 16955237001963240173058271559858726497
	// 136732923097551493579404309126273812335
}

func ExampleParseHashKey() {
	_, err := shardmap.ParseHashKey("340282366920938463463374607431768211456")
	fmt.Println(errors.Is(err, shardmap.ErrInvalidHashKey))
	fmt.Println(err)
	// Output:
	// true
	// invalid hash key: "340282366920938463463374607431768211456" is no decimal number from 0 to 340282366920938463463374607431768211455
}

// SplitShard wants the hash key at which the second child starts.
func ExampleRange_Middle() {
	start, ok := shardmap.FullRange.Middle()
	fmt.Println(start, ok)
	// Output: 170141183460469231731687303715884105728 true
}

// A shard is split and its halves are merged again.
func ExampleMap_Ancestors() {
	middle, _ := shardmap.FullRange.Middle()
	left := shardmap.Range{End: middle.Prev()}
	right := shardmap.Range{Start: middle, End: shardmap.MaxHashKey}
	m, err := shardmap.New([]shardmap.Shard{
		{ID: "first", Range: shardmap.FullRange, Closed: true},
		{ID: "left", Range: left, ParentID: "first", Closed: true},
		{ID: "right", Range: right, ParentID: "first", Closed: true},
		{ID: "whole", Range: shardmap.FullRange, ParentID: "left", AdjacentParentID: "right"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Children("first"))
	fmt.Println(m.Ancestors("whole"))
	// Output:
	// [left right]
	// [first left right]
}
