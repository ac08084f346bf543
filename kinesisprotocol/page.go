package kinesisprotocol

import (
	"io"
	"unsafe"

	"github.com/kinetrail/kinetrail"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxTrustedLength is how much memory is set aside because an answer says it is
// that long: a full page of GetRecords, its data in base64, with a kilobyte
// for the rest of each record. A page may be larger and is read all the same.
const maxTrustedLength = kinetrail.MaxGetRecordsBytes/3*4 + kinetrail.MaxGetRecords<<10

// readPage reads the body to its end, into room if there is enough, and else into
// memory of its own.
func readPage(response *smithyhttp.Response, room []byte) ([]byte, error) {
	page := room[:0]
	// One byte more than announced, so that the end is seen without growing.
	if length := min(max(response.ContentLength, 511), maxTrustedLength) + 1; int64(cap(page)) < length {
		page = make([]byte, 0, length)
	}
	for {
		n, err := response.Body.Read(page[len(page):cap(page)])
		page = page[:len(page)+n]
		switch {
		case err == io.EOF:
			return page, nil
		case err != nil:
			return nil, err
		case len(page) == cap(page):
			page = append(page, 0)[:len(page)]
		}
	}
}

// textOf is the same memory as a string. Nobody changes it any more.
func textOf(bytes []byte) string {
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}

// bytesOf is the same memory as bytes, to be read only.
func bytesOf(text string) []byte {
	return unsafe.Slice(unsafe.StringData(text), len(text))
}
