package shardmap

import . "time"

var start = Now()
