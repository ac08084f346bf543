// Package lambdatrigger does for a function what an event source mapping of AWS
// Lambda does: it reads a Kinesis stream, the local server's or any other, and
// invokes the function with batches of records, so that order, redelivery and
// partial failures can be tested without AWS.
//
//	shard ─► poll ─► lane of a key ─► batch ─► invoke ─► done
//	                                    ▲        │ failed
//	                                    └─ retry, from the failed record on, or by halves
//	                                             │ too often, too old
//	                                             └─► OnFailure
//
// Every shard is polled, parents to their end before their children. A shard has
// one lane and so one invocation in flight, or as many as
// Options.ParallelizationFactor says; records with the same stored partition key
// share a lane. A batch that fails blocks its lane until it is done or given up.
//
// The function is what lambda.Start takes, called in this process, or a Runtime,
// which hands the events to processes that speak the Lambda Runtime API, as
// lambda.Start and the runtimes of other languages do.
//
// The settings are those of the mapping, by the same names, and mean what AWS
// documents. What it does not document is decided here and said where it is:
// how retries are counted after a partial response, how long a retry waits, and
// which keys share a lane. There are no tumbling windows and no filters. The
// place in the stream is not kept: every Run begins at Options.StartingPosition.
package lambdatrigger
