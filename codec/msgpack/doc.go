// Package msgpack is the codec of MessagePack values in netstrings, many in a
// record, which async-kinesis calls MsgpackProcessor.
//
//	{"a":1} and "test"          4:‹81 a1 61 01›,5:‹a4 74 65 73 74›,
//
// It is apart from package codec because it links a supplier.
package msgpack
