package diskstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// format is the version of everything in a data directory.
const format = 1

// A header is eight bytes that say what the file holds, the format, two numbers
// and a checksum of all that. Numbers are little-endian, here and in entries.
const headerBytes = 32

// What files hold.
const (
	holdsDocuments = "KTcontrl"
	holdsRecords   = "KTrecord"
)

// header is the head of a file.
type header struct {
	holds  string
	first  uint64 // counter of the first record
	newest int64  // the latest arrival before the first record, in Unix milliseconds
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func (h header) appendTo(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, h.holds...)
	dst = binary.LittleEndian.AppendUint32(dst, format)
	dst = binary.LittleEndian.AppendUint64(dst, h.first)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.newest))
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[start:]))
}

// parseHeader reads the first headerBytes of a file.
func parseHeader(b []byte, path, holds string) (header, error) {
	if string(b[:8]) != holds {
		return header{}, &DamagedError{File: path, Reason: "it does not begin as a file of kinetrail does"}
	}
	if version := binary.LittleEndian.Uint32(b[8:]); version != format {
		return header{}, fmt.Errorf("%s has format %d, and this version of kinetrail reads format %d only", path, version, format)
	}
	if binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return header{}, &DamagedError{File: path, Reason: "the header does not match its checksum"}
	}
	return header{
		holds:  holds,
		first:  binary.LittleEndian.Uint64(b[12:]),
		newest: int64(binary.LittleEndian.Uint64(b[20:])),
	}, nil
}
