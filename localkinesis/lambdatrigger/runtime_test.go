package lambdatrigger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.uber.org/goleak"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/lambdatrigger"
)

// process speaks the Runtime API by hand.
type process struct {
	*testing.T
	runtime *lambdatrigger.Runtime
	client  *http.Client
}

func newProcess(t *testing.T) *process {
	t.Helper()
	runtime, err := lambdatrigger.NewRuntime("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		_ = runtime.Close()
		transport.CloseIdleConnections()
	})
	return &process{T: t, runtime: runtime, client: &http.Client{Transport: transport}}
}

func (p *process) url(path string) string {
	return "http://" + p.runtime.Addr() + "/2018-06-01/runtime/" + path
}

// next polls for one invocation.
func (p *process) next() (id, payload string, header http.Header) {
	response, err := p.client.Get(p.url("invocation/next"))
	if err != nil {
		p.Errorf("poll: %v", err)
		return "", "", nil
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.Errorf("poll: status %d, %v", response.StatusCode, err)
	}
	return response.Header.Get("Lambda-Runtime-Aws-Request-Id"), string(body), response.Header
}

// post sends a report and returns its status and the body of the answer.
func (p *process) post(path, body string) (status int, answer string) {
	response, err := p.client.Post(p.url(path), "application/json", strings.NewReader(body))
	if err != nil {
		p.Errorf("post %s: %v", path, err)
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.Errorf("post %s: %v", path, err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

// result is what Invoke returned.
type result struct {
	response string
	err      error
}

// invoke calls Invoke in the background.
func (p *process) invoke(ctx context.Context, payload string) <-chan result {
	results := make(chan result, 1)
	go func() {
		response, err := p.runtime.Invoke(ctx, []byte(payload))
		results <- result{string(response), err}
	}()
	return results
}

func (p *process) wantResult(got result, response, message string) {
	p.Helper()
	text := ""
	if got.err != nil {
		text = got.err.Error()
	}
	if got.response != response || text != message {
		p.Errorf("Invoke = %q, %q; want %q, %q", got.response, text, response, message)
	}
}

func TestAProcessGetsAnInvocationAndAnswersIt(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "id-1", InvokedFunctionArn: "arn:aws:lambda:eu-west-1:1:function:ship"})
	results := p.invoke(ctx, `{"Records":[]}`)

	id, payload, header := p.next()
	if id != "id-1" || payload != `{"Records":[]}` {
		t.Errorf("the process got %q, %s; want id-1 and the payload", id, payload)
	}
	if got := header.Get("Lambda-Runtime-Invoked-Function-Arn"); got != "arn:aws:lambda:eu-west-1:1:function:ship" {
		t.Errorf("Lambda-Runtime-Invoked-Function-Arn = %q", got)
	}
	deadline, err := strconv.ParseInt(header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if left := time.Until(time.UnixMilli(deadline)); err != nil || left > time.Minute || left < 50*time.Second {
		t.Errorf("the deadline is %d, %v: in %v, want in a minute", deadline, err, left)
	}
	if status, _ := p.post("invocation/"+id+"/response", `{"batchItemFailures":[]}`); status != http.StatusAccepted {
		t.Errorf("the answer's status is %d, want 202", status)
	}
	p.wantResult(<-results, `{"batchItemFailures":[]}`, "")
}

func TestAProcessReportsErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, body string
		want             string
	}{
		{"an error", "error", `{"errorType":"PoisonError","errorMessage":"no such order","stackTrace":[]}`, "PoisonError: no such order"},
		{"an error without a body", "error", ``, ": no error message"},
		{"a response beyond 6 MiB", "response", strings.Repeat("x", 6<<20+1),
			"Function.ResponseSizeTooLarge: Response payload size exceeded maximum allowed payload size (6291456 bytes)."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t)
			results := p.invoke(t.Context(), "{}")
			id, _, _ := p.next()
			p.post("invocation/"+id+"/"+tt.path, tt.body)
			got := <-results
			p.wantResult(got, "", tt.want)
			if _, ok := errors.AsType[*lambdatrigger.FunctionError](got.err); !ok {
				t.Errorf("the error is a %T, want a *FunctionError", got.err)
			}
		})
	}
}

func TestAnErrorInTheTrailerOfAResponseCounts(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	results := p.invoke(t.Context(), "{}")
	id, _, _ := p.next()
	// A reader hides the length, so that the body is sent in chunks.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url("invocation/"+id+"/response"), io.MultiReader(strings.NewReader("half of it")))
	if err != nil {
		t.Fatal(err)
	}
	request.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {"PoisonError"}}
	response, err := p.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	p.wantResult(<-results, "", "PoisonError: the response ended with an error")
}

func TestAnErrorBeforeTheFirstInvocationFailsTheOneThatWaits(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	const report = `{"errorType":"Runtime.ImportModuleError","errorMessage":"no handler"}`
	if status, _ := p.post("init/error", report); status != http.StatusAccepted {
		t.Errorf("without an invocation the report's status is %d, want 202", status)
	}
	results := p.invoke(t.Context(), "{}")
	for {
		p.post("init/error", report)
		select {
		case got := <-results:
			p.wantResult(got, "", "Runtime.ImportModuleError: no handler")
			return
		default: // Invoke is not yet waiting
		}
	}
}

func TestAnAnswerToNoInvocationIsRefused(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	status, answer := p.post("invocation/unknown/response", "{}")
	var got map[string]string
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusBadRequest || got["errorType"] != "InvalidRequestID" {
		t.Errorf("the answer is %d %s, want 400 InvalidRequestID", status, answer)
	}
	if status, _ := p.post("invocation/unknown/elsewhere", "{}"); status != http.StatusNotFound {
		t.Errorf("an unknown path has status %d, want 404", status)
	}
}

func TestALateAnswerIsTakenAndLeadsNowhere(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	ctx, cancel := context.WithCancel(t.Context())
	results := p.invoke(ctx, "1")
	id, _, _ := p.next()
	cancel()
	p.wantResult(<-results, "", "context canceled")
	if status, _ := p.post("invocation/"+id+"/response", "late"); status != http.StatusAccepted {
		t.Errorf("the late answer's status is %d, want 202", status)
	}

	results = p.invoke(t.Context(), "2")
	id, payload, _ := p.next()
	p.post("invocation/"+id+"/response", "second")
	if got := <-results; payload != "2" || got.response != "second" {
		t.Errorf("the second invocation had payload %q and answer %q", payload, got.response)
	}
}

func TestAProcessThatOverrunsItsTimeFailsTheInvocation(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	client := server.Client()
	_, err = client.PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte("1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	trigger, err := lambdatrigger.New(client, "orders", p.runtime, quiet, func(o *lambdatrigger.Options) {
		o.Timeout, o.PollInterval = 50*time.Millisecond, 10*time.Millisecond
		o.MaximumRetryAttempts = 0
		o.OnFailure = func(context.Context, lambdatrigger.FailureRecord) { p.put(client, "2") }
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- trigger.Run(ctx) }()

	first, _, _ := p.next()
	second, payload, _ := p.next() // is there when the first has failed and was discarded
	if status, _ := p.post("invocation/"+second+"/response", ""); status != http.StatusAccepted {
		t.Errorf("the answer's status is %d, want 202", status)
	}
	if first == second || !strings.Contains(payload, `"data":"Mg=="`) {
		t.Errorf("the second invocation, %s after %s, has %s; want the record put when the first was discarded", second, first, payload)
	}
	stop()
	if err := <-running; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want the end of its ctx", err)
	}
}

// put puts a record from a callback.
func (p *process) put(client *kinesis.Client, text string) {
	_, err := client.PutRecord(p.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte(text),
	})
	if err != nil {
		p.Error(err)
	}
}

func TestSeveralProcessesServeSeveralInvocations(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	const processes, invocations = 3, 30
	var polling sync.WaitGroup
	for range processes {
		polling.Go(func() {
			for range invocations / processes {
				id, payload, _ := p.next()
				p.post("invocation/"+id+"/response", "answer to "+payload)
			}
		})
	}
	var invoking sync.WaitGroup
	for i := range invocations {
		invoking.Go(func() {
			response, err := p.runtime.Invoke(t.Context(), fmt.Append(nil, i))
			if want := fmt.Sprintf("answer to %d", i); err != nil || string(response) != want {
				t.Errorf("Invoke(%d) = %q, %v; want %q", i, response, err, want)
			}
		})
	}
	invoking.Wait()
	polling.Wait()
}

func TestCloseEndsPollsAndInvocations(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	runtime, err := lambdatrigger.NewRuntime("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, runtime: runtime, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	inFlight := p.invoke(t.Context(), "1")
	p.next()
	waiting := p.invoke(t.Context(), "2")

	if err := runtime.Close(); err != nil {
		t.Error(err)
	}
	for _, results := range []<-chan result{inFlight, waiting} {
		if got := <-results; !errors.Is(got.err, lambdatrigger.ErrRuntimeClosed) {
			t.Errorf("Invoke = %q, %v; want ErrRuntimeClosed", got.response, got.err)
		}
	}
	if response, err := p.client.Get(p.url("invocation/next")); err == nil {
		_ = response.Body.Close()
		t.Error("a closed runtime still takes polls")
	}
	if _, err := runtime.Invoke(t.Context(), nil); !errors.Is(err, lambdatrigger.ErrRuntimeClosed) {
		t.Errorf("Invoke on a closed runtime: %v, want ErrRuntimeClosed", err)
	}
}

func TestAnAddressThatIsTakenIsRefused(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	if second, err := lambdatrigger.NewRuntime(p.runtime.Addr()); err == nil {
		_ = second.Close()
		t.Errorf("two runtimes listen on %s", p.runtime.Addr())
	}
}
