package kinesisprotocol

import (
	"io"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
)

// For the tests of other files, which use the package as its callers do.
var (
	ReadPutRecords = readPutRecords
	AppendBase64   = appendBase64
	DecodeInPlace  = decodeInPlace
)

func ReadGetRecords(page []byte, output *kinesis.GetRecordsOutput) (usual bool, err error) {
	return readGetRecords(page, output, nil)
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
	return new(protocol).readPageCBOR(page, output)
}

var JSONOf = jsonOf

var ReadEvent = readEvent
