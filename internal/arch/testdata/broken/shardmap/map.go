package shardmap

import (
	_ "net/http"
	clock "time"

	_ "github.com/kinetrail/kinetrail"
)

func impure() {
	_ = clock.Now()
	_ = clock.Second
	go func() { clock.Sleep(1) }()
}
