package kinesisprotocol_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail/kinesisprotocol"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// sdk and ours are the two protocols to compare.
var (
	sdk  = kinesis.New(kinesis.Options{}).Options().Protocol
	ours = kinesis.New(kinesis.Options{}, kinesisprotocol.Install).Options().Protocol

	protocols = []struct {
		name     string
		protocol smithyhttp.ClientProtocol
	}{{"sdk", sdk}, {"kinesisprotocol", ours}, {"cbor", cborProtocol()}}

	putRecords = smithy.NewOperationSchema(schemas.PutRecords, schemas.PutRecordsInput, schemas.PutRecordsOutput)
	getRecords = smithy.NewOperationSchema(schemas.GetRecords, schemas.GetRecordsInput, schemas.GetRecordsOutput)
)

func BenchmarkPutRecordsRequest(b *testing.B) {
	for _, size := range []int{100, 1024} {
		input := putInput(500, size)
		for _, p := range protocols {
			b.Run(fmt.Sprintf("500x%dB/%s", size, p.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
					if err := p.protocol.SerializeRequest(b.Context(), putRecords, input, request); err != nil {
						b.Fatal(err)
					}
					send(b, request)
				}
				perRecord(b, 500)
			})
		}
	}
}

// send does with a request what the client does: it hashes the body, here by
// doing nothing, and sends it, here to nobody.
func send(b *testing.B, request *smithyhttp.Request) {
	if _, err := io.Copy(io.Discard, request.GetStream()); err != nil {
		b.Fatal(err)
	}
	if err := request.RewindStream(); err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, request.GetStream()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPutRecordsResponse(b *testing.B) {
	for _, p := range protocols {
		b.Run("500/"+p.name, func(b *testing.B) {
			benchmarkPutRecordsResponse(b, p.protocol, p.name == "cbor", func(output *kinesis.PutRecordsOutput) int { return len(output.Records) })
		})
	}
	var results []kinesisprotocol.Result
	for _, form := range []string{"json", "cbor"} {
		b.Run("500/into/"+form, func(b *testing.B) {
			protocol := kinesis.New(kinesis.Options{}, kinesisprotocol.ResultsInto(&results)).Options().Protocol
			benchmarkPutRecordsResponse(b, protocol, form == "cbor", func(*kinesis.PutRecordsOutput) int { return len(results) })
		})
	}
}

func benchmarkPutRecordsResponse(b *testing.B, protocol smithyhttp.ClientProtocol, inCBOR bool, results func(*kinesis.PutRecordsOutput) int) {
	response := func() *smithyhttp.Response { return answer(200, putAnswer(500)) }
	if inCBOR {
		response = func() *smithyhttp.Response { return cborAnswer(200, putAnswerCBOR(500)) }
	}
	given := response()
	body, err := io.ReadAll(given.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		output := &kinesis.PutRecordsOutput{}
		given.Body = io.NopCloser(bytes.NewReader(body))
		if err := protocol.DeserializeResponse(b.Context(), putRecords, kinesis.TypeRegistry, given, output); err != nil {
			b.Fatal(err)
		}
		if got := results(output); got != 500 {
			b.Fatalf("%d results; want 500", got)
		}
	}
	perRecord(b, 500)
}

func BenchmarkGetRecordsResponse(b *testing.B) {
	for _, page := range []struct{ records, size int }{{10_000, 100}, {9_000, 1024}} {
		body := getAnswer(page.records, page.size)
		for _, p := range protocols[:2] { // those that read JSON
			b.Run(fmt.Sprintf("%dx%dB/%s", page.records, page.size, p.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					output := &kinesis.GetRecordsOutput{}
					if err := p.protocol.DeserializeResponse(b.Context(), getRecords, kinesis.TypeRegistry, answer(200, body), output); err != nil {
						b.Fatal(err)
					}
					if len(output.Records) != page.records {
						b.Fatalf("%d records; want %d", len(output.Records), page.records)
					}
				}
				perRecord(b, page.records)
			})
		}
	}
}

// BenchmarkPutRecordsCall is a whole call of the client, signing included, over
// a transport that reads the request and answers at once.
func BenchmarkPutRecordsCall(b *testing.B) {
	for _, size := range []int{100, 1024} {
		input, body := putInput(500, size), putAnswer(500)
		for name, install := range map[string]func(*kinesis.Options){"sdk": func(*kinesis.Options) {}, "kinesisprotocol": kinesisprotocol.Install} {
			client := answering(body, install)
			b.Run(fmt.Sprintf("500x%dB/%s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := client.PutRecords(b.Context(), input); err != nil {
						b.Fatal(err)
					}
				}
				perRecord(b, 500)
			})
		}
	}
}

// BenchmarkGetRecordsCall is the same for a page of 10,000 records.
func BenchmarkGetRecordsCall(b *testing.B) {
	body := getAnswer(10_000, 100)
	input := &kinesis.GetRecordsInput{ShardIterator: aws.String("iterator")}
	for name, install := range map[string]func(*kinesis.Options){"sdk": func(*kinesis.Options) {}, "kinesisprotocol": kinesisprotocol.Install} {
		client := answering(body, install)
		b.Run("10000x100B/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.GetRecords(b.Context(), input); err != nil {
					b.Fatal(err)
				}
			}
			perRecord(b, 10_000)
		})
	}
}

func perRecord(b *testing.B, records int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
}

// answering is a client whose every call is answered with body.
func answering(body []byte, options ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: smithyhttp.ClientDoFunc(func(request *http.Request) (*http.Response, error) {
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return nil, err
			}
			return answer(200, body).Response, nil
		}),
	}, options...)
}

func answer(status int, body []byte) *smithyhttp.Response {
	return &smithyhttp.Response{Response: &http.Response{
		StatusCode:    status,
		Header:        http.Header{},
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
	}}
}

func putInput(records, size int) *kinesis.PutRecordsInput {
	random := rand.New(rand.NewPCG(1, 2))
	input := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
	for range records {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		input.Records = append(input.Records, types.PutRecordsRequestEntry{
			Data: data, PartitionKey: aws.String(fmt.Sprintf("%016x", random.Uint64())),
		})
	}
	return input
}

func putAnswer(records int) []byte {
	results := make([]string, records)
	for i := range results {
		results[i] = fmt.Sprintf(`{"SequenceNumber":"49545115243490985018280067714973144582180062593244%06d","ShardId":"shardId-%012d"}`, i, i%4)
	}
	return []byte(`{"FailedRecordCount":0,"Records":[` + strings.Join(results, ",") + `]}`)
}

// putAnswerCBOR is the same in the service's CBOR, whose maps and arrays have no
// length in front.
func putAnswerCBOR(records int) []byte {
	body := []byte("\xbf\x71FailedRecordCount\x00\x67Records\x9f")
	for i := range records {
		body = fmt.Appendf(body, "\xbf\x6eSequenceNumber\x78\x3849545115243490985018280067714973144582180062593244%06d\x67ShardId\x74shardId-%012d\xff", i, i%4)
	}
	return append(body, "\xff\xff"...)
}

func getAnswer(records, size int) []byte {
	input := putInput(records, size)
	items := make([]string, records)
	for i, r := range input.Records {
		items[i] = fmt.Sprintf(`{"ApproximateArrivalTimestamp":1.%012dE9,"Data":"%s","PartitionKey":"%s","SequenceNumber":"49545115243490985018280067714973144582180062593244%06d"}`,
			700000000000+i, base64.StdEncoding.EncodeToString(r.Data), *r.PartitionKey, i)
	}
	return []byte(`{"MillisBehindLatest":0,"NextShardIterator":"` + strings.Repeat("A", 220) + `","Records":[` + strings.Join(items, ",") + `]}`)
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
