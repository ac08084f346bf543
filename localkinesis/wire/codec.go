package wire

import "time"

// Codec is one form of requests and answers.
type Codec interface {
	// ContentType is the form's name in HTTP.
	ContentType() string

	// Parse reads a whole body into a tree of the nodes Bind knows. It keeps
	// nothing of body.
	Parse(body []byte) (map[string]any, error)

	// newWriter starts a document at the end of dst.
	newWriter(dst []byte) writer

	// The readers of the requests that carry records. They report false, and
	// leave the input in any state, when the body holds something unusual or
	// invalid: then Parse, Bind and Validate have to look at it. What they
	// fill in may share the memory of body.
	ReadPutRecord(body []byte, in *PutRecordInput) bool
	ReadPutRecords(body []byte, in *PutRecordsInput) bool
	ReadGetRecords(body []byte, in *GetRecordsInput) bool
}

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
	decimal(digits []byte) // a text that needs no escaping
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
	if contentType == JSON.ContentType() {
		return JSON
	}
	return nil
}
