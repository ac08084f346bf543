package aggregate

import (
	"crypto/fips140"
	"crypto/md5"
)

// magic begins every container.
const magic = "\xF3\x89\x9A\xC2"

// overhead is what a container adds to its message: magic and MD5.
const overhead = len(magic) + md5.Size

// The field numbers of the format, see the package comment.
const (
	fieldPartitionKey    = 1 // AggregatedRecord.partition_key_table
	fieldExplicitHashKey = 2 // AggregatedRecord.explicit_hash_key_table
	fieldRecord          = 3 // AggregatedRecord.records

	fieldPartitionKeyIndex    = 1 // Record.partition_key_index
	fieldExplicitHashKeyIndex = 2 // Record.explicit_hash_key_index
	fieldData                 = 3 // Record.data
	fieldTag                  = 4 // Record.tags

	fieldTagKey   = 1 // Tag.key
	fieldTagValue = 2 // Tag.value
)

// IsContainer reports whether data looks like a container: it begins with the
// magic, and more than the 16 bytes of an MD5 follow, which is the test the KCL
// makes. It is cheap and takes no checksum; Split does. A plain record whose
// data begins with the magic by chance passes it.
func IsContainer(data []byte) bool {
	return len(data) > overhead && string(data[:len(magic)]) == magic
}

// checksum is the MD5 of a container's message. It tells damage apart from data
// and protects nothing, so it also runs where Go is told to allow FIPS 140
// algorithms only (GODEBUG=fips140=only).
func checksum(message []byte) [md5.Size]byte {
	if fips140.Enforced() {
		return checksumUnderFIPS(message)
	}
	return md5.Sum(message)
}

// checksumUnderFIPS stands apart because its closure would move the result of
// checksum to the heap.
func checksumUnderFIPS(message []byte) (sum [md5.Size]byte) {
	fips140.WithoutEnforcement(func() { sum = md5.Sum(message) })
	return sum
}
