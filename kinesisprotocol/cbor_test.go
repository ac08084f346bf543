package kinesisprotocol_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"
)

const cborType = "application/x-amz-cbor-1.1"

// cborProtocol is this package's protocol in CBOR, that has not been tried.
func cborProtocol() smithyhttp.ClientProtocol {
	return kinesis.New(kinesis.Options{}, kinesisprotocol.With(kinesisprotocol.CBOR)).Options().Protocol
}

func cborAnswer(status int, body []byte) *smithyhttp.Response {
	response := answer(status, body)
	response.Header.Set("Content-Type", cborType)
	return response
}

// fataler is a test of whatever kind.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// cborBody is what is sent in CBOR for input, as a tree.
func cborBody(t fataler, operation *smithy.OperationSchema, input smithy.Serializable) (tree map[string]any) {
	t.Helper()
	request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
	if err := cborProtocol().SerializeRequest(context.Background(), operation, input, request); err != nil {
		t.Fatalf("SerializeRequest: %v", err)
	}
	body, err := io.ReadAll(request.GetStream())
	if err != nil || request.ContentLength != int64(len(body)) || request.Header.Get("Content-Type") != cborType {
		t.Fatalf("the body has %d bytes of %d, type %q, error %v; want all, %s", len(body), request.ContentLength, request.Header.Get("Content-Type"), err, cborType)
	}
	if err := strictCBOR.Unmarshal(body, &tree); err != nil {
		t.Fatalf("request % x is no CBOR: %v", body, err)
	}
	return tree
}

// strictCBOR refuses names that come twice and texts that are not UTF-8.
var strictCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any](), UTF8: cbor.UTF8RejectInvalid, DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode()
	if err != nil {
		panic(err) // the options are right, or no test is
	}
	return mode
}()

// jsonBody is what the SDK sends for input, as a tree.
func jsonBody(t fataler, operation *smithy.OperationSchema, input smithy.Serializable) (tree map[string]any) {
	request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
	if err := sdk.SerializeRequest(context.Background(), operation, input, request); err != nil {
		t.Fatalf("SerializeRequest: %v", err)
	}
	if err := json.NewDecoder(request.GetStream()).Decode(&tree); err != nil {
		t.Fatalf("request of the SDK: %v", err)
	}
	return tree
}

func optional[T any](t *rapid.T, name string, value *rapid.Generator[T]) *T {
	if !rapid.Bool().Draw(t, "has "+name) {
		return nil
	}
	drawn := value.Draw(t, name)
	return &drawn
}

// anyText has lengths around those at which CBOR changes its form, and bytes that
// are no UTF-8.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.SampledFrom([]int{0, 1, 23, 24, 255, 256, 65535, 65536}), func(n int) string { return string(bytes.Repeat([]byte("x"), n)) }))
}

func TestRequestsInCBORSayWhatTheSDKSaysInJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		put := &kinesis.PutRecordsInput{
			StreamName: optional(t, "name", anyText()), StreamARN: optional(t, "ARN", anyText()), StreamId: optional(t, "ID", anyText()),
			DryRun: optional(t, "dry run", rapid.Bool()),
		}
		if n := rapid.IntRange(-1, 30).Draw(t, "records"); n >= 0 {
			put.Records = make([]types.PutRecordsRequestEntry, n)
		}
		for i := range put.Records {
			entry := types.PutRecordsRequestEntry{PartitionKey: optional(t, "key", anyText()), ExplicitHashKey: optional(t, "hash key", anyText())}
			if data := optional(t, "data", anyText()); data != nil {
				entry.Data = []byte(*data)
			}
			put.Records[i] = entry
		}
		checkSameTree(t, cborBody(t, putRecords, put), jsonBody(t, putRecords, put))

		get := &kinesis.GetRecordsInput{
			ShardIterator: optional(t, "iterator", anyText()), StreamARN: optional(t, "ARN", anyText()), StreamId: optional(t, "ID", anyText()),
			Limit: optional(t, "limit", rapid.Int32()),
		}
		checkSameTree(t, cborBody(t, getRecords, get), jsonBody(t, getRecords, get))
	})
}

func checkSameTree(t fataler, got, want map[string]any) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatalf("put %v into JSON: %v", got, err)
	}
	var again map[string]any
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
	if !reflect.DeepEqual(again, want) {
		t.Errorf("the request in CBOR says\n%v\nwant\n%v", again, want)
	}
}

// cborDrawer writes the tree of a JSON answer as CBOR, in one of the forms it may
// come in.
type cborDrawer struct {
	t          *rapid.T
	indefinite bool
	odd        bool // texts in pieces, unknown tags
	time       string
}

func (d *cborDrawer) append(body []byte, name string, node any) []byte {
	open := func(major byte, n int) []byte {
		if d.indefinite {
			return append(body, major<<5|31)
		}
		return d.head(body, major, uint64(n))
	}
	closed := func(body []byte) []byte {
		if d.indefinite {
			return append(body, 0xff)
		}
		return body
	}
	switch node := node.(type) {
	case map[string]any:
		body = open(5, len(node))
		for _, member := range rapid.Permutation(slices.Sorted(maps.Keys(node))).Draw(d.t, "order") {
			body = d.append(d.append(body, "", member), member, node[member])
		}
		return closed(body)
	case []any:
		body = open(4, len(node))
		for _, element := range node {
			body = d.append(body, "", element)
		}
		return closed(body)
	case nil:
		return append(body, rapid.SampledFrom([]byte{0xf6, 0xf7}).Draw(d.t, "null"))
	case string:
		if name == "Data" {
			var data []byte
			if err := json.Unmarshal(fmt.Appendf(nil, "%q", node), &data); err != nil {
				d.t.Fatal(err)
			}
			return append(d.head(body, 2, uint64(len(data))), data...)
		}
		if d.odd {
			cut := len(node) / 2
			for cut > 0 && !utf8.RuneStart(node[cut]) {
				cut--
			}
			body = append(body, 3<<5|31)
			body = append(d.head(body, 3, uint64(cut)), node[:cut]...)
			body = append(d.head(body, 3, uint64(len(node)-cut)), node[cut:]...)
			return append(body, 0xff)
		}
		return append(d.head(body, 3, uint64(len(node))), node...)
	case float64:
		if name != "ApproximateArrivalTimestamp" {
			return d.head(body, 0, uint64(node))
		}
		switch d.time {
		case "tag 1, ms":
			return d.head(append(body, 6<<5|1), 0, uint64(node*1e3))
		case "ms":
			return d.head(body, 0, uint64(node*1e3))
		case "tag 1, float s":
			return d.float(append(body, 6<<5|1), node)
		}
		return d.float(body, node)
	}
	d.t.Fatalf("%T is not in JSON", node)
	return nil
}

func (d *cborDrawer) head(body []byte, major byte, n uint64) []byte {
	encoded, err := cbor.Marshal(n)
	if err != nil {
		d.t.Fatal(err)
	}
	encoded[0] |= major << 5
	return append(body, encoded...)
}

func (d *cborDrawer) float(body []byte, n float64) []byte {
	encoded, err := cbor.Marshal(n)
	if err != nil {
		d.t.Fatal(err)
	}
	return append(body, encoded...)
}

// TestAnswersInCBORAreReadAsThoseInJSON writes the same answers in both, as
// this package reads them by itself, and in other forms.
func TestAnswersInCBORAreReadAsThoseInJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := &jsonDrawer{t, 0}
		// From 2001 on, in whole milliseconds: before March 1973 a number of them
		// cannot be told from one of seconds.
		seconds := func() string { return fmt.Sprintf("%.3f", rapid.Float64Range(1e9, 4e9).Draw(t, "seconds")) }
		odd := rapid.IntRange(0, 2).Draw(t, "odd") == 0
		encryption := drawEncryption(t, odd)
		operation, members := getRecords, []any{"MillisBehindLatest", draw.integer, "NextShardIterator", draw.text, "Records",
			draw.array("ApproximateArrivalTimestamp", seconds, "Data", draw.data,
				"EncryptionType", encryption,
				"PartitionKey", draw.text, "SequenceNumber", draw.text)}
		if rapid.Bool().Draw(t, "put") {
			operation, members = putRecords, []any{"EncryptionType", encryption, "FailedRecordCount", draw.integer, "Records",
				draw.array("ErrorCode", draw.text, "ErrorMessage", draw.text, "SequenceNumber", draw.text, "ShardId", draw.text)}
		}
		text := []byte(draw.object(members...))
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		form := &cborDrawer{t: t, indefinite: rapid.Bool().Draw(t, "indefinite"), odd: odd,
			time: rapid.SampledFrom([]string{"tag 1, ms", "ms", "tag 1, float s", "float s"}).Draw(t, "times")}
		body := form.append(nil, "", tree)

		want, wantErr := read(sdk, operation, 200, text)
		got, err := readResponse(cborProtocol(), operation, cborAnswer(200, body))
		if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("answer % x, errors %v, %v\n%s\nwant\n%s", body, err, wantErr, describe(got), describe(want))
		}
		if !odd && !kinesisprotocol.ReadCBOR(body, got.(smithy.Deserializable)) {
			t.Errorf("answer % x was left to the SDK", body)
		}
	})
}

// TestArrivalsInCBORAreExactWhoeverReadsThem writes times whose milliseconds are
// no exact fraction of a second.
func TestArrivalsInCBORAreExactWhoeverReadsThem(t *testing.T) {
	t.Parallel()
	number := func(n any) []byte {
		encoded, err := cbor.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	for _, milliseconds := range []uint64{1441215410866, 1441215410867, 1700000000001, 1700000000999, 2192708889357} {
		for _, at := range [][]byte{number(milliseconds), number(cbor.Tag{Number: 1, Content: milliseconds}), number(float64(milliseconds))} {
			for key, byUs := range map[string]bool{"\x61k": true, "\x7f\x61k\xff": false} { // in one piece and in pieces
				body := slices.Concat([]byte("\xa1\x67Records\x81\xa2\x6cPartitionKey"+key+"\x78\x1bApproximateArrivalTimestamp"), at)
				output, err := readResponse(cborProtocol(), getRecords, cborAnswer(200, body))
				if err != nil {
					t.Fatalf("answer % x: %v", body, err)
				}
				got := output.(*kinesis.GetRecordsOutput)
				if byUs != kinesisprotocol.ReadCBOR(body, &kinesis.GetRecordsOutput{}) {
					t.Errorf("answer % x is read here: %t; want %t", body, !byUs, byUs)
				}
				if arrived := got.Records[0].ApproximateArrivalTimestamp.UnixMilli(); arrived != int64(milliseconds) || *got.Records[0].PartitionKey != "k" {
					t.Errorf("answer % x, read here: %t: %s; want key k, arrived at %d ms", body, byUs, describe(got), milliseconds)
				}
			}
		}
	}
}

// drawEncryption draws an encryption type: one that the SDK knows, or any.
func drawEncryption(t *rapid.T, any bool) func() string {
	if any {
		return (&jsonDrawer{t, 0}).text
	}
	return func() string { return rapid.SampledFrom([]string{`"NONE"`, `"KMS"`}).Draw(t, "encryption") }
}

// readResponse reads a response with one protocol.
func readResponse(protocol smithyhttp.ClientProtocol, operation *smithy.OperationSchema, response *smithyhttp.Response) (any, error) {
	var into smithy.Deserializable = &kinesis.GetRecordsOutput{}
	if operation == putRecords {
		into = &kinesis.PutRecordsOutput{}
	}
	err := protocol.DeserializeResponse(context.Background(), operation, kinesis.TypeRegistry, response, into)
	return into, err
}

// FuzzAnswersInCBOR reads arbitrary bytes. What is read here must be what the SDK
// reads of the same put into JSON.
func FuzzAnswersInCBOR(f *testing.F) {
	for _, text := range [][]byte{getAnswer(2, 10), putAnswer(2)} {
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			f.Fatal(err)
		}
		body, err := cbor.Marshal(tree)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte("\xbf\x67Records\x9f\xbf\x64Data\x41\x00\x6cPartitionKey\x61k\x78\x1bApproximateArrivalTimestamp\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00\xff\xff\x72MillisBehindLatest\x00\xff"))
	f.Add([]byte("\xa1\x67Records\x9b\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\xa1\x6bChildShards\x80"))
	f.Add(putAnswerCBOR(4))
	for _, text := range shapedAnswers {
		var tree map[string]any
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			f.Fatal(err)
		}
		body, err := cbor.Marshal(tree)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		given := bytes.Clone(body)
		for _, operation := range []*smithy.OperationSchema{getRecords, putRecords} {
			output, err := readResponse(cborProtocol(), operation, cborAnswer(200, body))
			if !bytes.Equal(given, body) {
				t.Fatalf("the answer % x was changed to % x", given, body)
			}
			if err != nil || len(body) == 0 {
				continue
			}
			text, err := kinesisprotocol.JSONOf(body)
			if err != nil {
				t.Fatalf("answer % x was read, and cannot be put into JSON: %v", body, err)
			}
			want, err := readResponse(sdk, operation, answer(200, text))
			if err != nil || !reflect.DeepEqual(output, want) {
				t.Fatalf("answer % x, in JSON %s, error %v\n%s\nwant\n%s", body, text, err, describe(output), describe(want))
			}
			if operation == putRecords {
				checkResultsInto(t, cborAnswer(200, body), want.(*kinesis.PutRecordsOutput), nil)
			}
		}
	})
}

func TestWhatIsPutInCBORComesBack(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	client := server.Client(kinesisprotocol.With(kinesisprotocol.CBOR))
	input := putInput(300, 30)
	input.Records[7].PartitionKey = aws.String("clé \"鍵\" \u2028 <&> \x7f\t")
	input.Records[8].Data = []byte{0}
	input.Records[9].ExplicitHashKey = aws.String("7")
	put, err := client.PutRecords(t.Context(), input)
	if err != nil || len(put.Records) != 300 || *put.FailedRecordCount != 0 {
		t.Fatalf("PutRecords: %s, error %v; want 300 results", describe(put), err)
	}
	iterator, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: put.Records[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	var pages [2]*kinesis.GetRecordsOutput
	for i, reader := range []*kinesis.Client{client, server.Client()} {
		if pages[i], err = reader.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator, Limit: aws.Int32(299)}); err != nil {
			t.Fatalf("GetRecords: %v", err)
		}
	}
	if len(pages[0].Records) != 299 || len(pages[1].Records) != 299 {
		t.Fatalf("%d records in CBOR, %d in JSON; want 299", len(pages[0].Records), len(pages[1].Records))
	}
	for i, r := range pages[0].Records {
		inJSON := pages[1].Records[i]
		// In JSON the SDK loses a millisecond now and then.
		if lost := r.ApproximateArrivalTimestamp.Sub(*inJSON.ApproximateArrivalTimestamp); lost < 0 || lost > time.Millisecond {
			t.Errorf("record %d arrived %v later in CBOR than in JSON", i, lost)
		}
		if inJSON.ApproximateArrivalTimestamp = r.ApproximateArrivalTimestamp; !reflect.DeepEqual(r, inJSON) {
			t.Errorf("record %d: in CBOR %s, in JSON %s", i, describe(r), describe(inJSON))
		}
		if sent := input.Records[i]; !bytes.Equal(r.Data, sent.Data) || *r.PartitionKey != *sent.PartitionKey || *r.SequenceNumber != *put.Records[i].SequenceNumber {
			t.Errorf("record %d: %s; want key %q and number %s", i, describe(r), *sent.PartitionKey, *put.Records[i].SequenceNumber)
		}
	}
}

func TestErrorsInCBORAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	client := server.Client(kinesisprotocol.With(kinesisprotocol.CBOR), func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })

	_, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("gone"), Records: putInput(1, 1).Records})
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) || notFound.ErrorMessage() == "" || errors.Is(err, kinesisprotocol.ErrNotCBOR) {
		t.Errorf("PutRecords to a stream that is not there: %v; want a ResourceNotFoundException with its message", err)
	}
	rule, err := fault.Parse("GetRecords error=ProvisionedThroughputExceededException")
	if err != nil {
		t.Fatal(err)
	}
	server.Faults().Add(rule)
	_, err = client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("AAAA")})
	var throttled *types.ProvisionedThroughputExceededException
	if !errors.As(err, &throttled) {
		t.Errorf("GetRecords under throttling: %v; want a ProvisionedThroughputExceededException", err)
	}
}

// TestEndpointsThatDoNotSpeakCBORGetJSON plays the ways in which servers turn
// down what they do not know.
func TestEndpointsThatDoNotSpeakCBORGetJSON(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]struct {
		status int
		form   string
		body   string
	}{
		"an error in JSON":             {400, "application/x-amz-json-1.1", `{"__type":"SerializationException"}`},
		"another error in JSON":        {400, "application/x-amz-json-1.1", `{"__type":"AccessDeniedException","message":"no"}`},
		"unsupported media type":       {415, "", ``},
		"an error page":                {500, "text/html", `<h1>sorry</h1>`},
		"XML":                          {404, "application/xml", `<UnknownOperationException/>`},
		"success, in JSON":             {200, "application/x-amz-json-1.1", `{}`},
		"an error of form, in CBOR":    {400, cborType, "\xa1\x66__type\x76SerializationException"},
		"an error without CBOR inside": {400, cborType, `{"__type":"SerializationException"}`},
		"success without CBOR inside":  {200, cborType, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls, inCBOR atomic.Int32
			client := clientOf(func(r *http.Request) *smithyhttp.Response {
				calls.Add(1)
				if r.Header.Get("Content-Type") != cborType {
					return answer(200, putAnswer(3))
				}
				inCBOR.Add(1)
				response := answer(refusal.status, []byte(refusal.body))
				response.Header.Set("Content-Type", refusal.form)
				return response
			}, kinesisprotocol.With(kinesisprotocol.CBOR), func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
			if _, err := client.PutRecords(t.Context(), putInput(3, 10)); !errors.Is(err, kinesisprotocol.ErrNotCBOR) {
				t.Fatalf("first call: %v; want ErrNotCBOR", err)
			}
			for range 2 {
				if got, err := client.PutRecords(t.Context(), putInput(3, 10)); err != nil || len(got.Records) != 3 {
					t.Errorf("next call: %s, %v; want 3 results", describe(got), err)
				}
			}
			if calls.Load() != 3 || inCBOR.Load() != 1 {
				t.Errorf("%d calls, %d of them in CBOR; want 3 and 1", calls.Load(), inCBOR.Load())
			}
		})
	}
}

// TestAnEndpointThatSpokeCBORKeepsIt lets a proxy answer in between.
func TestAnEndpointThatSpokeCBORKeepsIt(t *testing.T) {
	t.Parallel()
	empty := []byte("\xa2\x71FailedRecordCount\x00\x67Records\x80")
	answers := []*smithyhttp.Response{
		cborAnswer(400, []byte("\xa1\x66__type\x78\x26ProvisionedThroughputExceededException")), cborAnswer(200, empty),
		answer(503, []byte("<h1>busy</h1>")), cborAnswer(400, []byte("\xa1\x66__type\x76SerializationException")), cborAnswer(200, empty),
	}
	var types []string
	client := clientOf(func(r *http.Request) *smithyhttp.Response {
		types = append(types, r.Header.Get("Content-Type"))
		return answers[len(types)-1]
	}, kinesisprotocol.With(kinesisprotocol.CBOR), func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
	for i, fails := range []bool{true, false, true, true, false} {
		_, err := client.PutRecords(t.Context(), putInput(1, 1))
		if (err != nil) != fails || errors.Is(err, kinesisprotocol.ErrNotCBOR) {
			t.Errorf("call %d: %v; want an error: %v", i, err, fails)
		}
		if types[i] != cborType {
			t.Errorf("call %d went as %s", i, types[i])
		}
	}
}

// clientOf is a client whose calls are answered by a function.
func clientOf(answer func(*http.Request) *smithyhttp.Response, options ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: smithyhttp.ClientDoFunc(func(request *http.Request) (*http.Response, error) {
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return nil, err
			}
			return answer(request).Response, nil
		}),
	}, options...)
}

func TestRecordsInCBORGoIntoAList(t *testing.T) {
	t.Parallel()
	var tree map[string]any
	if err := json.Unmarshal(getAnswer(5, 20), &tree); err != nil {
		t.Fatal(err)
	}
	var body []byte
	rapid.Check(t, func(t *rapid.T) {
		body = (&cborDrawer{t: t, indefinite: true, time: "tag 1, ms"}).append(nil, "", tree)
	})
	var records []kinesisprotocol.Record
	client := clientOf(func(*http.Request) *smithyhttp.Response { return cborAnswer(200, body) }, kinesisprotocol.With(kinesisprotocol.CBOR))
	output, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")}, kinesisprotocol.Into(&records))
	if err != nil || len(records) != 5 || output.Records != nil {
		t.Fatalf("%d records in the list, %d in the output, error %v; want 5 and none", len(records), len(output.Records), err)
	}
	if at := records[0].ArrivedAt(); at.Before(time.Unix(1_700_000_000, 0)) || at.After(time.Unix(1_700_000_001, 0)) {
		t.Errorf("the first record arrived at %v", at)
	}
}

func TestAutoSpeaksCBORToTheServiceAlone(t *testing.T) {
	t.Parallel()
	somewhere := func(endpoint string) func(*kinesis.Options) {
		return func(o *kinesis.Options) { o.BaseEndpoint = &endpoint }
	}
	for name, tt := range map[string]struct {
		where func(*kinesis.Options)
		cbor  bool
	}{
		"where the SDK looks":   {func(*kinesis.Options) {}, true},
		"a region":              {somewhere("https://kinesis.eu-west-1.amazonaws.com"), true},
		"China":                 {somewhere("https://kinesis.cn-north-1.amazonaws.com.cn:443/"), true},
		"both IP versions":      {somewhere("https://kinesis.us-east-1.api.aws"), true},
		"a private endpoint":    {somewhere("https://vpce-0a1-b2c.kinesis.us-east-1.vpce.AmazonAWS.com"), true},
		"loopback":              {somewhere("http://127.0.0.1:4567"), false},
		"another name":          {somewhere("https://amazonaws.com.example.org"), false},
		"a name that ends like": {somewhere("https://notamazonaws.com"), false},
		"no URL":                {somewhere("://"), false},
		"a resolver": {func(o *kinesis.Options) {
			o.EndpointResolverV2 = struct{ kinesis.EndpointResolverV2 }{kinesis.NewDefaultEndpointResolverV2()}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := ""
			client := kinesis.New(kinesis.Options{
				Region:           "us-east-1",
				Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
				RetryMaxAttempts: 1,
				HTTPClient: smithyhttp.ClientDoFunc(func(r *http.Request) (*http.Response, error) {
					form = r.Header.Get("Content-Type")
					return nil, errSent
				}),
			}, tt.where, kinesisprotocol.With(kinesisprotocol.Auto))
			if _, err := client.PutRecords(t.Context(), putInput(1, 1)); name != "no URL" && !errors.Is(err, errSent) {
				t.Fatal(err)
			}
			if name != "no URL" && (form == cborType) != tt.cbor {
				t.Errorf("the call went as %s; want CBOR: %v", form, tt.cbor)
			}
		})
	}
}

func TestEveryWireHasItsName(t *testing.T) {
	t.Parallel()
	for wire, want := range map[kinesisprotocol.Wire]string{kinesisprotocol.Auto: "auto", kinesisprotocol.CBOR: "cbor", kinesisprotocol.JSON: "json", kinesisprotocol.SDK: "sdk", 9: "Wire(9)"} {
		if got := wire.String(); got != want || wire.Valid() != (wire < 9) {
			t.Errorf("wire %d is %s, valid %v; want %s", wire, got, wire.Valid(), want)
		}
	}
	for wire, installed := range map[kinesisprotocol.Wire]bool{kinesisprotocol.CBOR: true, kinesisprotocol.JSON: true, kinesisprotocol.SDK: false, 9: false} {
		if got := kinesisprotocol.Installed(kinesis.New(kinesis.Options{}, kinesisprotocol.With(wire)).Options()); got != installed {
			t.Errorf("With(%s) installs the package: %v, want %v", wire, got, installed)
		}
	}
}

// TestACallThatWasSentBeforeTheEndpointRefusedIsToldToo makes a call while
// another one waits for its answer.
func TestACallThatWasSentBeforeTheEndpointRefusedIsToldToo(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]struct{ contentType, body string }{
		"in JSON": {"application/x-amz-json-1.1", `{"__type":"SerializationException"}`},
		"in CBOR": {cborType, "\xa1\x66__type\x76SerializationException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var client *kinesis.Client
			var calls int
			var inner error
			client = clientOf(func(r *http.Request) *smithyhttp.Response {
				if calls++; calls == 1 {
					_, inner = client.PutRecords(t.Context(), putInput(1, 1))
				}
				if r.Header.Get("Content-Type") != cborType {
					return answer(400, []byte(`{"__type":"ValidationException"}`))
				}
				response := answer(400, []byte(form.body))
				response.Header.Set("Content-Type", form.contentType)
				response.Request = r
				return response
			}, kinesisprotocol.With(kinesisprotocol.CBOR), func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
			_, outer := client.PutRecords(t.Context(), putInput(1, 1))
			if !errors.Is(inner, kinesisprotocol.ErrNotCBOR) || !errors.Is(outer, kinesisprotocol.ErrNotCBOR) {
				t.Errorf("the calls failed with %v and %v; want ErrNotCBOR for both", inner, outer)
			}
			if _, err := client.PutRecords(t.Context(), putInput(1, 1)); err == nil || errors.Is(err, kinesisprotocol.ErrNotCBOR) {
				t.Errorf("a call in JSON failed with %v; want an error that is not about CBOR", err)
			}
		})
	}
}
