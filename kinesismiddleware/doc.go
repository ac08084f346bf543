// Package kinesismiddleware makes an existing aws-sdk-go-v2 Kinesis client carry
// trace contexts, without another change to the program.
//
//	PutRecord, PutRecords   ──► keys rewritten on copies ──────────────────► service
//	GetRecords              ◄── keys restored, contexts kept for Extract ◄── service
//	SubscribeToShard        ◄── Events restores keys as events pass ◄─────── service
//
// Three lines install it on every client made from a configuration:
//
//	if _, err := kinesismiddleware.AppendMiddlewares(&cfg.APIOptions); err != nil {
//		return err
//	}
//
// # What goes out
//
// A put under an active span gets a PRODUCER span of its own, and each of its
// records carries that span's context in its partition key, as
// Options.Carrier says; the hash key holds the record on its shard. Data, stream
// names and the structs of the caller are never changed, and an ExplicitHashKey
// that is set is kept. Retries carry the same keys.
//
// A record goes as it was given when there is no span, when it already is a KPL
// container, and when it or its request would outgrow a size limit: propagation
// fails no request that would have succeeded. Without a span, the carrier
// Lossless still puts a key that looks like a carrier behind an escape, so that
// readers give it back whole. A stream whose RecordDistributionStrategy is AUTO
// ignores both keys and does without: contexts are carried in the keys that are
// given, and nothing is said about shards.
//
// The carrier Off changes nothing at all and starts no span: what is put is what
// a program without the middleware puts, keys that look like a carrier included.
// Reading goes on.
//
// # What comes in
//
// The records of a GetRecords response have their own keys back, Extract gives
// their contexts and StoredKey the keys as they are stored. A KPL container is
// not opened: that is for the caller's deaggregator, and what the container's
// own key carries is extracted.
//
// # Next to others
//
// The middleware can stand before or after OpenTelemetry's otelaws. Before it,
// otelaws' CLIENT span is a child of the put span; after it, its parent. The put
// span is carried in both cases. Installed twice, the first one works and the
// second does nothing. Calls that package producer and package consumer make on
// the same client pass through untouched: they carry contexts themselves.
package kinesismiddleware
