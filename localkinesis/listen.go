package localkinesis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
	if s.options.Certificate != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
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

// newHTTP is the HTTP server: HTTP/1.1 and 2, the latter as TLS offers it or by
// prior knowledge.
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
	if s.options.Certificate == nil {
		h.Protocols.SetUnencryptedHTTP2(true)
	} else {
		h.Protocols.SetHTTP2(true)
		h.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*s.options.Certificate}, MinVersion: tls.VersionTLS12}
	}
	return h
}

// URL is where the server listens, http://127.0.0.1:4567; empty before Listen
// and Serve.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}
