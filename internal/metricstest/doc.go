// Package metricstest holds the clients to the metrics of async-kinesis: its
// acceptance criteria, A1 to A44, and its traces of what is emitted when, T1 to
// T17.
//
//	criterion: id, what async-kinesis does or should ─► producer, consumer, lease stores on localkinesis ─► sinks
//	           where ours differs, and why
//
// It holds tests alone. criteria_test.go is the table; the other files are how
// its rows are checked, by subject.
package metricstest
