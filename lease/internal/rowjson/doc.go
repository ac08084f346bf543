// Package rowjson is a lease as JSON, for the stores that keep it so.
//
//	lease.Lease ── Of ──► {"shard_id":"…","owner":"…","counter":7,"checkpoint":"…"} ── Lease ──► lease.Lease
//
// The key stands beside the text: filelease writes both into a line, redislease
// the text into the field of that name.
package rowjson
