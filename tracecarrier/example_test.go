package tracecarrier_test

import (
	"fmt"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// A context travels in the partition key, and the reader gets both back: the
// context and the original key.
func Example() {
	trace := kinetrail.TraceContext{
		Parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		State:  "vendor=abc",
	}
	writer := tracecarrier.Writer{Carrier: tracecarrier.Lossless}
	key, hashKey, outcome := writer.Write("group-1", "", trace)
	fmt.Println("PartitionKey:   ", key)
	fmt.Println("ExplicitHashKey:", hashKey)
	fmt.Println("outcome:        ", outcome)

	record := kinetrail.Record{StoredPartitionKey: key}
	tracecarrier.Restore(&record)
	fmt.Println("original key:   ", record.PartitionKey)
	fmt.Println("context:        ", record.Trace.Parent, record.Trace.State)

	// Output:
	// PartitionKey:    00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-k1;s10:vendor=abc=group-1
	// ExplicitHashKey: 36878702945378520736626047775679136663
	// outcome:         injected
	// original key:    group-1
	// context:         00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 vendor=abc
}

func ExampleRead() {
	for _, stored := range []string{
		"group-1",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-k1=group-1",
		"00-00000000000000000000000000000000-0000000000000000-00-k1=group-1",
	} {
		r := tracecarrier.Read(stored)
		fmt.Printf("%-11s known: %-5t key: %s\n", r.Form, r.OriginalKeyKnown, r.PartitionKey)
	}

	// Output:
	// plain       known: true  key: group-1
	// traceparent known: false key: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
	// extended    known: true  key: group-1
	// escaped     known: true  key: group-1
}

func ExampleFromJSON() {
	trace, ok := tracecarrier.FromJSON([]byte(`{
		"order": 4711,
		"_datadog": {
			"x-datadog-trace-id": "123456789",
			"x-datadog-parent-id": "987654321",
			"x-datadog-sampling-priority": "1",
			"x-datadog-tags": "_dd.p.tid=640cfd8d00000000"
		}
	}`))
	fmt.Println(trace.Parent, ok)

	// Output:
	// 00-640cfd8d0000000000000000075bcd15-000000003ade68b1-01 true
}

func ExampleFromEnvironment() {
	lookup := func(string) (string, bool) { return "headers", true } // os.LookupEnv in a program
	_, _, err := tracecarrier.FromEnvironment(lookup)
	fmt.Println(err)

	// Output:
	// invalid carrier: KINETRAIL_PROPAGATION is "headers", it can be off, traceparent or lossless
}
