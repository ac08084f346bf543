package kinesisprotocol_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/localkinesis"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithytime "github.com/aws/smithy-go/time"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// sdkFolder is where the go command keeps the module of the SDK's client, with
// its snapshots of requests and answers.
var sdkFolder = sync.OnceValues(func() (string, error) {
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/kinesis").Output()
	return strings.TrimSpace(string(output)), err
})

func snapshot(t *testing.T, name string) []byte {
	t.Helper()
	folder, err := sdkFolder()
	if err != nil || folder == "" {
		t.Fatalf("find the module of the Kinesis client: folder %q, error %v", folder, err)
	}
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatalf("read a snapshot of the SDK: %v", err)
	}
	return text
}

// errSent ends a call when its request is ready to be signed.
var errSent = errors.New("the request is ready")

// requestOf is the request of a call in the form of the SDK's snapshots.
func requestOf(t *testing.T, call func(*kinesis.Client) error) string {
	t.Helper()
	var text strings.Builder
	client := kinesis.New(kinesis.Options{Region: "us-east-1", APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
		stack.Finalize.Clear()
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("capture", func(
			ctx context.Context, in middleware.FinalizeInput, _ middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			request := in.Request.(*smithyhttp.Request).Build(ctx)
			text.WriteString(request.Method + " " + request.URL.Path + "\n\n")
			for _, name := range []string{"Content-Type", "X-Amz-Target"} {
				text.WriteString(name + ": " + request.Header.Get(name) + "\n")
			}
			text.WriteString("\n")
			_, err := io.Copy(&text, request.Body)
			return middleware.FinalizeOutput{}, middleware.Metadata{}, errors.Join(errSent, err)
		}), middleware.After)
	}}}, kinesisprotocol.Install)
	if err := call(client); !errors.Is(err, errSent) {
		t.Fatalf("error %v; want %v", err, errSent)
	}
	return text.String()
}

func TestRequestsAreThoseOfTheSDKsSnapshots(t *testing.T) {
	t.Parallel()
	text := func(name string) *string { return aws.String("__" + name + "__") }
	entry := types.PutRecordsRequestEntry{Data: []byte("blob"), ExplicitHashKey: text("ExplicitHashKey"), PartitionKey: text("PartitionKey")}
	tests := map[string]func(*kinesis.Client) error{
		"PutRecords": func(client *kinesis.Client) error {
			_, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{
				DryRun: aws.Bool(true), Records: []types.PutRecordsRequestEntry{entry, entry},
				StreamARN: text("StreamARN"), StreamId: text("StreamId"), StreamName: text("StreamName"),
			})
			return err
		},
		"GetRecords": func(client *kinesis.Client) error {
			_, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{
				DryRun: aws.Bool(true), Limit: aws.Int32(1), ShardIterator: text("ShardIterator"), StreamARN: text("StreamARN"), StreamId: text("StreamId"),
			})
			return err
		},
		"MergeShards": func(client *kinesis.Client) error {
			_, err := client.MergeShards(t.Context(), &kinesis.MergeShardsInput{
				AdjacentShardToMerge: text("AdjacentShardToMerge"), ShardToMerge: text("ShardToMerge"),
				StreamARN: text("StreamARN"), StreamId: text("StreamId"), StreamName: text("StreamName"),
			})
			return err
		},
	}
	for operation, call := range tests {
		want := string(snapshot(t, "request_snapshot/"+operation+".request.snap"))
		if got := requestOf(t, call); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", operation, got, want)
		}
	}
}

// snapshotAnswer is the answer a snapshot holds: status, headers, body.
func snapshotAnswer(t *testing.T, name string) *smithyhttp.Response {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(snapshot(t, name)))
	line, err := reader.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	status, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("status of %s: %v", name, err)
	}
	header := http.Header{}
	for {
		line, err := reader.ReadString('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			break
		}
		header.Add(key, value)
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	response := answer(status, body)
	response.Header = header
	return response
}

func TestAnswersAreReadAsTheSDKReadsItsSnapshots(t *testing.T) {
	t.Parallel()
	outputs := map[string]func() (*smithy.OperationSchema, smithy.Deserializable){
		"PutRecords": func() (*smithy.OperationSchema, smithy.Deserializable) {
			return putRecords, &kinesis.PutRecordsOutput{}
		},
		"GetRecords": func() (*smithy.OperationSchema, smithy.Deserializable) {
			return getRecords, &kinesis.GetRecordsOutput{}
		},
	}
	folder, err := sdkFolder()
	if err != nil {
		t.Fatalf("find the module of the Kinesis client: %v", err)
	}
	names, err := filepath.Glob(filepath.Join(folder, "response_snapshot", "*.error.snap"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d snapshots of errors, error %v; want at least 10", len(names), err)
	}
	for operation := range outputs {
		names = append(names, operation+".response.snap")
	}
	for _, name := range names {
		name = "response_snapshot/" + filepath.Base(name)
		for operation, output := range outputs {
			if strings.HasSuffix(name, ".response.snap") && !strings.Contains(name, operation) {
				continue
			}
			schema, want := output()
			wantErr := sdk.DeserializeResponse(t.Context(), schema, kinesis.TypeRegistry, snapshotAnswer(t, name), want)
			_, got := output()
			gotErr := ours.DeserializeResponse(t.Context(), schema, kinesis.TypeRegistry, snapshotAnswer(t, name), got)
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotErr, wantErr) {
				t.Errorf("%s as the answer of %s: %s, error %#v\nwant %s, error %#v", name, operation, describe(got), gotErr, describe(want), wantErr)
			}
			if strings.HasSuffix(name, ".error.snap") == (gotErr == nil) {
				t.Errorf("%s as the answer of %s: error %v", name, operation, gotErr)
			}
		}
	}
}

func TestInstallReplacesTheSDKsProtocolAlone(t *testing.T) {
	t.Parallel()
	client := kinesis.New(kinesis.Options{}, kinesisprotocol.Install)
	options := client.Options()
	if !kinesisprotocol.Installed(options) {
		t.Fatalf("the protocol of a client with Install is a %T", options.Protocol)
	}
	if got, want := options.Protocol.ID(), sdk.ID(); got != want {
		t.Errorf("the protocol is called %v; want %v", got, want)
	}
	installed := options.Protocol
	kinesisprotocol.Install(&options)
	if options.Protocol != installed {
		t.Errorf("a second Install made a %T of a %T", options.Protocol, installed)
	}

	foreign := struct{ smithyhttp.ClientProtocol }{sdk}
	options = kinesis.Options{Protocol: foreign}
	kinesisprotocol.Install(&options)
	if options.Protocol != foreign || kinesisprotocol.Installed(options) {
		t.Errorf("Install made a %T of a foreign protocol", options.Protocol)
	}
	options = kinesis.Options{}
	kinesisprotocol.Install(&options)
	if options.Protocol != nil {
		t.Errorf("Install made a %T of no protocol", options.Protocol)
	}
}

func TestInstallWorksForOneCall(t *testing.T) {
	t.Parallel()
	client := answering(getAnswer(2, 10))
	output, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")}, kinesisprotocol.Install)
	if err != nil || !onOnePage(output.Records) {
		t.Errorf("the records of a call with Install do not share a page (error %v)", err)
	}
	output, err = client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
	if err != nil || onOnePage(output.Records) {
		t.Errorf("the records of a call without Install share a page (error %v)", err)
	}
}

// onOnePage reports whether each record's key lies as far behind its data as it
// does in the text of getAnswer.
func onOnePage(records []types.Record) bool {
	for _, r := range records {
		data, key := uintptr(unsafe.Pointer(unsafe.SliceData(r.Data))), uintptr(unsafe.Pointer(unsafe.StringData(*r.PartitionKey)))
		if key-data != uintptr(len(encode(r.Data)+`","PartitionKey":"`)) {
			return false
		}
	}
	return len(records) > 0
}

func TestOtherOperationsPassThrough(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 3} })
	client := server.Client(kinesisprotocol.Install)
	shards, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("orders")})
	if err != nil || len(shards.Shards) != 3 {
		t.Fatalf("ListShards: %v, error %v; want 3 shards", shards, err)
	}
	_, err = client.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("gone"), Records: putInput(1, 1).Records})
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) {
		t.Errorf("PutRecords to a stream that is not there: %v; want a ResourceNotFoundException", err)
	}
}

func TestWhatIsPutComesBack(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	client := server.Client(kinesisprotocol.Install)
	input := putInput(300, 700)
	input.Records[7].PartitionKey = aws.String("clé \"鍵\" \u2028 <&> \x7f\t")
	input.Records[8].Data = []byte{0}
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
	got, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
	if err != nil || len(got.Records) != 300 {
		t.Fatalf("GetRecords: %d records, error %v; want 300", len(got.Records), err)
	}
	for i, r := range got.Records {
		sent := input.Records[i]
		if !bytes.Equal(r.Data, sent.Data) || *r.PartitionKey != *sent.PartitionKey || *r.SequenceNumber != *put.Records[i].SequenceNumber {
			t.Errorf("record %d: %s; want key %q and number %s", i, describe(r), *sent.PartitionKey, *put.Records[i].SequenceNumber)
		}
	}
}

func TestABodyThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	for _, body := range [][]byte{nil, getAnswer(2, 10)} {
		response := answer(200, nil)
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{broken}))
		err := ours.DeserializeResponse(t.Context(), getRecords, kinesis.TypeRegistry, response, &kinesis.GetRecordsOutput{})
		var wrapped *smithy.DeserializationError
		if !errors.As(err, &wrapped) || !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v; want a DeserializationError of %v", len(body), err, broken)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheAnnouncedLengthIsNotBelieved(t *testing.T) {
	t.Parallel()
	body := getAnswer(50, 100)
	for _, length := range []int64{-1, 0, 1, int64(len(body)) - 1, int64(len(body)), 1 << 50} {
		response := answer(200, body)
		response.ContentLength = length
		output := &kinesis.GetRecordsOutput{}
		err := ours.DeserializeResponse(t.Context(), getRecords, kinesis.TypeRegistry, response, output)
		if err != nil || len(output.Records) != 50 {
			t.Errorf("length %d: %d records, error %v; want 50", length, len(output.Records), err)
		}
	}
}

// pageOf reads an answer of GetRecords.
func pageOf(t *testing.T, body []byte) *kinesis.GetRecordsOutput {
	t.Helper()
	output := &kinesis.GetRecordsOutput{}
	if err := ours.DeserializeResponse(t.Context(), getRecords, kinesis.TypeRegistry, answer(200, body), output); err != nil {
		t.Fatal(err)
	}
	return output
}

func TestAppendingToARecordLeavesItsNeighboursAlone(t *testing.T) {
	t.Parallel()
	got, want := pageOf(t, getAnswer(5, 31)), pageOf(t, getAnswer(5, 31))
	for i, r := range got.Records {
		if cap(r.Data) != len(r.Data) {
			t.Errorf("the data of record %d has room for %d bytes behind its %d", i, cap(r.Data)-len(r.Data), len(r.Data))
		}
		got.Records[i].Data = append(got.Records[i].Data, "overwritten?"...)
	}
	for i, r := range got.Records {
		r.Data = r.Data[:len(r.Data)-len("overwritten?")]
		if !reflect.DeepEqual(r, want.Records[i]) {
			t.Errorf("record %d became %s; want %s", i, describe(r), describe(want.Records[i]))
		}
	}
}

func TestTheNextIteratorIsNotOnThePage(t *testing.T) {
	t.Parallel()
	body := getAnswer(1000, 100)
	output := pageOf(t, body)
	data := uintptr(unsafe.Pointer(unsafe.SliceData(output.Records[0].Data)))
	start := data - uintptr(bytes.Index(body, []byte(encode(putInput(1, 100).Records[0].Data))))
	iterator := uintptr(unsafe.Pointer(unsafe.StringData(*output.NextShardIterator)))
	if start <= iterator && iterator < start+uintptr(len(body)) {
		t.Errorf("the iterator is byte %d of the page, which it keeps in memory", iterator-start)
	}
}

func TestTimesAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 5_000 {
		// Just at a whole millisecond, where the rounding shows.
		seconds, milliseconds := random.IntN(4_000_000_000), random.IntN(1000)
		zeros := strings.Repeat("0", random.IntN(12))
		nines := strings.Repeat("9", random.IntN(12))
		digits := fmt.Sprintf("%d%03d", seconds, milliseconds)
		exponent := random.IntN(30)
		for _, text := range []string{
			fmt.Sprintf("%d.%03d%s", seconds, milliseconds, zeros),
			fmt.Sprintf("%d.%03d%s", seconds, milliseconds, nines),
			fmt.Sprintf("%s%sE-%d", digits, strings.Repeat("0", exponent), 3+exponent),
			fmt.Sprintf("0.%s%sE+%d", strings.Repeat("0", exponent), digits, len(digits)-3+exponent),
		} {
			number, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			want := smithytime.ParseEpochSeconds(number)
			output := pageOf(t, []byte(`{"Records":[{"ApproximateArrivalTimestamp":`+text+`}]}`))
			if got := *output.Records[0].ApproximateArrivalTimestamp; got != want {
				t.Fatalf("%s is %v; want %v", text, got, want)
			}
		}
	}
}

func TestACloneSharesNothing(t *testing.T) {
	t.Parallel()
	original := pageOf(t, getAnswer(1, 20)).Records[0]
	clone := kinesisprotocol.Clone(original)
	if !reflect.DeepEqual(clone, original) {
		t.Errorf("clone %s; want %s", describe(clone), describe(original))
	}
	if unsafe.SliceData(clone.Data) == unsafe.SliceData(original.Data) ||
		unsafe.StringData(*clone.PartitionKey) == unsafe.StringData(*original.PartitionKey) ||
		unsafe.StringData(*clone.SequenceNumber) == unsafe.StringData(*original.SequenceNumber) ||
		clone.ApproximateArrivalTimestamp == original.ApproximateArrivalTimestamp {
		t.Errorf("the clone %s shares memory with its original", describe(clone))
	}
	if clone := kinesisprotocol.Clone(types.Record{}); !reflect.DeepEqual(clone, types.Record{}) {
		t.Errorf("the clone of nothing is %s", describe(clone))
	}
}

func TestRecordsCostNextToNoAllocations(t *testing.T) {
	var results []kinesisprotocol.Result
	into := kinesis.New(kinesis.Options{}, kinesisprotocol.ResultsInto(&results)).Options().Protocol
	get := func() smithy.Deserializable { return &kinesis.GetRecordsOutput{} }
	put := func() smithy.Deserializable { return &kinesis.PutRecordsOutput{} }
	tests := []struct {
		operation *smithy.OperationSchema
		protocol  smithyhttp.ClientProtocol
		respond   func(status int, body []byte) *smithyhttp.Response
		body      []byte
		output    func() smithy.Deserializable
	}{
		{getRecords, ours, answer, getAnswer(1000, 100), get},
		{putRecords, ours, answer, putAnswer(500), put},
		{putRecords, ours, cborAnswer, putAnswerCBOR(500), put},
		{putRecords, into, answer, putAnswer(500), put},
		{putRecords, into, cborAnswer, putAnswerCBOR(500), put},
	}
	for _, tt := range tests {
		got := testing.AllocsPerRun(20, func() {
			err := tt.protocol.DeserializeResponse(t.Context(), tt.operation, kinesis.TypeRegistry, tt.respond(200, tt.body), tt.output())
			if err != nil {
				t.Fatal(err)
			}
		})
		if got > 40 { // half of them when memory from the answer before is at hand
			t.Errorf("%v allocations for an answer of %d bytes to %s; want at most 40", got, len(tt.body), tt.operation.ID().Name)
		}
	}
}

func TestBase64IsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for length := range 200 {
		data := putInput(1, length).Records[0].Data
		text := kinesisprotocol.AppendBase64([]byte("x"), data)
		want := append([]byte("x"), []byte(encode(data))...)
		if !bytes.Equal(text, want) {
			t.Errorf("appendBase64 of %x: %s; want %s", data, text, want)
		}
		// Behind the text there is no room, and in front of it nothing changes.
		got, err := kinesisprotocol.DecodeInPlace(text[1:len(text):len(text)])
		if err != nil || !bytes.Equal(got, data) || text[0] != 'x' {
			t.Errorf("decodeInPlace of %s: %x, error %v; want %x", want[1:], got, err, data)
		}
	}
}

func TestALentTextIsGivenBackWhenItWasSent(t *testing.T) {
	t.Parallel()
	input := putInput(3, 50)
	want := bodyOf(t, sdk, input)
	body := kinesisprotocol.NewLentBody(input)
	read := func(how string) {
		t.Helper()
		var got bytes.Buffer
		if _, err := io.Copy(&got, struct{ io.Reader }{body}); err != nil || got.String() != want || body.Len() != 0 {
			t.Errorf("%s: %q, error %v, %d bytes left; want %q", how, &got, err, body.Len(), want)
		}
	}
	rewind := func() {
		t.Helper()
		if _, err := body.Seek(0, io.SeekStart); err != nil || body.Len() != len(want) {
			t.Fatalf("rewind: error %v, %d bytes left; want %d", err, body.Len(), len(want))
		}
	}

	if _, err := body.WriteTo(io.Discard); err != nil || body.GivenBack() {
		t.Errorf("after the hash was taken: error %v, given back %t; want false", err, body.GivenBack())
	}
	rewind()
	read("the first time it is sent")
	if !body.GivenBack() {
		t.Error("the text was sent and not given back")
	}
	rewind()
	other := kinesisprotocol.NewLentBody(putInput(5, 60))
	read("the second time it is sent")
	if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.EOF || other.GivenBack() {
		t.Errorf("behind the end: %d bytes, error %v; want EOF", n, err)
	}

	rewind()
	if _, err := io.ReadFull(body, make([]byte, 20)); err != nil || body.GivenBack() {
		t.Errorf("in the middle: error %v, given back %t; want false", err, body.GivenBack())
	}
	if at, err := body.Seek(-20, io.SeekCurrent); at != 0 || err != nil {
		t.Errorf("Seek(-20, SeekCurrent) = %d, %v; want 0", at, err)
	}
	if at, err := body.Seek(0, io.SeekEnd); at != int64(len(want)) || err != nil {
		t.Errorf("Seek(0, SeekEnd) = %d, %v; want %d", at, err, len(want))
	}
	if _, err := body.Seek(1, io.SeekEnd); err == nil {
		t.Error("Seek went beyond the end")
	}
}

func TestAnInputThatChangesDuringACallIsAnError(t *testing.T) {
	t.Parallel()
	input := putInput(2, 10)
	body := kinesisprotocol.NewLentBody(input)
	for range 2 {
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Fatal(err)
		}
		input.Records[0].Data = []byte("shorter")
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return
		}
	}
	t.Error("a request was written anew from another input, and no error said so")
}

// TestBodiesSurviveEarlyAnswers answers every second request before reading it,
// while others go on. What arrives must be what one of the callers sent.
func TestBodiesSurviveEarlyAnswers(t *testing.T) {
	t.Parallel()
	const callers, calls = 4, 12
	inputs, sent := make([]*kinesis.PutRecordsInput, callers), map[string]bool{}
	for i := range inputs {
		inputs[i] = putInput(100+i, 4000+i)
		sent[bodyOf(t, sdk, inputs[i])] = true
	}
	var requests, whole atomic.Int64
	result := putAnswer(1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusInternalServerError) // and the SDK tries again
			return
		}
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil:
			w.WriteHeader(http.StatusInternalServerError)
			return
		case !sent[string(body)]:
			t.Errorf("a body of %d bytes arrived that nobody sent", len(body))
		}
		whole.Add(1)
		if _, err := w.Write(result); err != nil {
			t.Logf("answer: %v", err)
		}
	}))
	defer server.Close()
	client := kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.RateLimiter = 100, ratelimit.None
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	}, kinesisprotocol.Install)

	var running sync.WaitGroup
	for _, input := range inputs {
		running.Go(func() {
			for range calls {
				if _, err := client.PutRecords(t.Context(), input); err != nil {
					t.Errorf("PutRecords: %v", err)
				}
			}
		})
	}
	running.Wait()
	if got := whole.Load(); got != callers*calls || requests.Load() < got+got/2 {
		t.Errorf("%d requests, %d of them read; want %d read and about as many answered early", requests.Load(), got, callers*calls)
	}
}
