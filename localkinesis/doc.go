// Package localkinesis is a Kinesis server for tests and development, in the
// same process or on its own.
//
//	SDK client ─► HTTP or RoundTripper ─► codec ─► operation ─► state
//	                                                  │
//	                                          faults, clock, calls seen
//
// In a test, Start listens on a free port and closes with the test:
//
//	server := localkinesis.Start(t)
//	client := server.Client()
//
// Each operation is a file, op_put_record.go for PutRecord, with its input,
// its output and what it does. What the server knows is in package state, the
// form of requests and answers in package wire, what can go wrong on purpose in
// package fault.
package localkinesis
