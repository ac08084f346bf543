package kinesismiddleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/kinesismiddleware"
)

const benchRecords = 500

// benchInput is a full PutRecords request.
func benchInput() *kinesis.PutRecordsInput {
	input := &kinesis.PutRecordsInput{StreamName: aws.String(orders)}
	for i := range benchRecords {
		input.Records = append(input.Records, types.PutRecordsRequestEntry{
			PartitionKey: aws.String(fmt.Sprintf("customer-%d", i)), Data: make([]byte, 100),
		})
	}
	return input
}

// activeSpan is a ctx as it is in a handler of a traced request.
func activeSpan() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
}

// perRecord turns the figures of a request into those of a record.
func perRecord(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRecords, "ns/record")
}

// BenchmarkAdded is what the middleware itself does with a request of 500
// records, without the rest of the client.
func BenchmarkAdded(b *testing.B) {
	input := benchInput()
	output := new(kinesis.PutRecordsOutput)
	for _, bm := range []struct {
		name string
		ctx  context.Context
	}{
		{"span", activeSpan()},
		{"no span", context.Background()},
	} {
		b.Run(bm.name, func(b *testing.B) {
			call := initializer(b, func(context.Context, any) (any, middleware.Metadata, error) {
				return output, middleware.Metadata{}, nil
			})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(bm.ctx, input); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b)
		})
	}
}

// echo answers every request with one answer, so that the work of a server is
// not measured.
type echo struct{ answer []byte }

func (e echo) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(bytes.NewReader(e.answer)),
	}, nil
}

// answerOf is what a local server answers to a request.
func answerOf(b *testing.B, input *kinesis.PutRecordsInput) []byte {
	out, err := without(b).PutRecords(context.Background(), input)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := json.Marshal(map[string]any{"FailedRecordCount": out.FailedRecordCount, "Records": out.Records})
	if err != nil {
		b.Fatal(err)
	}
	return answer
}

// BenchmarkPutRecords is what a client does for a request of 500 records, with
// and without the middleware: the keys that are longer take part in it.
func BenchmarkPutRecords(b *testing.B) {
	input := benchInput()
	server := echo{answerOf(b, input)}
	for _, installed := range []bool{false, true} {
		b.Run(map[bool]string{false: "without", true: "with"}[installed], func(b *testing.B) {
			client := without(b).Server.Client(func(o *kinesis.Options) {
				o.HTTPClient = &http.Client{Transport: server}
				if !installed {
					return
				}
				if _, err := kinesismiddleware.AppendMiddlewares(&o.APIOptions); err != nil {
					b.Fatal(err)
				}
			})
			ctx := activeSpan()
			b.ReportAllocs()
			for b.Loop() {
				out, err := client.PutRecords(ctx, input)
				if err != nil || len(out.Records) != benchRecords {
					b.Fatal(out, err)
				}
			}
			perRecord(b)
		})
	}
}
