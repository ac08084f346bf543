package oracle

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// What a worker is told when its network fails.
var (
	errOutage = errors.New("oracle: the store is out of reach")
	errLost   = errors.New("oracle: the reply was lost")
	errCut    = errors.New("oracle: the worker is cut off")
)

// network is what lies between one worker and everything else.
type network struct {
	journal journal
	worker  int

	mu       sync.Mutex
	cut      chan struct{} // closed when the worker crashes
	heal     chan struct{} // closed when everything works again, and replaced by the next fault
	store    time.Time     // out of reach until then
	hang     bool          // and calls hang so long
	service  time.Time     // hangs until then
	lateness time.Duration
	late     int // writes to come that arrive late
	lose     int // replies to come that are lost
}

func newNetwork(j journal, worker int) *network {
	return &network{journal: j, worker: worker, cut: make(chan struct{}), heal: make(chan struct{})}
}

// obey lets a fault begin.
func (n *network) obey(s step) {
	n.mu.Lock()
	defer n.mu.Unlock()

	until := time.Now().Add(s.For)
	switch s.Do {
	case outage:
		n.store, n.hang = until, s.Hang
	case freeze:
		n.store, n.service, n.hang = until, until, true
	case late:
		n.late, n.lateness = n.late+s.N, s.For
	case lose:
		n.lose += s.N
	}
}

// mend ends all faults.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.store, n.service, n.late, n.lose = time.Time{}, time.Time{}, 0, 0
	close(n.heal)
	n.heal = make(chan struct{})
}

// cutOff ends everything for good.
func (n *network) cutOff() { close(n.cut) }

// note tells the journal of a fault that was met.
func (n *network) note(what string) {
	n.journal.add(event{Worker: n.worker, Kind: hit, Text: what})
}

// reachStore lets a call to the store pass, or fails it.
func (n *network) reachStore(ctx context.Context) error {
	n.mu.Lock()
	until, hang := n.store, n.hang
	n.mu.Unlock()
	if closed(n.cut) {
		return errCut
	}
	if !time.Now().Before(until) {
		return nil
	}
	n.note("store out of reach")
	if hang {
		return errors.Join(errOutage, n.wait(ctx, time.Until(until)))
	}
	return errOutage
}

// reachService lets a call to the service pass, after a while perhaps.
func (n *network) reachService(ctx context.Context) error {
	n.mu.Lock()
	until := n.service
	n.mu.Unlock()
	if closed(n.cut) {
		return errCut
	}
	if wait := time.Until(until); wait > 0 {
		n.note("service hangs")
		return n.wait(ctx, wait)
	}
	return nil
}

// wait waits for d, or until everything works again.
func (n *network) wait(ctx context.Context, d time.Duration) error {
	n.mu.Lock()
	heal := n.heal
	n.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-heal:
		return nil
	case <-n.cut:
		return errCut
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// nextWrite tells what becomes of a write that is about to be made.
func (n *network) nextWrite() (lateBy time.Duration, loseReply bool) {
	n.mu.Lock()
	defer n.mu.Unlock()

	switch {
	case n.late > 0:
		n.late--
		return n.lateness, true
	case n.lose > 0:
		n.lose--
		return 0, true
	}
	return 0, false
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// client is an HTTP client behind the network.
func (n *network) client(next http.RoundTripper) *http.Client {
	return &http.Client{Transport: through{n, next}}
}

// clientOf is a Kinesis client behind the network, for a server in another
// process.
func clientOf(url string, n *network) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &url, HTTPClient: n.client(&http.Transport{MaxIdleConnsPerHost: 16}),
		Credentials: credentials.NewStaticCredentialsProvider("oracle", "oracle", ""),
	})
}

// through is a transport behind the network.
type through struct {
	network *network
	next    http.RoundTripper
}

func (t through) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.network.reachService(r.Context()); err != nil {
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close())
		}
		return nil, err
	}
	response, err := t.next.RoundTrip(r)
	if err == nil && closed(t.network.cut) {
		err = errors.Join(errCut, response.Body.Close())
	}
	if err != nil {
		return nil, err
	}
	response.Body = &cuttable{ReadCloser: response.Body, network: t.network}
	return response, nil
}

// cuttable is a body that ends when the worker is cut off.
type cuttable struct {
	io.ReadCloser

	network *network
}

func (b *cuttable) Read(p []byte) (int, error) {
	if closed(b.network.cut) {
		return 0, errCut
	}
	return b.ReadCloser.Read(p)
}
