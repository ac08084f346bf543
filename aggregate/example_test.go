package aggregate_test

import (
	"fmt"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
)

func Example() {
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "user-1", Data: []byte("signed up")})
	b.Add(&aggregate.UserRecord{
		PartitionKey: "user-2",
		Data:         []byte("logged in"),
		Headers:      []kinetrail.Header{{Name: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
	})
	fmt.Println(b.Len(), "records,", b.Size(), "bytes")
	data := b.AppendTo(nil) // the Data of one Kinesis record

	records, err := aggregate.Split(data, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for sub, r := range records {
		fmt.Printf("%d: %s: %s %v\n", sub, r.PartitionKey, r.Data, r.Headers)
	}
	// Output:
	// 2 records, 138 bytes
	// 0: user-1: signed up []
	// 1: user-2: logged in [{traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01}]
}

// A Builder that is asked before it is given keeps every container below a
// size.
func ExampleBuilder_SizeWith() {
	const maxBytes = 64
	var b aggregate.Builder
	flush := func() {
		fmt.Println(b.Len(), "records in", len(b.AppendTo(nil)), "bytes")
		b.Reset()
	}
	for _, data := range []string{"one", "two", "three", "four", "five"} {
		r := aggregate.UserRecord{PartitionKey: "user-1", Data: []byte(data)}
		if b.Len() > 0 && b.SizeWith(&r) > maxBytes {
			flush()
		}
		b.Add(&r)
	}
	flush()
	// Output:
	// 3 records in 57 bytes
	// 2 records in 48 bytes
}
