// Package demo plays how a trace crosses a Kinesis stream, and judges what it
// saw.
//
//	event-producer ──put──► local server ──► event-consumer        a consumer of a group
//	                                    └──► event-consumer        a Lambda function behind a trigger
//
// The play has an act for each carrier. In each the same events go through a
// fresh stream: the groups' events are put in turns without waiting, and the
// handlers of both readers take their time. The services are traced by
// OpenTelemetry SDKs that share nothing.
//
// An act's Outcome is computed from what was received: what the handlers saw,
// the spans the services exported, the shards the server lists, and where it
// holds the records. Report.Deviations holds it against what Script expects.
package demo
