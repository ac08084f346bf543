package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/bench/nullkinesis"
)

// sample is what one run of one client took.
type sample struct {
	Workload string
	Client   string
	Records  int

	CPU     time.Duration // user and system, of the client process
	Wall    time.Duration
	Mallocs uint64
	Bytes   uint64 // allocated
	PeakRSS int64  // bytes
}

// runClient runs one client and writes its sample as JSON. Without -endpoint it
// brings its own server, which is enough for a profile.
func runClient(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	endpoint := flags.String("endpoint", "", "the server's `URL`")
	scale := flags.Float64("scale", 1, "how much of the work to do")
	profile := flags.String("profile", "", "write a CPU profile to this `file`")
	allocs := flags.String("allocs", "", "write a profile of all allocations to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return fmt.Errorf("client wants a workload and a client's name, not %q", flags.Args())
	}
	w, c, err := find(flags.Arg(0), flags.Arg(1))
	if err != nil {
		return err
	}
	if *endpoint == "" {
		server, err := nullkinesis.Start()
		if err != nil {
			return err
		}
		defer server.Close()
		*endpoint = server.URL()
	}
	if *allocs != "" {
		runtime.MemProfileRate = 4 << 10
	}
	s, err := measure(ctx, w, c, *endpoint, *scale, *profile)
	if err != nil {
		return fmt.Errorf("%s %s: %w", w.name, c.name, err)
	}
	if *allocs != "" {
		if err := writeAllocs(*allocs); err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(s)
}

// measure lets a client warm up with a tenth of the work and takes a sample of
// the rest.
func measure(ctx context.Context, w *workload, c client, endpoint string, scale float64, profile string) (*sample, error) {
	worker, err := c.start(ctx, newClient(endpoint), w)
	if err != nil {
		return nil, err
	}
	records := int(float64(w.records) * scale)
	if _, err := worker.work(ctx, records/10+1); err != nil {
		return nil, err
	}
	runtime.GC()
	if profile != "" {
		stop, err := startProfile(profile)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	before := usage()
	done, err := worker.work(ctx, records)
	after := usage()
	if err != nil {
		return nil, err
	}
	if err := worker.close(ctx); err != nil {
		return nil, err
	}
	return &sample{
		Workload: w.name, Client: c.name, Records: done,
		CPU: after.cpu - before.cpu, Wall: after.at.Sub(before.at),
		Mallocs: after.memory.Mallocs - before.memory.Mallocs, Bytes: after.memory.TotalAlloc - before.memory.TotalAlloc,
		PeakRSS: peakRSS(),
	}, nil
}

// newClient is the SDK's client as everybody gets it: its HTTP client and
// retries are the defaults.
func newClient(endpoint string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
}

// used is what the process has used so far.
type used struct {
	at     time.Time
	cpu    time.Duration
	memory runtime.MemStats
}

func usage() (u used) {
	runtime.ReadMemStats(&u.memory)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // it has no way to fail
	}
	u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.at = time.Now()
	return u
}

// peakRSS is the most memory the process had, 0 where there is no /proc. The
// figure of getrusage would include the process that started this one.
func peakRSS() int64 {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if rest, ok := bytes.CutPrefix(lines.Bytes(), []byte("VmHWM:")); ok {
			kilobytes, _ := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

func startProfile(file string) (stop func(), err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

func writeAllocs(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.Lookup("allocs").WriteTo(f, 0)
}

// cpuPerRecord is in microseconds.
func (s *sample) cpuPerRecord() float64 {
	return s.CPU.Seconds() * 1e6 / float64(s.Records)
}
