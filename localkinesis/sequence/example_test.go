package sequence_test

import (
	"fmt"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

func Example() {
	n, err := sequence.Parse("49646421264748934929924171131980572028256847859579617282")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.ShardID(), "created", n.CreatedAt())
	fmt.Println("closed", n.IsEnd(), "at", n.At())
	// Output:
	// shardId-000000000000 created 2023-11-14 09:31:23 +0000 UTC
	// closed true at 2023-11-14 10:04:48 +0000 UTC
}
