package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

func TestAnEndpointThatSaysNothingIsAskedOnce(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the client has gone
		<-r.Context().Done()
	}))
	defer silent.Close()
	client := kinesis.New(kinesis.Options{
		Region:       localRegion,
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		BaseEndpoint: &silent.URL,
		HTTPClient:   newHTTPClient(awshttp.NewBuildableClient(), dialTimeout, 20*time.Millisecond),
		Retryer:      newRetryer(),
	})
	_, err := client.ListStreams(t.Context(), nil)
	sentence, hint := explain(err)
	if want := "no answer from " + silent.URL + ": it timed out"; sentence != want || !strings.Contains(hint, "kinetrail serve") {
		t.Errorf("explain(%v) = %q, %q; want %q and a hint at kinetrail serve", err, sentence, hint, want)
	}
	if n := requests.Load(); n > 1 { // on a busy machine the time may be over before the endpoint looks
		t.Errorf("the endpoint was asked %d times; want once", n)
	}
}

func TestAnEndpointThatAsksForPatienceIsAskedAgain(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type":"LimitExceededException","message":"Rate exceeded"}`))
			return
		}
		_, _ = w.Write([]byte(`{"HasMoreStreams":false,"StreamNames":[],"StreamSummaries":[]}`))
	}))
	defer busy.Close()
	got := run(t, "", "--local", "--endpoint-url", busy.URL, "list")
	if got.code != exitOK || got.stdout != "There are no streams.\n" || requests.Load() != 2 {
		t.Errorf("list after one LimitExceededException: %+v after %d requests; want no streams after 2", got, requests.Load())
	}
}
