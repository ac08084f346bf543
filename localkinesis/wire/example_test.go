package wire_test

import (
	"fmt"

	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

func Example() {
	type input struct {
		ShardToMerge         *string `shape:"ShardId,required"`
		AdjacentShardToMerge *string `shape:"ShardId,required"`
	}
	tree, err := wire.JSON.Parse([]byte(`{"ShardToMerge":"shardId-000000000000"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var in input
	if err := wire.Bind(tree, &in); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(wire.Validate(&in))
	// Output: ValidationException: 1 validation error detected: Value null at 'adjacentShardToMerge' failed to satisfy constraint: Member must not be null
}
