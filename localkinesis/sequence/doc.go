// Package sequence reads and writes Kinesis sequence numbers: 56 decimal
// digits that hold when a shard was created, a counter, when the number was
// given out, and the shard.
//
//	2 064fb3f0b 0 0000000000000000 00 064fb3f0b 00000000 2     hexadecimal
//	│ created   │ counter          │  time      shard    version
//	always 2    low digit of shard always 00
//
// Everything here is a pure value: no goroutine, no clock, no network.
package sequence
