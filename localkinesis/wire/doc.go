// Package wire turns the bytes of requests into inputs and outputs into the
// bytes of answers, the way Kinesis does it: JSON 1.1 and CBOR, the texts of
// its type and validation errors, its error documents and headers, and event
// streams. It knows nothing of streams and shards.
//
//	body ─► Codec.Parse ─► tree ─► Bind ─► input ─► Validate
//	output ─► Codec.Append ─► body
//
// An input is a struct whose fields have the names of the API's members. Null
// is nil: texts, numbers and flags are pointers. A tag names the shape of the
// member, to which Validate applies the constraints in its table:
//
//	type mergeShardsInput struct {
//		StreamName   *string `shape:"StreamName"`
//		ShardToMerge *string `shape:"ShardId,required"`
//	}
//
// An output is a struct of the same kind; nil pointers, slices and maps are
// left out. Embedded structs lend their fields.
//
// PutRecord, PutRecords and GetRecords have readers and writers of their own
// beside these. They understand what every SDK sends; whatever is unusual in a
// body they leave to the way above, which also words the errors.
package wire
