package localkinesis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Listen listens on an address such as 127.0.0.1:4567 and serves in the
// background until Close.
func (s *Server) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("localkinesis: %w", err)
	}
	server, err := s.begin(l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.serving.Go(func() { _ = s.accept(server, l) })
	return nil
}

// Serve serves on a listener until Close, which makes it return nil.
func (s *Server) Serve(l net.Listener) error {
	server, err := s.begin(l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if err := s.accept(server, l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("localkinesis: serve %s: %w", l.Addr(), err)
	}
	return nil
}

// accept serves on a listener until the server closes.
func (s *Server) accept(server *http.Server, l net.Listener) error {
	if c := s.options.Certificate; c != nil {
		l = concealed{tls.NewListener(l, &tls.Config{
			Certificates: []tls.Certificate{*c},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2", "http/1.1"},
		})}
	}
	return server.Serve(l)
}

// concealed hides from net/http that its connections are TLS, so that it tells
// HTTP/2 by the first bytes of a client instead of by what TLS has settled: the
// Java SDK speaks HTTP/2 over TLS without having offered it.
type concealed struct{ net.Listener }

func (l concealed) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &concealedConn{Conn: conn}, nil
}

type concealedConn struct {
	net.Conn
	told bool // a client without TLS, that it needs it
}

// Read tells a client that has forgotten the s of https, as net/http does where
// it knows of TLS.
func (c *concealedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	wrong, ok := errors.AsType[tls.RecordHeaderError](err)
	if ok && wrong.Conn != nil && !c.told && (string(wrong.RecordHeader[:]) == "POST " || string(wrong.RecordHeader[:]) == "GET /") {
		c.told = true
		_, _ = io.WriteString(wrong.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis server speaks HTTPS.\n")
	}
	return n, err
}

// ErrClosed is returned by what needs an open server.
var ErrClosed = errors.New("localkinesis: the server is closed")

// begin returns the HTTP server, made with the first listener.
func (s *Server) begin(l net.Listener) (*http.Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.http == nil {
		scheme := "http://"
		if s.options.Certificate != nil {
			scheme = "https://"
		}
		s.url = scheme + l.Addr().String()
		s.http = s.newHTTP()
	}
	return s.http, nil
}

// newHTTP is the HTTP server: HTTP/1.1, and 2 for clients that begin with it.
func (s *Server) newHTTP() *http.Server {
	h := &http.Server{
		Handler:      s,
		ReadTimeout:  s.options.ClientTimeout,
		WriteTimeout: s.options.ClientTimeout,
		IdleTimeout:  2 * time.Minute,
		BaseContext:  func(net.Listener) context.Context { return s.ctx },
		ConnState:    s.waiting.note,
		ErrorLog:     slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
		Protocols:    new(http.Protocols),
	}
	h.Protocols.SetHTTP1(true)
	h.Protocols.SetUnencryptedHTTP2(true)
	return h
}

// URL is where the server listens, http://127.0.0.1:4567; empty before Listen
// and Serve.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}
