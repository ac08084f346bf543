package diskstore_test

import (
	"fmt"
	"os"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/diskstore"
)

func Example() {
	dir, err := os.MkdirTemp("", "kinesis")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	// The server begins with the stream the first time, and finds it the second.
	for range 2 {
		store, err := diskstore.Open(dir)
		if err != nil {
			fmt.Println(err)
			return
		}
		server, err := localkinesis.New(func(o *localkinesis.Options) {
			o.Streams = map[string]int{"orders": 2}
			o.Store = store // the server closes it
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(server.Streams()[0].Name, len(store.Cuts()))
		if err := server.Close(); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// orders 0
	// orders 0
}
