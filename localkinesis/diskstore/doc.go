// Package diskstore keeps a local Kinesis in a directory, so that it survives
// the end of its process, also by SIGKILL.
//
//	DIR/lock                           held while a process uses the directory
//	DIR/control.log                    documents: streams, consumers, channels, settings
//	DIR/records/STREAM-ID/SHARD-ID/    a shard's records
//	        00000000000000000001.log   from this counter on
//	        00000000000000524289.log   the latest: records are appended here
//
// Both kinds of file begin with a header and go on with entries. An entry is
// the length of its body, checksums, and the body: a document, or a run of
// records that arrived together. What is written is never changed. A file with
// records that have all expired is removed; the file of documents is written
// anew when most of it is out of date.
//
//	put ─► encode ─► one write(2) per request and shard ─► fsync, if asked for ─► visible ─► answer
//
// A write that was not finished can only be the last of its file. Opening the
// directory finds it by its length and cuts it off: nobody was told that it
// was stored. Anything else that is not as it was written is a DamagedError
// that names the file and the offset.
//
// A Store starts no goroutine. A shard's writers take turns: one appends while
// another one waits for its fsync. Readers wait for neither.
package diskstore
