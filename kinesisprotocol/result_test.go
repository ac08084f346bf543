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

	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/fxamacker/cbor/v2"
)

// staleResults is what a list holds from the call before.
func staleResults() []kinesisprotocol.Result {
	return []kinesisprotocol.Result{{SequenceNumber: "1", ShardID: "old"}, {ErrorCode: "Old", ErrorMessage: "older"}}
}

// checkResultsInto reads one answer of PutRecords into a list and compares it with
// what the SDK reads.
func checkResultsInto(t interface {
	Helper()
	Errorf(string, ...any)
}, response *smithyhttp.Response, wanted *kinesis.PutRecordsOutput, wantErr error) {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("read the answer: %v", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	results := staleResults()
	into := kinesis.New(kinesis.Options{}, kinesisprotocol.ResultsInto(&results)).Options().Protocol
	output := &kinesis.PutRecordsOutput{}
	err = into.DeserializeResponse(context.Background(), putRecords, kinesis.TypeRegistry, response, output)
	if (err == nil) != (wantErr == nil) {
		t.Errorf("answer %q: error %v; the SDK's is %v", body, err, wantErr)
	}
	if err != nil || wantErr != nil {
		return
	}
	if output.Records != nil {
		t.Errorf("answer %q: %d results in the output too", body, len(output.Records))
	}
	var wantedResults []kinesisprotocol.Result
	for i := range wanted.Records {
		wantedResults = append(wantedResults, kinesisprotocol.ResultOf(&wanted.Records[i]))
	}
	if len(results)+len(wantedResults) > 0 && !reflect.DeepEqual(results, wantedResults) {
		t.Errorf("answer %q: results\n%+v\nwant\n%+v", body, results, wantedResults)
	}
	rest := *wanted
	if rest.Records = nil; !reflect.DeepEqual(output, &rest) {
		t.Errorf("answer %q: %s; want %s", body, describe(output), describe(rest))
	}
}

// checkResultsIntoJSON does so with an answer in JSON.
func checkResultsIntoJSON(t interface {
	Helper()
	Errorf(string, ...any)
}, body []byte) {
	t.Helper()
	read, err := read(sdk, putRecords, 200, body)
	wanted, _ := read.(*kinesis.PutRecordsOutput)
	checkResultsInto(t, answer(200, body), wanted, err)
}

func TestResultsComeIntoAListAsTheSDKReadsThem(t *testing.T) {
	t.Parallel()
	for _, body := range oddAnswers {
		checkResultsIntoJSON(t, []byte(body))
	}
	for _, records := range []int{0, 1, 2, 500, 1200} {
		checkResultsIntoJSON(t, putAnswer(records))
	}
}

// FuzzResultsInto reads arbitrary answers into a list.
func FuzzResultsInto(f *testing.F) {
	for _, body := range oddAnswers {
		f.Add([]byte(body))
	}
	for _, body := range shapedAnswers {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkResultsIntoJSON(t, body) })
}

// shapedAnswers have results that look like the one before, in part.
var shapedAnswers = []string{
	string(putAnswer(4)),
	`{"Records":[{"SequenceNumber":"12345678","ShardId":"a"},{"SequenceNumber":"12345678","ShardId":"b"},{"SequenceNumber":"1234567x","ShardId":"a"},{"SequenceNumber":"","ShardId":""}]}`,
	`{"Records":[{"ShardId":"s-1","SequenceNumber":"1"},{"ShardId":"s-2","SequenceNumber":"2"},{"SequenceNumber":"3","ShardId":"s-1"},{"SequenceNumber":"4","ShardId":"s-3"}]}`,
	`{"Records":[ {"SequenceNumber":"1","ShardId":"s"} , {"SequenceNumber":"2","ShardId":"s"} , {"SequenceNumber":"3","ShardId":"s"}]}`,
	`{"Records":[{"SequenceNumber":"1","ShardId":"s","ErrorCode":null},{"SequenceNumber":"2","ShardId":"t","ErrorCode":null},{"SequenceNumber":"3","ShardId":"s","ErrorCode":"E"}]}`,
	`{"Records":[{"SequenceNumber":"0","SequenceNumber":"1","ShardId":"s"},{"SequenceNumber":"0","SequenceNumber":"2","ShardId":"t"}]}`,
	`{"Records":[{"ErrorCode":"E","ErrorMessage":"m"},{"ErrorCode":"E","ErrorMessage":"n"},{"SequenceNumber":"1","ShardId":"s"},{"ErrorCode":"E","ErrorMessage":"m"}]}`,
	`{"Records":[{"SequenceNumber":"\u003111","ShardId":"s"},{"SequenceNumber":"\u003222","ShardId":"s"},{"SequenceNumber":"\u00322x","ShardId":"s"}]}`,
	`{"Records":[{"SequenceNumber":"1","ShardId":"\\"},{"SequenceNumber":"2","ShardId":"\\"},{"SequenceNumber":"3","ShardId":"\\"}]}`,
	`{"Records":[{"SequenceNumber":"1","ShardId":"\\\\"},{"SequenceNumber":"2","ShardId":"ab"},{"SequenceNumber":"3","ShardId":"\\"}]}`,
	`{"Records":[{"SequenceNumber":"1","ShardId":"\\\\\\\\"},{"SequenceNumber":"2","ShardId":"abcd"},{"SequenceNumber":"3","ShardId":"\\\\"}]}`,
	`{"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"},{"ShardId":"s"},{"ShardId":"t"},{},{}]}`,
	`{"Records":[{"ErrorCode":"E","SequenceNumber":"1","ShardId":"s"},{"ErrorCode":"E","SequenceNumber":"2","ShardId":"s"}]}`,
	`{"Records":[{"SequenceNumber":"1","ErrorMessage":"m","ShardId":"s"},{"SequenceNumber":"2","ErrorMessage":"m","ShardId":"s"}]}`,
	`{"Records":[{"SequenceNumber":"1","ShardId":"a\\"},{"SequenceNumber":"2","ShardId":"b\\"},{"SequenceNumber":"3","ShardId":"é"},{"SequenceNumber":"4","ShardId":"è"}]}`,
	"{\"Records\":[{\"SequenceNumber\":\"1\",\"ShardId\":\"\\\\\\\\\xff\"},{\"SequenceNumber\":\"2\",\"ShardId\":\"\\\\\\\\\xff\"},{\"SequenceNumber\":\"3\",\"ShardId\":\"ab\xff\"}]}",
}

// TestAResultThatDiffersInOneByteIsReadAsTheSDKReadsIt puts every kind of byte
// into every place of the later results of answers.
func TestAResultThatDiffersInOneByteIsReadAsTheSDKReadsIt(t *testing.T) {
	t.Parallel()
	for _, text := range shapedAnswers {
		checkSame(t, putRecords, 200, []byte(text))
		for at := strings.IndexByte(text, '}'); at < len(text); at++ {
			for _, c := range []byte("0:/a\"\\{},\x00\x7f\x80\xff ") {
				body := []byte(text)
				body[at] = c
				checkSame(t, putRecords, 200, body)
			}
		}
	}
}

// TestAResultInCBORThatDiffersInOneByteIsReadAsTheSDKReadsIt does so in CBOR, where
// the SDK reads the same in JSON.
func TestAResultInCBORThatDiffersInOneByteIsReadAsTheSDKReadsIt(t *testing.T) {
	t.Parallel()
	for _, text := range shapedAnswers {
		var tree map[string]any
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		sorted, err := cbor.EncOptions{Sort: cbor.SortCoreDeterministic}.EncMode()
		if err != nil {
			t.Fatal(err)
		}
		body, err := sorted.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		for at := range body {
			for _, c := range []byte("0:a\x00\x40\x60\x61\x62\x67\x80\xa0\xa1\xa2\xbf\xf6\xff") {
				changed := bytes.Clone(body)
				changed[at] = c
				checkCBOR(t, changed)
			}
		}
	}
}

// checkCBOR reads an answer of PutRecords in CBOR, and by the SDK in JSON.
func checkCBOR(t interface {
	Helper()
	Errorf(string, ...any)
}, body []byte) {
	t.Helper()
	var here kinesis.PutRecordsOutput
	if !kinesisprotocol.ReadCBOR(body, &here) {
		return
	}
	text, err := kinesisprotocol.JSONOf(body)
	if err != nil {
		t.Errorf("answer % x was read, and cannot be put into JSON: %v", body, err)
		return
	}
	want, err := read(sdk, putRecords, 200, text)
	if err != nil || !reflect.DeepEqual(&here, want) {
		t.Errorf("answer % x, in JSON %s, error %v\n%s\nwant\n%s", body, text, err, describe(here), describe(want))
	}
}

func TestNothingOfAnAnswerLiesInMemoryThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	var results []kinesisprotocol.Result
	into := kinesis.New(kinesis.Options{}, kinesisprotocol.ResultsInto(&results)).Options().Protocol
	page := []byte(shapedAnswers[0])
	read := func(body []byte) *kinesis.PutRecordsOutput {
		output, err := read(ours, putRecords, 200, body)
		if err != nil {
			t.Fatal(err)
		}
		return output.(*kinesis.PutRecordsOutput)
	}
	output := read(page)
	before := describe(output)
	if _, err := readResponse(into, putRecords, answer(200, page)); err != nil {
		t.Fatal(err)
	}
	list := fmt.Sprint(results)
	for range 20 {
		read([]byte(strings.NewReplacer("4", "7", "shardId", "dIdrahs").Replace(shapedAnswers[0])))
	}
	if after := describe(output); after != before || fmt.Sprint(results) != list {
		t.Errorf("after other answers, the first one is\n%s and\n%v\nwant\n%s and\n%s", after, results, before, list)
	}
}

func TestAListOfResultsIsUsedAgain(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} })
	list := make([]kinesisprotocol.Result, 9, 100)
	first, into := &list[0], kinesisprotocol.ResultsInto(&list)
	for _, form := range []func(*kinesis.Options){kinesisprotocol.With(kinesisprotocol.CBOR), kinesisprotocol.Install, func(*kinesis.Options) {}} {
		output, err := server.Client().PutRecords(t.Context(), putInput(7, 20), form, into)
		if err != nil || len(list) != 7 || &list[0] != first || output.Records != nil || *output.FailedRecordCount != 0 {
			t.Fatalf("%d results in a list of their own (%t), %s, error %v; want 7 in the list given", len(list), &list[0] != first, describe(output), err)
		}
		if r := list[6]; r.SequenceNumber == "" || !strings.HasPrefix(r.ShardID, "shardId-00000000000") || r.ErrorCode != "" || r.ErrorMessage != "" {
			t.Errorf("the last result is %+v", r)
		}
	}
	if _, err := server.Client().PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("gone"), Records: putInput(1, 1).Records}, into); err == nil || len(list) != 0 {
		t.Errorf("a call that failed leaves %d results, error %v; want none and an error", len(list), err)
	}
}

func TestResultsAreInTheOutputForThoseWhoLookAtIt(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} })
	seen := 0
	client := server.Client(func(o *kinesis.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("look", func(
				ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
			) (middleware.InitializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleInitialize(ctx, in)
				if output, ok := out.Result.(*kinesis.PutRecordsOutput); ok {
					seen = len(output.Records)
				}
				return out, metadata, err
			}), middleware.After)
		})
	})
	list := staleResults()
	output, err := client.PutRecords(t.Context(), putInput(7, 20), kinesisprotocol.ResultsInto(&list))
	if err != nil || seen != 7 || len(output.Records) != 7 || len(list) != 0 {
		t.Errorf("%d results were seen, %d are in the output and %d in the list, error %v; want 7, 7 and 0", seen, len(output.Records), len(list), err)
	}
}
