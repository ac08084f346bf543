// Package codec turns values into the data of records and back, in formats that
// other programs write and read too.
//
//	        Append ──────────────► one record, one value
//	value ─►
//	        Packer ─ Add ─ Flush ► one record, many values
//
//	record ─ Decode ─────────────► value, value, value …
//
//	codec        data of a record with 123 and "test"          async-kinesis calls it
//	String       one text, as it is                            StringProcessor
//	JSON         one JSON text                                 JsonProcessor
//	JSONLines    123\n"test"\n                                 JsonLineProcessor
//	JSONList     [123,"test"]                                  JsonListProcessor
//	Netstrings   3:123,6:"test",  around any encoding          (MsgpackProcessor)
//	KPLString    a KPL container of texts                      KPLStringProcessor
//	KPLJSON      a KPL container of JSON texts                 KPLJsonProcessor
//
// MessagePack in netstrings is the package msgpack below this one.
//
// Each format is the one the Python library async-kinesis has under that name,
// and both sides read what the other writes. JSON is compact, as Go writes it;
// with Options.Python it is the same to the byte as Python's, but for numbers.
//
// No codec makes an empty record: an empty text is an error where it would be
// one.
package codec
