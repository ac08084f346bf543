package codec_test

import (
	"fmt"
	"log"

	"github.com/kinetrail/kinetrail/codec"
)

// A packer puts values into as few records as the limit allows.
func ExamplePacker() {
	type point struct{ X, Y int }
	lines := codec.JSONLines[point]()

	var records [][]byte
	packer := lines.Packer(40)
	for i := range 5 {
		record, err := packer.Add(point{i, i * i})
		if err != nil {
			log.Fatal(err)
		}
		if record != nil {
			records = append(records, record)
		}
	}
	if record := packer.Flush(); record != nil {
		records = append(records, record)
	}

	for _, record := range records {
		fmt.Printf("%d bytes\n", len(record))
		for p, err := range lines.Decode(record) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(" ", p.X, p.Y)
		}
	}
	// Output:
	// 28 bytes
	//   0 0
	//   1 1
	// 28 bytes
	//   2 4
	//   3 9
	// 15 bytes
	//   4 16
}

// A line that cannot be read does not take the others with it.
func ExampleCodec_decode() {
	numbers := codec.JSONLines[int]()
	for n, err := range numbers.Decode([]byte("1\n\"two\"\n3\n")) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// decode value 1: json: cannot unmarshal string into Go value of type int
	// 3
}

// Options.Python writes the bytes that Python's json.dumps writes.
func ExampleOptions() {
	greeting := map[string]any{"to": "Zoë", "times": 2}
	for _, python := range []bool{false, true} {
		record, err := codec.JSON[any](func(o *codec.Options) { o.Python = python }).Append(nil, greeting)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", record)
	}
	// Output:
	// {"times":2,"to":"Zoë"}
	// {"times": 2, "to": "Zo\u00eb"}
}
