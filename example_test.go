package kinetrail_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/kinetrail/kinetrail"
)

func ExampleParsePosition() {
	p, err := kinetrail.ParsePosition("49590338271490256608559692538361571095921575989136588898/2")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Sequence(), p.Sub())

	_, err = kinetrail.ParsePosition("yesterday")
	fmt.Println(err)
	// Output:
	// 49590338271490256608559692538361571095921575989136588898 2
	// invalid position: "yesterday" is neither a sequence number nor a named position
}

func ExamplePosition_Compare() {
	positions := []kinetrail.Position{
		kinetrail.ShardEnd(),
		kinetrail.At("10", 0),
		kinetrail.At("9", 1),
		kinetrail.At("9", 0),
		kinetrail.TrimHorizon(),
		kinetrail.AtTime(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)),
	}
	slices.SortFunc(positions, kinetrail.Position.Compare)
	for _, p := range positions {
		fmt.Println(p)
	}
	// Output:
	// AT_TIMESTAMP:2026-11-20T12:00:00Z
	// TRIM_HORIZON
	// 9
	// 9/1
	// 10
	// SHARD_END
}

func ExampleParseStream() {
	stream, err := kinetrail.ParseStream("arn:aws:kinesis:eu-west-1:123456789012:stream/orders")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stream.Name())

	_, err = kinetrail.ParseStream("my orders")
	fmt.Println(err)
	// Output:
	// orders
	// invalid stream: the name "my orders" holds ' ', allowed are letters, digits and _.-
}

func ExampleRecord_Header() {
	r := kinetrail.Record{Headers: []kinetrail.Header{{Name: "Content-Type", Value: "text/plain"}}}
	value, ok := r.Header("content-type")
	fmt.Println(value, ok)
	// Output: text/plain true
}

// A record that outlives its handler lets go of the page it arrived in.
func ExampleRecord_Clone() {
	var kept []kinetrail.Record
	handle := func(r kinetrail.Record) {
		kept = append(kept, r.Clone())
	}
	handle(kinetrail.Record{Data: []byte("hello"), PartitionKey: "user-1"})
	fmt.Printf("%s %s\n", kept[0].PartitionKey, kept[0].Data)
	// Output: user-1 hello
}
