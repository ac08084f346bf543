package kinesisprotocol

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// Install puts this package in the place of the SDK's JSON protocol. It is
// passed to kinesis.New or kinesis.NewFromConfig for all calls of a client, or
// to one call. A client that speaks any other protocol, this package's own
// included, stays as it is, so Install may be passed to the calls of a client
// one knows nothing about.
//
// The client is as safe for concurrent use as before.
func Install(o *kinesis.Options) {
	if sdk, ok := o.Protocol.(*awsjson.Protocol); ok {
		o.Protocol = &protocol{Protocol: sdk}
	}
}

// Installed reports whether a client with these options, as its method Options
// returns them, uses this package.
func Installed(o kinesis.Options) bool {
	_, ok := o.Protocol.(*protocol)
	return ok
}

// protocol is the SDK's protocol with a shorter way for the operations that
// carry records.
type protocol struct {
	*awsjson.Protocol

	records *[]Record // where those of GetRecords go, nil for the output
	results *[]Result // where those of PutRecords go, nil for the output
	dialect *dialect  // nil for JSON alone
}

// SerializeRequest writes method, path, headers and body of a request.
func (p *protocol) SerializeRequest(
	ctx context.Context, schema *smithy.OperationSchema, input smithy.Serializable, request *smithyhttp.Request,
) error {
	speaks := p.dialect.speaks() // asked once: another call may find out meanwhile
	body := body(input, speaks)
	if body == nil {
		return p.Protocol.SerializeRequest(ctx, schema, input, request)
	}

	// The SDK does everything but the body, whatever that may be one day.
	if err := p.Protocol.SerializeRequest(ctx, schema, noMembers{}, request); err != nil {
		return err
	}
	withBody, err := request.SetStream(body)
	if err != nil {
		return fmt.Errorf("set the body of the request: %w", err)
	}
	if speaks {
		withBody.Header.Set("Content-Type", cborType)
	}
	*request = *withBody
	return nil
}

// body is the body of a request, in CBOR or in JSON, nil where that is the SDK's.
func body(input smithy.Serializable, inCBOR bool) io.Reader {
	switch input := input.(type) {
	case *kinesis.PutRecordsInput:
		if inCBOR {
			return newLentBody(input, appendPutRecordsCBOR)
		}
		return newLentBody(input, appendPutRecords)
	case *kinesis.GetRecordsInput:
		if inCBOR {
			return bytes.NewReader(appendGetRecordsCBOR(nil, input))
		}
	}
	return nil
}

// noMembers is an input that writes nothing.
type noMembers struct{}

func (noMembers) Serialize(smithy.ShapeSerializer) {}

// DeserializeResponse reads an answer into output.
func (p *protocol) DeserializeResponse(
	ctx context.Context, schema *smithy.OperationSchema, types *smithy.TypeRegistry, response *smithyhttp.Response, output smithy.Deserializable,
) error {
	if p.records != nil {
		*p.records = (*p.records)[:0]
	}
	if p.results != nil {
		*p.results = (*p.results)[:0]
	}
	switch {
	case !carriesRecords(output):
		return p.Protocol.DeserializeResponse(ctx, schema, types, response, output)
	case isCBOR(response):
		return p.readCBOR(ctx, schema, types, response, output)
	case p.dialect.doubts(response):
		return p.dialect.refuse(p.Protocol.DeserializeResponse(ctx, schema, types, response, output))
	case response.StatusCode < 200 || response.StatusCode > 299:
		return p.Protocol.DeserializeResponse(ctx, schema, types, response, output)
	}

	reading := p.reading(output)
	page, err := readPage(response, reading.room())
	if err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	if len(page) == 0 {
		return nil // as the SDK takes it
	}
	switch usual, err := reading.json(page); {
	case err != nil:
		return &smithy.DeserializationError{Err: err}
	case usual:
		return nil
	}

	again := *response.Response
	again.Body = io.NopCloser(bytes.NewReader(page))
	if err := p.unusual(ctx, schema, types, &smithyhttp.Response{Response: &again}, output); err != nil {
		return err
	}
	p.collect(output)
	return nil
}

// collect puts the records and results of an answer that the SDK has read where
// they belong.
func (p *protocol) collect(output smithy.Deserializable) {
	switch got := output.(type) {
	case *kinesis.GetRecordsOutput:
		if p.records != nil {
			for i := range got.Records {
				*p.records = append(*p.records, RecordOf(&got.Records[i]))
			}
			got.Records = nil
		}
	case *kinesis.PutRecordsOutput:
		if p.results != nil {
			for i := range got.Records {
				*p.results = append(*p.results, ResultOf(&got.Records[i]))
			}
			got.Records = nil
		}
	}
}

// reading is how one answer is read into its output. A page that is not of the usual
// kind changes nothing, nor is it changed.
type reading interface {
	// room is memory for the page, if there is some. It belongs to the reading.
	room() []byte
	json(page []byte) (usual bool, err error)
	cbor(page []byte) (usual bool)
}

// reading is how output is read, which carries records.
func (p *protocol) reading(output smithy.Deserializable) reading {
	if put, ok := output.(*kinesis.PutRecordsOutput); ok {
		return lendPutAnswer(put, p.results)
	}
	return &getReading{output.(*kinesis.GetRecordsOutput), p.records}
}

// carriesRecords reports whether an output is read here and not by the SDK.
func carriesRecords(output smithy.Deserializable) bool {
	switch output.(type) {
	case *kinesis.GetRecordsOutput, *kinesis.PutRecordsOutput:
		return true
	}
	return false
}

// unusual leaves an answer to the SDK, whose reader panics on the timestamp
// "NaN" (smithy-go v1.28.8).
func (p *protocol) unusual(
	ctx context.Context, schema *smithy.OperationSchema, types *smithy.TypeRegistry, response *smithyhttp.Response, output smithy.Deserializable,
) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &smithy.DeserializationError{Err: fmt.Errorf("the SDK cannot read the answer: %v", reason)}
		}
	}()
	return p.Protocol.DeserializeResponse(ctx, schema, types, response, output)
}
