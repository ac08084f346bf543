package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// served is a kinetrail serve.
type served struct {
	url     string
	command *exec.Cmd
	out     io.Reader
	says    bytes.Buffer // on standard error
}

var servedURL = regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)

// serve starts kinetrail serve on a free port, with more arguments.
func (s *session) serve(args ...string) (*served, error) {
	all := append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)
	server := &served{command: exec.CommandContext(s.ctx, s.path("bin", "kinetrail"), all...)}
	server.command.Stderr = &server.says
	out, err := server.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.command.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	server.out = lines
	if server.url = servedURL.FindString(first); server.url == "" {
		return nil, errors.Join(fmt.Errorf("kinetrail serve says %q", first), err, server.close())
	}
	return server, nil
}

// close stops the server as Ctrl-C does.
func (server *served) close() error {
	if err := server.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, server.out)
	var exit *exec.ExitError
	if err := server.command.Wait(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 130) {
		return fmt.Errorf("kinetrail serve: %w\n%s", err, server.says.Bytes())
	}
	return nil
}

// listen starts a local server in this process, on a free port.
func listen(opts ...func(*localkinesis.Options)) (*localkinesis.Server, error) {
	server, err := localkinesis.New(opts...)
	if err != nil {
		return nil, err
	}
	if err := server.Listen("127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

// watched is a local server in this process that notes how it is spoken to.
type watched struct {
	server *localkinesis.Server
	http   *http.Server
	url    string
	done   chan error

	mu   sync.Mutex
	ways map[string]bool
}

// watch starts a local server on a free port.
func watch() (*watched, error) {
	server, err := localkinesis.New()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	w := &watched{server: server, url: "http://" + listener.Addr().String(), ways: make(map[string]bool), done: make(chan error, 1)}
	w.http = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	w.http.Protocols.SetHTTP1(true)
	w.http.Protocols.SetUnencryptedHTTP2(true)
	go func() { w.done <- w.http.Serve(listener) }()
	return w, nil
}

func (w *watched) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.ways[r.Proto+", "+r.Header.Get("Content-Type")] = true
	w.mu.Unlock()
	w.server.ServeHTTP(rw, r)
}

// spoken are the ways in which the server was spoken to.
func (w *watched) spoken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.ways))
}

func (w *watched) close() error {
	err := w.http.Close()
	<-w.done
	return errors.Join(err, w.server.Close())
}

// identity is the certificate of local servers, and the files of it and its key.
type identity struct {
	certificate *tls.Certificate
	file, key   string
}

func newIdentity(folder string) (*identity, error) {
	certificate, err := localkinesis.SelfSigned()
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		return nil, err
	}
	id := &identity{certificate, filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "key.pem")}
	return id, errors.Join(
		os.WriteFile(id.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o644),
		os.WriteFile(id.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600),
	)
}
