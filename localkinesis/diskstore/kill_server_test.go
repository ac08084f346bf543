//go:build unix

package diskstore_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// child is a server in a process of its own.
type child struct {
	t       *testing.T
	command *exec.Cmd
	dies    bool // by itself, inside a write
	news    childNews
	client  *kinesis.Client
	stdin   io.Closer
	stderr  bytes.Buffer
	waited  sync.Once
}

func (k *killing) start(order childOrder) *child {
	text, err := json.Marshal(order)
	if err != nil {
		k.t.Fatal(err)
	}
	c := &child{t: k.t, command: exec.Command(os.Args[0]), dies: order.DieIn > 0}
	c.command.Env = append(os.Environ(), childVariable+"=server", orderVariable+"="+string(text))
	c.command.Stderr = &c.stderr
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		k.t.Fatal(err)
	}
	stdout, err := c.command.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		k.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &c.news)
	}
	if err != nil {
		if c.wait(); c.signal() == syscall.SIGKILL && c.dies {
			order.DieIn = 0 // it died in a write of its start
			k.sum.kills++
			k.sum.insideWrite++
			return k.start(order)
		}
		k.t.Fatalf("round %d: the server does not start: %v\n%s", k.rounds, err, c.stderr.Bytes())
	}
	c.client = kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(c.news.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient:  &http.Client{Transport: wholeBody{&http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Second}}},
	})
	return c
}

// wholeBody keeps the Go SDK from closing its request's body as soon as the
// answer begins, for which net/http cuts the connection now and then.
type wholeBody struct{ *http.Transport }

func (t wholeBody) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return t.Transport.RoundTrip(r)
}

func (c *child) wait() { c.waited.Do(func() { _ = c.command.Wait() }) }
func (c *child) kill() { _ = c.command.Process.Kill() }
func (c *child) signal() syscall.Signal {
	return c.command.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// end lets nothing of the server stay behind when a test fails.
func (c *child) end() {
	c.kill()
	c.wait()
}
