// Package md5lanes computes the MD5 of several messages at once.
//
//	message 0 ─┐
//	   …       ├─► one pass, sixteen 32-bit lanes wide ──► sixteen digests
//	message 15 ┘
//
// MD5 cannot be made faster for one message: each of its steps waits for the one
// before. It decides where a record goes and seals a container, and a producer
// has many of both, so sixteen are computed in the time of one where the processor
// has AVX2; elsewhere one after the other, by crypto/md5. It protects nothing
// here, and so runs in FIPS 140 mode too.
package md5lanes
