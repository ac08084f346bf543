package kinesisprotocol

import (
	"errors"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// lentBody is the stream of a PutRecords request. Its text lies in memory that is
// lent from a pool, and goes back there when its last byte was read to be sent:
//
//	SDK: hash the payload   SDK: rewind   transport: send     rarely: rewind, send again
//	────────────────────►───────◄─────────────────────────►   written anew, from the input
//	written once                            given back
//
// Readers get copies of the text, so nothing points to it when it is given back,
// and what has to be read again after that is written again. The text of a
// request whose answer comes early, while it is still being sent, stays with
// its body for as long as the transport may read it, and is never given back.
type lentBody struct {
	input *kinesis.PutRecordsInput // read while the client's call lasts
	form  func([]byte, *kinesis.PutRecordsInput) []byte
	size  int

	mu      sync.Mutex
	text    *[]byte // nil when it was given back, and then at is size
	at      int
	rewound bool
}

// texts are those no body holds at the moment.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// newLentBody is the body of a request in the form that appends it.
func newLentBody(input *kinesis.PutRecordsInput, form func([]byte, *kinesis.PutRecordsInput) []byte) *lentBody {
	b := &lentBody{input: input, form: form}
	b.write()
	b.size = len(*b.text)
	return b
}

// write lends a text and fills it.
func (b *lentBody) write() {
	b.text = texts.Get().(*[]byte)
	*b.text = b.form((*b.text)[:0], b.input)
}

// Len is how many bytes are still to be read, which the SDK asks for.
func (b *lentBody) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size - b.at
}

// Read copies what comes next.
func (b *lentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == b.size {
		return 0, io.EOF
	}
	n := copy(p, (*b.text)[b.at:])
	b.advance(n)
	return n, nil
}

// WriteTo spares the hash of the payload a buffer.
func (b *lentBody) WriteTo(w io.Writer) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == b.size {
		return 0, nil
	}
	n, err := w.Write((*b.text)[b.at:])
	b.advance(n)
	return int64(n), err
}

func (b *lentBody) advance(n int) {
	b.at += n
	// The first time through, only the hash of the payload is taken.
	if b.at == b.size && b.rewound {
		texts.Put(b.text)
		b.text = nil
	}
}

// Seek moves to where the next Read begins.
func (b *lentBody) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += int64(b.at)
	case io.SeekEnd:
		offset += int64(b.size)
	}
	if offset < 0 || offset > int64(b.size) {
		return 0, errors.New("seek beyond the body of PutRecords")
	}
	b.rewound = b.rewound || offset < int64(b.at)
	b.at = int(offset)
	// Not left to Read: the transport may read when the call is over, and the
	// input is the caller's again.
	if b.text == nil && b.at < b.size {
		b.write()
		if len(*b.text) != b.size {
			return 0, errors.New("the input of PutRecords changed during the call")
		}
	}
	return offset, nil
}
