package kinesisprotocol

import (
	"bytes"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
)

// For the tests of other files, which use the package as its callers do.
var (
	AppendBase64  = appendBase64
	DecodeInPlace = decodeInPlace
)

// ReadJSON reports whether an answer in JSON is read without the SDK. The page is the
// reading's for good, so it is a copy.
func ReadJSON(page []byte, output smithy.Deserializable) (usual bool, err error) {
	return new(protocol).reading(output).json(bytes.Clone(page))
}

// Lent is a request's body that says whether its text was given back.
type Lent interface {
	io.ReadSeeker
	io.WriterTo
	Len() int
	GivenBack() bool
}

func NewLentBody(input *kinesis.PutRecordsInput) Lent { return newLentBody(input, appendPutRecords) }

func (b *lentBody) GivenBack() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text == nil
}

// ReadCBOR reports whether an answer in CBOR is read without the SDK.
func ReadCBOR(page []byte, output smithy.Deserializable) bool {
	return new(protocol).reading(output).cbor(bytes.Clone(page))
}

var JSONOf = jsonOf

var ReadEvent = readEvent
