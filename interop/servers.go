package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
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

var servedURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// serve starts kinetrail serve on a free port, with rules of faults.
func (s *session) serve(faults ...string) (*served, error) {
	args := []string{"serve", "--addr", "127.0.0.1:0"}
	for _, rule := range faults {
		args = append(args, "--fault", rule)
	}
	server := &served{command: exec.CommandContext(s.ctx, s.path("bin", "kinetrail"), args...)}
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
	if server.url = servedURL.FindString(first); server.url == "" {
		return nil, errors.Join(fmt.Errorf("kinetrail serve says %q", first), err, server.close())
	}
	server.out = lines
	return server, nil
}

// close stops the server as Ctrl-C does.
func (server *served) close() error {
	if err := server.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if server.out != nil {
		_, _ = io.Copy(io.Discard, server.out)
	}
	var exit *exec.ExitError
	if err := server.command.Wait(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 130) {
		return fmt.Errorf("kinetrail serve: %w\n%s", err, server.says.Bytes())
	}
	return nil
}

// watched is a local server in this process that notes how it is spoken to.
type watched struct {
	*localkinesis.Server

	url  string
	http *http.Server
	done chan error

	mu   sync.Mutex
	ways map[string]bool
}

// listen starts a local server on a free port.
func (s *session) listen(secure bool, opts ...func(*localkinesis.Options)) (*watched, error) {
	server, err := localkinesis.New(opts...)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	w := &watched{Server: server, ways: make(map[string]bool), done: make(chan error, 1)}
	w.http = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0)}
	w.http.Protocols.SetHTTP1(true)
	w.http.Protocols.SetUnencryptedHTTP2(true)
	if secure {
		w.url = "https://" + listener.Addr().String()
		listener = hiding{tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{s.secure.certificate}, NextProtos: []string{"h2", "http/1.1"}})}
	} else {
		w.url = "http://" + listener.Addr().String()
	}
	go func() { w.done <- w.http.Serve(listener) }()
	return w, nil
}

// hiding hides from net/http that its connections are TLS.
type hiding struct{ net.Listener }

func (l hiding) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

func (w *watched) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.ways[r.Proto+", "+r.Header.Get("Content-Type")] = true
	w.mu.Unlock()
	w.Server.ServeHTTP(rw, r)
}

// spoken are the ways in which the server was spoken to.
func (w *watched) spoken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.ways))
}

// port is where the server listens.
func (w *watched) port() string {
	return w.url[strings.LastIndexByte(w.url, ':')+1:]
}

func (w *watched) close() {
	_ = w.http.Close()
	<-w.done
	_ = w.Server.Close()
}

// identity is a certificate for this machine that signs itself, and the file of
// it for those that verify it.
type identity struct {
	certificate tls.Certificate
	file        string
}

func newIdentity(file string) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"}, // Java refuses one without
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"localhost"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file}, os.WriteFile(file, text, 0o644)
}
