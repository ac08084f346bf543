package kinesisprotocol_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail/kinesisprotocol"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"pgregory.net/rapid"
)

// bodyOf is what a protocol sends for input.
func bodyOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, protocol smithyhttp.ClientProtocol, input *kinesis.PutRecordsInput) string {
	t.Helper()
	request := smithyhttp.NewStackRequest().(*smithyhttp.Request)
	if err := protocol.SerializeRequest(context.Background(), putRecords, input, request); err != nil {
		t.Fatalf("SerializeRequest: %v", err)
	}
	body, err := io.ReadAll(request.GetStream())
	if err != nil {
		t.Fatalf("read the body: %v", err)
	}
	if request.ContentLength != int64(len(body)) {
		t.Fatalf("the length of the request is %d; its body has %d bytes", request.ContentLength, len(body))
	}
	return string(body)
}

// FuzzRequest writes arbitrary requests with both protocols, and in CBOR.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("data"), "key", "7", "orders", uint16(0), uint8(2))
	f.Add([]byte{}, "", "", "", uint16(0b1111111), uint8(0))
	f.Add([]byte(nil), "clé 鍵 \u2028\u2029 \x7f \x00\x1f\t\r\n\b\f", `<a href="x">\&'/`, "\xff\xc3", uint16(0b0001000), uint8(5))
	f.Add([]byte("\xf3\x89\x9a\xc2"), "12345678\"", "1234567\\8", "\xed\xa0\x80 \uFFFD 🙂", uint16(0b1000000), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, key, hashKey, stream string, absent uint16, n uint8) {
		// Each bit leaves a member away.
		text := func(bit int, value string) *string {
			if absent>>bit&1 == 1 {
				return nil
			}
			return &value
		}
		input := &kinesis.PutRecordsInput{StreamName: text(0, stream), StreamARN: text(1, stream+key), StreamId: text(2, hashKey)}
		if absent>>3&1 == 0 {
			input.DryRun = aws.Bool(absent>>4&1 == 1)
		}
		if absent>>5&1 == 0 {
			input.Records = make([]types.PutRecordsRequestEntry, n)
		}
		for i := range input.Records {
			// Every record is another mixture of the parts.
			part := func(s string) string { return s[len(s)*i/int(n):] }
			input.Records[i] = types.PutRecordsRequestEntry{
				Data: data[len(data)*i/int(n):], PartitionKey: text(6+i%3, part(key)), ExplicitHashKey: text(8+i%3, part(hashKey)),
			}
			if absent>>11&1 == 1 && i%2 == 1 {
				input.Records[i].Data = nil
			}
		}
		got, want := bodyOf(t, ours, input), bodyOf(t, sdk, input)
		if got != want {
			t.Errorf("request\n%s\nwant\n%s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("request %s is no JSON", got)
		}
		checkSameTree(t, cborBody(t, putRecords, input), jsonBody(t, putRecords, input))
	})
}

// read reads an answer with one protocol. A panic counts as an error.
func read(protocol smithyhttp.ClientProtocol, operation *smithy.OperationSchema, status int, body []byte) (output any, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	into := outputOf(operation)
	err = protocol.DeserializeResponse(context.Background(), operation, kinesis.TypeRegistry, answer(status, body), into)
	return into, err
}

// checkSame reads one answer with both protocols.
func checkSame(t interface {
	Helper()
	Errorf(string, ...any)
}, operation *smithy.OperationSchema, status int, body []byte) {
	t.Helper()
	given := bytes.Clone(body)
	want, wantErr := read(sdk, operation, status, body)
	got, err := read(ours, operation, status, body)
	switch {
	case !bytes.Equal(given, body):
		t.Errorf("the answer %q was changed to %q", given, body)
	case (err == nil) != (wantErr == nil):
		t.Errorf("answer %q: error %v; the SDK's is %v", body, err, wantErr)
	case err != nil && strings.HasPrefix(err.Error(), "panic"):
		t.Errorf("answer %q: %v; the SDK's error is %v", body, err, wantErr)
	case err == nil && !reflect.DeepEqual(got, want):
		t.Errorf("answer %q\n%s\nwant\n%s", body, describe(got), describe(want))
	}
}

func describe(output any) string {
	text, err := json.Marshal(output)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// oddAnswers are what a server may say that is right, wrong or strange.
var oddAnswers = []string{
	``, ` `, `{}`, `null`, `[]`, `{`, `"text"`, `1`, `{} trailing`, `{}{}`, "\ufeff{}", ` { } `, `{"Records":null}`, `{"Records":[]}`,
	`{"Records":[null]}`, `{"Records":[{}]}`, `{"Records":[{},{}]}`, `{"Records":[{},]}`, `{"Records":[{}}`, `{"Records":[{}`, `{"Records":[{}]`,
	`{"Records":{}}`, `{"Records":"x"}`, `{"Records":[1]}`, `{"Records":[[]]}`, `{"Records":[{"Data":"QQ=="}],"Records":[{"Data":"QQ=="}]}`,
	`{"Records":[{"Data":"!"}],"Records":[]}`, `{"Records":[{"Data":"QQ=="}],"Records":null}`, `{,}`, `{"Records"}`, `{"Records":}`, `{"":1}`,
	`{"Unknown":{"a":[1,{"b":"]}"}]},"Records":[]}`, `{"records":[]}`, "{\"Records\"\n:\t[ {\r\"Data\" : \"QQ==\" } , { } ] }", `{"\u0052ecords":[{"D\u0061ta":"Q\u0051=="}]}`,
	`{"Records":[{"Data":"QQ=="}]}`, `{"Records":[{"Data":""}]}`, `{"Records":[{"Data":null}]}`, `{"Records":[{"Data":"QQ"}]}`, `{"Records":[{"Data":"Q==="}]}`,
	`{"Records":[{"Data":"QR=="}]}`, `{"Records":[{"Data":"QQ==\n"}]}`, `{"Records":[{"Data":"\/\/8="}]}`, `{"Records":[{"Data":"__8="}]}`, `{"Records":[{"Data":"QUJD\"}]}`,
	"{\"Records\":[{\"Data\":\"QQ==\n\n\n\n\"}]}", "{\"Records\":[{\"Data\":\"QUJ\nD\"}]}", "{\"Records\":[{\"Data\":\"QQ=\n\n\n\n=\"}]}", "{\"Records\":[{\"Data\":\"\r\n\r\n\"}]}",
	`{"Records":[{"Data":"QQ==","Data":"Qg=="}]}`, `{"Records":[{"Data":"!!","Data":"Qg=="}]}`, `{"Records":[{"Data":"QQ==","Data":null}]}`, `{"Records":[{"Data":1}]}`,
	`{"Records":[{"PartitionKey":"a","PartitionKey":"b"}]}`, `{"Records":[{"PartitionKey":"a","PartitionKey":null}]}`, `{"Records":[{"PartitionKey":7}]}`,
	`{"Records":[{"PartitionKey":"cl\u00e9 \ud83d\ude42 \ud800 \"\\\/\b\f\n\r\t"}]}`, `{"Records":[{"PartitionKey":"\x"}]}`, `{"Records":[{"PartitionKey":"\u12"}]}`, "{\"Records\":[{\"PartitionKey\":\"\xff\xc3\"}]}",
	"{\"Records\":[{\"PartitionKey\":\"\xff\\n\"}]}", "{\"Records\":[{\"PartitionKey\":\"\x01\"}]}", "{\"Records\":[{\"PartitionKey\":\"1234567890\x1f\"}]}", "{\"Records\":[{\"PartitionKey\":\"\\n\x01\"}]}", "{\"Records\":[{\"PartitionKey\":\"\x7f\"}]}",
	`{"Records":[{"SequenceNumber":"49545115243490985018280067714973144582180062593244200961","ShardId":"shardId-000000000000"}]}`, `{"Records":[{"SequenceNumber":null}]}`,
	`{"Records":[{"EncryptionType":"KMS"},{"EncryptionType":"NONE"},{"EncryptionType":"ROT13"},{"EncryptionType":null},{"EncryptionType":""},{"EncryptionType":"KMS","EncryptionType":null}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":1.441215410867E9}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1441215410.867}]}`, `{"Records":[{"ApproximateArrivalTimestamp":0}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":-1}]}`, `{"Records":[{"ApproximateArrivalTimestamp":-0.0015}]}`, `{"Records":[{"ApproximateArrivalTimestamp":00}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1.}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":1e}]}`, `{"Records":[{"ApproximateArrivalTimestamp":.5}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1E+9}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1700000000123e-3}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":1700000000.1234567891234}]}`, `{"Records":[{"ApproximateArrivalTimestamp":99999999999999999999}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1e308}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1e309}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":0e30}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1e-30}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1e-400}]}`, `{"Records":[{"ApproximateArrivalTimestamp":9e11}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1e12}]}`, `{"Records":[{"ApproximateArrivalTimestamp":4.35}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":"NaN"}]}`, `{"Records":[{"ApproximateArrivalTimestamp":"Infinity"}]}`, `{"Records":[{"ApproximateArrivalTimestamp":"-Infinity"}]}`, `{"Records":[{"ApproximateArrivalTimestamp":"x"}]}`,
	`{"Records":[{"ApproximateArrivalTimestamp":null}]}`, `{"Records":[{"ApproximateArrivalTimestamp":true}]}`, `{"Records":[{"ApproximateArrivalTimestamp":1e0000000000000000000009}]}`,
	`{"MillisBehindLatest":0}`, `{"MillisBehindLatest":9223372036854775807}`, `{"MillisBehindLatest":9223372036854775808}`, `{"MillisBehindLatest":-5}`, `{"MillisBehindLatest":-0}`, `{"MillisBehindLatest":1e3}`,
	`{"MillisBehindLatest":1.0}`, `{"MillisBehindLatest":01}`, `{"MillisBehindLatest":"1"}`, `{"MillisBehindLatest":null}`, `{"MillisBehindLatest":1x}`, `{"MillisBehindLatest":123456789012345678}`, `{"MillisBehindLatest":1234567890123456789}`,
	`{"NextShardIterator":"AAA","MillisBehindLatest":5,"Records":[]}`, `{"NextShardIterator":null,"Records":[]}`, `{"NextShardIterator":""}`, `{"NextShardIterator":"a","NextShardIterator":"b"}`,
	`{"ChildShards":[{"ShardId":"s","ParentShards":["p",null],"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"}}],"Records":[{"Data":"QQ=="}]}`, `{"ChildShards":null}`, `{"ChildShards":[]}`,
	`{"FailedRecordCount":0}`, `{"FailedRecordCount":2147483647}`, `{"FailedRecordCount":2147483648}`, `{"FailedRecordCount":-1}`, `{"FailedRecordCount":null,"EncryptionType":"KMS"}`, `{"FailedRecordCount":true}`,
	`{"FailedRecordCount":1,"Records":[{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard \"shardId-000000000001\""},{"ErrorCode":null,"ErrorMessage":null,"SequenceNumber":"1","ShardId":"s"}]}`,
	`{"EncryptionType":"KMS","EncryptionType":"NONE"}`, `{"Records":[nul]}`, `{"Records":nullx}`, `{"Records":nul`, `{"MillisBehindLatest":nan}`, strings.Repeat(`{"Records":[`, 30), strings.Repeat(`[`, 20_000),
	`{"__type":"ExpiredIteratorException","message":"Iterator expired."}`, `{"__type":"com.amazonaws.kinesis#ProvisionedThroughputExceededException","Message":"slow"}`, `{"__type":"Strange"}`, `<html>`,
}

func TestOddAnswersAreReadAsTheSDKReadsThem(t *testing.T) {
	t.Parallel()
	for _, body := range oddAnswers {
		for _, operation := range []*smithy.OperationSchema{getRecords, putRecords} {
			for _, status := range []int{200, 204, 299, 400, 500} {
				checkSame(t, operation, status, []byte(body))
			}
		}
	}
}

func TestEveryBeginningOfAnAnswerIsReadAsTheSDKReadsIt(t *testing.T) {
	t.Parallel()
	for operation, body := range map[*smithy.OperationSchema][]byte{getRecords: getAnswer(3, 20), putRecords: putAnswer(3)} {
		for length := range body {
			checkSame(t, operation, 200, body[:length])
		}
	}
}

// FuzzGetRecordsResponse and FuzzPutRecordsResponse read arbitrary answers.
func FuzzGetRecordsResponse(f *testing.F) { fuzzResponse(f, getRecords, getAnswer(3, 10)) }
func FuzzPutRecordsResponse(f *testing.F) { fuzzResponse(f, putRecords, putAnswer(3)) }

func fuzzResponse(f *testing.F, operation *smithy.OperationSchema, usual []byte) {
	f.Add(usual)
	for _, body := range oddAnswers {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkSame(t, operation, 200, body) })
}

// TestRandomAnswersAreReadAsTheSDKReadsThem writes answers without oddities, which
// this package reads by itself, and answers with some.
func TestRandomAnswersAreReadAsTheSDKReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		oddity := rapid.IntRange(0, 1).Draw(t, "oddity") * 40
		draw, encryption := &jsonDrawer{t, oddity}, drawEncryption(t, oddity > 0)
		operation, members := getRecords, []any{"MillisBehindLatest", draw.integer, "NextShardIterator", draw.text, "Records", draw.array("ApproximateArrivalTimestamp", draw.seconds,
			"Data", draw.data, "EncryptionType", encryption, "PartitionKey", draw.text, "SequenceNumber", draw.text)}
		if rapid.Bool().Draw(t, "put") {
			operation, members = putRecords, []any{"EncryptionType", encryption, "FailedRecordCount", draw.integer, "Records", draw.array("ErrorCode", draw.text, "ErrorMessage", draw.text,
				"SequenceNumber", draw.text, "ShardId", draw.text)}
		}
		body := []byte(draw.object(members...))
		checkSame(t, operation, 200, body)
		if oddity == 0 && !readHere(operation, body) {
			t.Errorf("answer %q was left to the SDK", body)
		}
	})
}

// readHere reports whether this package reads an answer without the SDK.
func readHere(operation *smithy.OperationSchema, body []byte) bool {
	usual, err := kinesisprotocol.ReadJSON(body, outputOf(operation))
	return usual && err == nil
}

func outputOf(operation *smithy.OperationSchema) smithy.Deserializable {
	if operation == putRecords {
		return &kinesis.PutRecordsOutput{}
	}
	return &kinesis.GetRecordsOutput{}
}

func TestSomeOddAnswersAreLeftToTheSDK(t *testing.T) {
	t.Parallel()
	for body, here := range map[string]bool{
		`{}`: true, `{"Records":[]}`: true, `{"Records":[{"SequenceNumber":"\u0031"},{}]}`: true,
		`null`: false, `{"Records":[null]}`: false, `{"Records":"x"}`: false, `{"Records":[{"SequenceNumber":1}]}`: false, `{"Unknown":1}`: false,
	} {
		for _, operation := range []*smithy.OperationSchema{getRecords, putRecords} {
			if got := readHere(operation, []byte(body)); got != here {
				t.Errorf("%s answer %q is read here: %t; want %t", operation.ID().Name, body, got, here)
			}
		}
	}
}

// jsonDrawer draws JSON of which one piece in oddity is odd, none for 0.
type jsonDrawer struct {
	t      *rapid.T
	oddity int
}

func (d *jsonDrawer) odd() bool {
	return d.oddity > 0 && rapid.IntRange(1, d.oddity).Draw(d.t, "odd") == 1
}

// oddly is the text, or something odd in its place.
func (d *jsonDrawer) oddly(text string) string {
	if !d.odd() {
		return d.space() + text + d.space()
	}
	return rapid.SampledFrom([]string{`null`, `true`, `-1`, `1e5`, `"x"`, `"\u0041"`, `[]`, `{}`, `{"a":[null]}`, ``, `NaN`, text + text, `"` + text}).Draw(d.t, "instead")
}

func (d *jsonDrawer) space() string {
	return rapid.SampledFrom([]string{"", "", "", "", " ", "\n\t", "\r"}).Draw(d.t, "space")
}

func (d *jsonDrawer) object(members ...any) string {
	var texts []string
	for i := 0; i < len(members); i += 2 {
		switch rapid.IntRange(0, 7).Draw(d.t, "member") {
		case 0: // absent
		case 1:
			texts = append(texts, fmt.Sprintf("%q:%snull", members[i], d.space()))
		default:
			texts = append(texts, fmt.Sprintf("%s%q%s:%s", d.space(), members[i], d.space(), d.oddly(members[i+1].(func() string)())))
		}
		if d.odd() && len(texts) > 0 {
			texts = append(texts, rapid.SampledFrom([]string{texts[len(texts)-1], `"Unknown":{"Data":[1.5e-3,"\n"]}`, `"Data":"QQ=="`, `"ChildShards":[]`}).Draw(d.t, "more"))
		}
	}
	return d.oddly("{" + strings.Join(texts, ",") + "}")
}

func (d *jsonDrawer) array(members ...any) func() string {
	return func() string {
		items := make([]string, rapid.IntRange(0, 5).Draw(d.t, "items"))
		for i := range items {
			items[i] = d.object(members...)
		}
		return d.oddly("[" + strings.Join(items, ",") + "]")
	}
}

func (d *jsonDrawer) integer() string {
	most := uint32(999_999_999)
	if d.oddity > 0 {
		most = 1<<31 - 1
	}
	return fmt.Sprint(rapid.Uint32Range(0, most).Draw(d.t, "integer"))
}

func (d *jsonDrawer) seconds() string {
	format := rapid.SampledFrom([]string{"%.3f", "%.0f", "%.12E", "%g", "%.7f", "%e"}).Draw(d.t, "format")
	return fmt.Sprintf(format, rapid.Float64Range(0, 4e9).Draw(d.t, "seconds"))
}

func (d *jsonDrawer) data() string {
	text, err := json.Marshal(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(d.t, "data"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d *jsonDrawer) text() string {
	text := rapid.StringN(0, 40, -1).Draw(d.t, "text")
	if rapid.Bool().Draw(d.t, "plain") {
		text = rapid.StringMatching(`[ -~]{0,60}`).Draw(d.t, "ASCII")
	}
	if !utf8.ValidString(text) {
		d.t.Fatalf("%q is not UTF-8", text)
	}
	encoded, err := json.Marshal(text)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(encoded)
}
