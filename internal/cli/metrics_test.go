package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// announced is a stderr that hands on where the metrics are.
type announced struct {
	urls chan string
	text strings.Builder
}

var metricsURL = regexp.MustCompile(`^Metrics are at (http://127\.0\.0\.1:\d+/metrics)\n$`)

func (w *announced) Write(p []byte) (int, error) {
	w.text.Write(p)
	if found := metricsURL.FindSubmatch(p); found != nil {
		w.urls <- string(found[1])
	}
	return len(p), nil
}

// eventually scrapes until a series has the value.
func eventually(t *testing.T, url, series string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	last := ""
	for !strings.Contains(last, "\n"+series+"\n") {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true // no connection outlives the test
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("scraping for %s: %v; the last scrape was\n%s", series, err, last)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		last = string(text)
	}
}

func TestPutServesItsMetricsWhileItRuns(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	stdin, lines := io.Pipe()
	stderr := &announced{urls: make(chan string, 1)}
	done := make(chan int)
	go func() {
		done <- Run(t.Context(), with(flags, "put", "orders", "-k", "user-1", "--metrics", "127.0.0.1:0"), stdin, io.Discard, stderr, noVariables)
	}()
	url := <-stderr.urls
	fmt.Fprintln(lines, "one")
	fmt.Fprintln(lines, "two")
	eventually(t, url, `kinetrail_producer_user_records_sent_total{stream_name="orders"} 2`)
	lines.Close()
	if code := <-done; code != exitOK {
		t.Errorf("put: exit code %d, stderr %q; want 0", code, stderr.text.String())
	}
	answer, err := http.Get(url)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	// Somebody else may have been given the port.
	if text, _ := io.ReadAll(answer.Body); strings.Contains(string(text), "kinetrail_producer") {
		t.Errorf("after put the endpoint still answers %s", answer.Status)
	}
}

func TestTailServesItsMetricsWhileItRuns(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	succeed(t, with(flags, "put", "orders", "one", "-k", "user-1")...)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	stderr := &announced{urls: make(chan string, 1)}
	done := make(chan int)
	go func() {
		done <- Run(ctx, with(flags, "tail", "orders", "--from", "trim-horizon", "--metrics", "127.0.0.1:0"), strings.NewReader(""), io.Discard, stderr, noVariables)
	}()
	url := <-stderr.urls
	eventually(t, url, `kinetrail_stream_shards_active{stream_name="orders"} 2`)
	eventually(t, url, `kinetrail_consumer_end_to_end_latency_seconds_count{stream_name="orders"} 1`)
	interrupt()
	if code := <-done; code != exitInterrupted {
		t.Errorf("tail: exit code %d, stderr %q; want %d", code, stderr.text.String(), exitInterrupted)
	}
}

// heldOutput is a stdout that takes nothing before it is released.
type heldOutput struct{ released chan struct{} }

func (w heldOutput) Write(p []byte) (int, error) {
	<-w.released
	return len(p), nil
}

// The endpoint stays for the acts that follow the first, and until the document
// is written.
func TestDemoServesTheMetricsOfItsServices(t *testing.T) {
	t.Parallel()
	stdout, stderr := heldOutput{make(chan struct{})}, &announced{urls: make(chan string, 1)}
	done := make(chan int)
	go func() {
		done <- Run(t.Context(), []string{"demo", "-o", "json", "--metrics", "127.0.0.1:0"}, strings.NewReader(""), stdout, stderr, noVariables)
	}()
	url := <-stderr.urls
	eventually(t, url, `kinetrail_producer_user_records_sent_total{stream_name="events-off"} 100`)
	eventually(t, url, `kinetrail_consumer_end_to_end_latency_seconds_count{stream_name="events-off"} 100`)
	eventually(t, url, `kinetrail_trace_extracted_total{stream_name="events-partition-key"} 200`)
	close(stdout.released)
	if code := <-done; code != exitOK {
		t.Errorf("demo: exit code %d, stderr %q; want 0", code, stderr.text.String())
	}
}

func TestAnAddressForMetricsThatIsTakenIsNamedWithItsFlag(t *testing.T) {
	t.Parallel()
	_, flags := localServer(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	got := run(t, "", with(flags, "put", "orders", "one", "--metrics", taken.Addr().String())...)
	if got.code != exitFailure || !strings.Contains(got.stderr, taken.Addr().String()) || !strings.Contains(got.stderr, "--metrics") {
		t.Errorf("put --metrics on a taken port: %+v; want exit code %d, the address and the flag", got, exitFailure)
	}
	if got := run(t, "", with(flags, "tail", "orders", "--metrics", "9100")...); got.code != exitUsage || !strings.Contains(got.stderr, "host:port") {
		t.Errorf("tail --metrics 9100: %+v; want exit code %d and the form of an address", got, exitUsage)
	}
}
