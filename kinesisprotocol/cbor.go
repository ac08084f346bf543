package kinesisprotocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// ErrNotCBOR is wrapped by the error of a call that was made in CBOR to an
// endpoint that does not speak it, next to what the endpoint answered. The same
// call made again goes as JSON. A retry of the SDK's own sends the same bytes
// again, so the caller has to make the call again. An endpoint that refused the
// form of the request has done nothing. One that answered with success, though not
// in CBOR, may have done what it was asked: records of a PutRecords may be in the
// stream, and the call made again may put them there twice.
var ErrNotCBOR = errors.New("the endpoint does not speak CBOR, and gets JSON from now on")

// cborType is the form of requests and answers in which the AWS SDK for Java, and
// with it the KCL, speaks to Kinesis unless AWS_CBOR_DISABLE is set.
const cborType = "application/x-amz-cbor-1.1"

// dialect is whether an endpoint speaks CBOR.
type dialect struct{ found atomic.Int32 }

const (
	untried int32 = iota // calls go as CBOR until one tells
	spoken
	refused
)

// speaks reports whether calls are made in CBOR.
func (d *dialect) speaks() bool { return d != nil && d.found.Load() != refused }

// doubts reports whether an answer may be to a request that was not understood:
// while it is not known what the endpoint speaks, and when the request went as
// CBOR before another call found out that it does not speak that.
func (d *dialect) doubts(response *smithyhttp.Response) bool {
	if d == nil {
		return false
	}
	switch d.found.Load() {
	case untried:
		return true
	case refused:
		request := response.Request
		return request != nil && request.Header.Get("Content-Type") == cborType
	}
	return false
}

// refuse ends the attempt because of what a call came to.
func (d *dialect) refuse(err error) error {
	if !d.found.CompareAndSwap(untried, refused) && d.found.Load() != refused {
		return err
	}
	return errors.Join(ErrNotCBOR, err)
}

// isCBOR reports whether an answer is in CBOR.
func isCBOR(response *smithyhttp.Response) bool {
	form, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(form), cborType)
}

// readCBOR reads an answer in CBOR into output. One that is unusual, and every
// error, is put into JSON for the SDK.
func (p *protocol) readCBOR(
	ctx context.Context, schema *smithy.OperationSchema, types *smithy.TypeRegistry, response *smithyhttp.Response, output smithy.Deserializable,
) error {
	reading := p.reading(output)
	page, err := readPage(response, reading.room())
	if err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	succeeded := response.StatusCode >= 200 && response.StatusCode <= 299
	if succeeded && len(page) == 0 {
		return nil // as the SDK takes it
	}
	if succeeded && reading.cbor(page) {
		if p.dialect != nil {
			p.dialect.found.CompareAndSwap(untried, spoken)
		}
		return nil
	}
	text, err := jsonOf(page)
	if err == nil {
		again := *response.Response
		again.Body = io.NopCloser(bytes.NewReader(text))
		again.Header = again.Header.Clone()
		again.Header.Set("Content-Type", "application/x-amz-json-1.1")
		if err = p.unusual(ctx, schema, types, &smithyhttp.Response{Response: &again}, output); err == nil {
			p.collect(output)
		}
	} else {
		err = &smithy.DeserializationError{Err: fmt.Errorf("read an answer in CBOR: %w", err)}
	}
	switch {
	case !p.dialect.doubts(response):
	case err == nil:
		p.dialect.found.CompareAndSwap(untried, spoken)
	case succeeded || blamesForm(err):
		return p.dialect.refuse(err)
	}
	return err
}

// blamesForm reports whether an error may come from a request that was not
// understood. The others say that it was.
func blamesForm(err error) bool {
	var refusal smithy.APIError
	if !errors.As(err, &refusal) {
		return true
	}
	switch refusal.ErrorCode() {
	case "SerializationException", "ValidationException", "UnknownOperationException", "InvalidArgumentException", "UnknownError":
		return true
	}
	return false
}
