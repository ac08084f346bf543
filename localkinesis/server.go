package localkinesis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/localkinesis/state"
)

// TB is what Start needs of a test; testing.TB has it.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Server is a Kinesis server. It is an http.Handler, may be used by several
// goroutines at once, and holds everything in memory unless it has a store.
type Server struct {
	options Options
	clock   *Clock
	account *state.Account
	sealer  *state.Sealer // of the account
	calls   callLog
	faults  fault.Set
	rates   rates
	trust   *tls.Config // of our own clients, nil without a certificate

	ctx  context.Context // of everything that outlives a request
	stop context.CancelFunc

	mu         sync.Mutex
	closed     bool
	url        string
	http       *http.Server
	waiting    waiting
	receiving  receiving
	serving    sync.WaitGroup
	transports []*http.Transport // of our own clients
}

// Start returns a server that listens on a free port of 127.0.0.1 and closes
// when the test ends.
func Start(t TB, opts ...func(*Options)) *Server {
	t.Helper()
	s, err := New(opts...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// New returns a server that does not listen yet. It can be used in the same
// process through Client and Transport, or as an http.Handler. Close it when
// it is no longer needed.
func New(opts ...func(*Options)) (*Server, error) {
	options := defaults()
	for _, opt := range opts {
		opt(&options)
	}
	s, err := newServer(options)
	if err != nil && options.Store != nil {
		err = errors.Join(err, options.Store.Close())
	}
	return s, err
}

func newServer(options Options) (*Server, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	s := &Server{options: options, clock: &Clock{}}
	account, err := state.NewAccount(state.Config{
		Clock:       s.clock,
		ID:          options.Account,
		ShardLimit:  options.ShardLimit,
		Strict:      options.Strict,
		CreateDelay: options.CreateDelay,
		DeleteDelay: options.DeleteDelay,
		UpdateDelay: options.UpdateDelay,

		Store:           options.Store,
		ChannelSettings: readChannelSettings,
	})
	if err != nil {
		return nil, fmt.Errorf("localkinesis: %w", err)
	}
	if options.Certificate != nil {
		if s.trust, err = trusting(options.Certificate); err != nil {
			return nil, fmt.Errorf("localkinesis: Certificate cannot be used: %w", err)
		}
	}
	s.account, s.sealer = account, account.Sealer()
	s.calls.keep(options.KeepCalls)
	if err := s.createFirstStreams(); err != nil {
		return nil, fmt.Errorf("localkinesis: create the first streams: %w", err)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if options.Store != nil {
		s.serving.Go(s.trim)
	}
	return s, nil
}

// createFirstStreams makes the streams that Options.Region and the regions of
// the store begin with.
func (s *Server) createFirstStreams() error {
	kept := s.account.Regions()
	if _, err := s.region(s.options.Region); err != nil {
		return err
	}
	for _, r := range kept {
		if err := s.createStreams(r); err != nil {
			return err
		}
	}
	return nil
}

// trimEvery is how often the space of expired records is given up, by the
// server's clock.
const trimEvery = time.Minute

// trim gives up space until the server closes. What cannot be given up now may
// be the next time.
func (s *Server) trim() {
	for {
		alarm := s.clock.Alarm(trimEvery)
		select {
		case <-alarm.C:
			_ = s.account.Trim()
		case <-s.ctx.Done():
			alarm.Stop()
			return
		}
	}
}

// region returns a region, with its first streams when it is used for the
// first time.
func (s *Server) region(name string) (*state.Region, error) {
	r, first, err := s.account.Region(name)
	if err != nil || !first {
		return r, err
	}
	return r, s.createStreams(r)
}

// createStreams makes those of Options.Streams that the region does not have.
func (s *Server) createStreams(r *state.Region) error {
	for stream, shards := range s.options.Streams {
		if _, err := r.Stream(stream); err == nil {
			continue
		}
		if err := r.CreateStream(state.CreateStream{Name: stream, Shards: shards}); err != nil {
			return err
		}
	}
	return nil
}

// Clock is the server's clock. It runs with the machine's until it is moved.
func (s *Server) Clock() *Clock { return s.clock }

// Faults are the rules of what goes wrong on purpose, none at first. They can
// be changed at any time and hold for every way to the server.
func (s *Server) Faults() *fault.Set { return &s.faults }

// background runs f in a goroutine that Close waits for; false when the server
// is closed.
func (s *Server) background(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.serving.Go(f)
	return true
}

// closeWithin is how long Close lets running requests finish.
const closeWithin = 5 * time.Second

// Close ends every subscription, lets running requests finish for at most five
// seconds, and returns when no goroutine of the server is left.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	server := s.http
	transports := s.transports
	s.mu.Unlock()

	s.stop()
	for _, t := range transports {
		t.CloseIdleConnections()
	}
	var err error
	if server != nil {
		s.waiting.close()
		s.receiving.close()
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		if err = server.Shutdown(ctx); err != nil {
			err = errors.Join(err, server.Close())
		}
	}
	s.serving.Wait()
	for _, t := range transports {
		t.CloseIdleConnections() // what has become idle since
	}
	if s.options.Store != nil {
		err = errors.Join(err, s.options.Store.Close())
	}
	return err
}
