package state_test

import (
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

func Example() {
	clock := &state.Clock{}
	clock.Freeze()
	clock.Set(time.Date(2023, 11, 14, 9, 31, 26, 0, time.UTC))
	account, err := state.NewAccount(state.Config{Clock: clock, ID: "000000000000", ShardLimit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	region, _, err := account.Region("us-west-2")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := region.CreateStream(state.CreateStream{Name: "events", Shards: 1}); err != nil {
		fmt.Println(err)
		return
	}
	stream, err := region.Stream("events")
	if err != nil {
		fmt.Println(err)
		return
	}
	shard, number, err := stream.Put(clock.Now(), "group-1", nil, []byte("hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := stream.Read(shard, nil, 0, 10, 1<<20)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(shard.ID, number.Counter, string(page.Records[0].Data))
	// Output: shardId-000000000000 1 hello
}
