package msgpack_test

import (
	"fmt"
	"log"

	"github.com/kinetrail/kinetrail/codec/msgpack"
)

func ExampleNew() {
	type reading struct {
		Sensor string  `msgpack:"sensor"`
		Value  float64 `msgpack:"value"`
	}
	readings := msgpack.New[reading]()
	packer := readings.Packer(1000)
	for _, r := range []reading{{"door", 1}, {"roof", 21.5}} {
		if _, err := packer.Add(r); err != nil {
			log.Fatal(err)
		}
	}
	record := packer.Flush()
	fmt.Println(len(record), "bytes")
	for r, err := range readings.Decode(record) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Sensor, r.Value)
	}
	// Output:
	// 64 bytes
	// door 1
	// roof 21.5
}
