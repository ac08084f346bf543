package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/shardmap"
)

// shardsStream is the stream that thousandShards reads.
const shardsStream = "thousand-shards"

// backlogSize is the data of each record that waits for the worker.
const backlogSize = 1 << 10

// thousandShards runs one worker on many shards: it catches up with what waits
// in each, and then has nothing to do. The server is another process, so that
// memory and processor time are the worker's alone.
func thousandShards(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("shards", flag.ContinueOnError)
	shards := flags.Int("shards", 1000, "how `many` shards the stream has")
	backlog := flags.Int("backlog", 200, "`records` of 1 KiB that wait in each shard")
	fanOut := flags.Bool("fanout", false, "fan out instead of polling")
	idle := flags.Duration("idle", 30*time.Second, "how `long` the idle worker is watched")
	profile := flags.String("profile", "", "write a CPU profile of the idle worker to this `file`")
	heapProfile := flags.String("heap", "", "write a profile of what the idle worker holds to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	url, stop, err := startShards(ctx, *shards, *backlog, *fanOut)
	if err != nil {
		return err
	}
	defer stop()
	requests := &countingClient{next: awshttp.NewBuildableClient().WithTransportOptions(trustAny)}
	options := newClient(url).Options()
	options.HTTPClient = requests
	worker, err := consumer.New(kinesis.New(options), shardsStream, memlease.New(), func(o *consumer.Options) {
		if *fanOut {
			o.Fetch, o.ConsumerName = consumer.FanOut, "bench"
		}
	})
	if err != nil {
		return err
	}
	var handled atomic.Int64
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		ended <- worker.Run(ctx, func(context.Context, kinetrail.Record) error {
			handled.Add(1)
			return nil
		})
	}()
	for handled.Load() < int64(*shards**backlog) {
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return errors.Join(err, <-ended)
		}
	}
	caughtUp, peak := time.Since(began), peakRSS()
	if err := wait(ctx, 15*time.Second); err != nil { // until every pause between calls is at its longest
		return errors.Join(err, <-ended)
	}
	debug.FreeOSMemory()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	if err := writeHeap(*heapProfile); err != nil {
		return err
	}
	cpu, err := watchIdle(ctx, *idle, *profile, requests)
	if err != nil {
		return errors.Join(err, <-ended)
	}
	cpu.print(out, *shards, caughtUp, peak, heap.HeapAlloc)
	return errors.Join(worker.Drain(ctx), <-ended)
}

// writeHeap writes a profile of the memory in use, if there is a file for it.
func writeHeap(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(file), file.Close())
}

// watches is how often the processor time of the idle worker is taken. What else
// runs on the machine takes its caches and only adds to it, so the least and the
// most are told beside the median.
const watches = 12

// idleUse is what an idle worker uses.
type idleUse struct {
	cores    [watches]float64 // sorted
	requests float64          // a second
	rss      int64
}

func watchIdle(ctx context.Context, d time.Duration, profile string, requests *countingClient) (idleUse, error) {
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return idleUse{}, err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return idleUse{}, err
		}
		defer pprof.StopCPUProfile()
	}
	var use idleUse
	began, asked := usage(), requests.n.Load()
	last := began
	for i := range watches {
		if err := wait(ctx, d/watches); err != nil {
			return idleUse{}, err
		}
		now := usage()
		use.cores[i] = (now.cpu - last.cpu).Seconds() / now.at.Sub(last.at).Seconds()
		last = now
	}
	slices.Sort(use.cores[:])
	use.requests, use.rss = float64(requests.n.Load()-asked)/last.at.Sub(began.at).Seconds(), currentRSS()
	return use, nil
}

func (u idleUse) print(out io.Writer, shards int, caughtUp time.Duration, peak int64, heap uint64) {
	const mib = 1 << 20
	fmt.Fprintln(out, "| shards | caught up after | peak memory | idle memory | of that heap | idle requests/s | idle processor |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	fmt.Fprintf(out, "| %d | %.1f s | %d MiB | %d MiB | %d MiB | %.0f | %.1f %% of a core (%.1f to %.1f) |\n",
		shards, caughtUp.Seconds(), peak/mib, u.rss/mib, heap/mib, u.requests, 100*u.cores[watches/2], 100*u.cores[0], 100*u.cores[watches-1])
}

// countingClient counts the requests of the SDK's own HTTP client.
type countingClient struct {
	next *awshttp.BuildableClient
	n    atomic.Int64
}

func (c *countingClient) Do(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.Do(r)
}

// trustAny makes the client take the certificate that the server signed itself.
func trustAny(t *http.Transport) { t.TLSClientConfig.InsecureSkipVerify = true }

// startShards starts this program again as a server with a stream, over TLS for
// HTTP/2, without which nobody can fan out.
func startShards(ctx context.Context, shards, backlog int, overTLS bool) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "serve-shards", fmt.Sprint(shards), fmt.Sprint(backlog), fmt.Sprint(overTLS))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start the server: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// serveShards is that server, until its input ends.
func serveShards(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var shards, backlog int
	var overTLS bool
	if _, err := fmt.Sscan(strings.Join(args, " "), &shards, &backlog, &overTLS); err != nil {
		return fmt.Errorf("serve-shards wants the numbers of shards and records, and whether over TLS: %w", err)
	}
	var certificate *tls.Certificate
	if overTLS {
		var err error
		if certificate, err = localkinesis.SelfSigned(); err != nil {
			return err
		}
	}
	server, err := localkinesis.New(func(o *localkinesis.Options) {
		o.Streams, o.KeepCalls, o.Certificate = map[string]int{shardsStream: shards}, 0, certificate
	})
	if err != nil {
		return err
	}
	err = fillShards(ctx, server.Client(), shards, backlog)
	if err == nil {
		err = server.Listen("127.0.0.1:0")
	}
	if err == nil {
		fmt.Fprintln(out, server.URL())
		_, err = io.Copy(io.Discard, in)
	}
	return errors.Join(err, server.Close())
}

// fillShards puts records into every shard.
func fillShards(ctx context.Context, client *kinesis.Client, shards, backlog int) error {
	data := make([]byte, backlogSize)
	for _, r := range shardmap.Uniform(shards) {
		for left := backlog; left > 0; left -= min(left, 500) {
			in := &kinesis.PutRecordsInput{StreamName: aws.String(shardsStream)}
			for range min(left, 500) {
				in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String("k"), ExplicitHashKey: aws.String(r.Start.String())})
			}
			if _, err := client.PutRecords(ctx, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// currentRSS is the memory the process has now, 0 where there is no /proc.
func currentRSS() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	_, _ = fmt.Sscan(string(text), &size, &resident)
	return resident * int64(os.Getpagesize())
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
