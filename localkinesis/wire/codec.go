package wire

import (
	"errors"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// Codec is one form of requests and answers.
type Codec interface {
	// ContentType is the form's name in HTTP.
	ContentType() string

	// Parse reads a whole body into a tree of the nodes Bind knows. It keeps
	// nothing of body.
	Parse(body []byte) (map[string]any, error)

	// newWriter starts a document at the end of dst.
	newWriter(dst []byte) writer

	// newScanner begins to walk through a body.
	newScanner(body []byte) scanner
}

// maxValues is how many values a body may hold that Parse reads, forty times
// what the largest valid request holds. Without a limit, a small body would take
// up much memory: an empty list is a byte in CBOR and forty in a tree.
const maxValues = 100_000

var errCrowded = errors.New("the body holds too many values")

// writer writes one document.
type writer interface {
	beginStruct()
	key(name string)     // of the API: needs no escaping
	freeKey(name string) // of a map
	endStruct()
	beginList()
	element()
	endList()
	text(string)
	textBytes([]byte)
	sequenceNumber(sequence.Number)
	number(int64)
	flag(bool)
	blob([]byte)
	time(time.Time)
	millis(int64) // a time in Unix milliseconds
	null()
	bytes() []byte // everything, with what was in dst
}

// AppendError appends the document of a refusal to dst.
func AppendError(dst []byte, c Codec, e *Error) []byte {
	w := c.newWriter(dst)
	w.beginStruct()
	w.key("__type")
	w.text(e.Code)
	if e.Message != "" {
		if e.CapitalMessage {
			w.key("Message")
		} else {
			w.key("message")
		}
		w.text(e.Message)
	}
	w.endStruct()
	return w.bytes()
}

// CodecFor is the codec of a content type, nil when there is none.
func CodecFor(contentType string) Codec {
	switch contentType {
	case JSON.ContentType():
		return JSON
	case CBOR.ContentType():
		return CBOR
	}
	return nil
}
