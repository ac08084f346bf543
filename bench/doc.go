// Command bench measures what Kinesis clients cost: kinetrail's, the plain AWS
// SDK, and other libraries, all on the same do-nothing server in one run.
//
//	bench ──starts──► server process          package nullkinesis
//	  │                  ▲
//	  └──starts──► client process, one at a time ──► one sample
//	                 GOMAXPROCS=1, its own CPU time alone is counted
//
// It starts every client once a round, in turn, so that what disturbs the
// machine disturbs all alike, and reports the medians:
//
//	go run . run                     everything: results/clients.tsv, plot and page
//	go run . run -rounds 1 -scale .2 a look, in a couple of minutes
//	go run . run -only put-100       one workload; only prints
//	go run . client -profile p.out put-100 sdk   one client, with a CPU profile
//
//	go run . shards                  one consumer on 1,000 shards: memory, and idle
//
// CPU time per user record is the figure to look at. Records per second depend
// on what else the machine does.
package main
