package nullkinesis

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

// Server answers on one listener. Start makes one, Close ends it.
type Server struct {
	listener net.Listener
	streams  map[string]*stream
	serving  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// Start listens on a free port of 127.0.0.1.
func Start() (*Server, error) {
	streams, err := makeStreams()
	if err != nil {
		return nil, fmt.Errorf("prepare the pages: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{listener: listener, streams: streams, conns: make(map[net.Conn]struct{})}
	s.serving.Go(s.accept)
	return s, nil
}

// URL is the endpoint for clients.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close ends all connections and waits for what serves them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.serving.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			conn.Close()
		} else {
			s.conns[conn] = struct{}{}
			s.serving.Go(func() { s.serve(conn) })
		}
		s.mu.Unlock()
	}
}

// call is one request and its answer, with memory for the next one.
type call struct {
	operation string
	cbor      bool // the request is in CBOR, and so is its answer
	body      []byte
	head      []byte
	answer    []byte
	page      []byte // the answer instead, when it is prepared as a whole
}

// serve answers one request after the other, until the client goes away.
func (s *Server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	r := bufio.NewReaderSize(conn, 64<<10)
	var c call
	for c.read(r) == nil {
		status := "200 OK"
		if err := s.answer(&c); err != nil {
			status = "400 Bad Request"
			c.cbor = false
			c.answer = fmt.Appendf(c.answer[:0], `{"__type":"ValidationException","message":%q}`, err)
			c.page = nil
		}
		if c.write(conn, status) != nil {
			return
		}
	}
}

var (
	lengthHeader = []byte("content-length:")
	targetHeader = []byte("x-amz-target:")
	typeHeader   = []byte("content-type:")

	errNoLength = errors.New("the request has no Content-Length")
)

// read reads a request: of its headers, the length and the operation.
func (c *call) read(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
		case len(line) == 0:
			return c.readBody(r, length)
		case hasPrefixFold(line, lengthHeader):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthHeader):]))); err != nil {
				return fmt.Errorf("read the length of a request: %w", err)
			}
		case hasPrefixFold(line, typeHeader):
			c.cbor = isCBOR(line[len(typeHeader):])
		case hasPrefixFold(line, targetHeader):
			_, operation, _ := bytes.Cut(line, []byte{'.'})
			if c.operation != string(operation) {
				c.operation = string(operation)
			}
		}
	}
}

func hasPrefixFold(line, prefix []byte) bool {
	return len(line) >= len(prefix) && bytes.EqualFold(line[:len(prefix)], prefix)
}

func (c *call) readBody(r *bufio.Reader, length int) error {
	if length < 0 {
		return errNoLength
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err := io.ReadFull(r, c.body)
	return err
}

func (c *call) write(conn net.Conn, status string) error {
	body := c.answer
	if c.page != nil {
		body = c.page
	}
	c.head = append(append(c.head[:0], "HTTP/1.1 "...), status...)
	form := "json"
	if c.cbor {
		form = "cbor"
	}
	c.head = append(append(append(c.head, "\r\nContent-Type: application/x-amz-"...), form...), "-1.1\r\nX-Amzn-Requestid: 00000000-0000-0000-0000-000000000000\r\nContent-Length: "...)
	c.head = append(strconv.AppendInt(c.head, int64(len(body)), 10), "\r\n\r\n"...)
	parts := net.Buffers{c.head, body}
	_, err := parts.WriteTo(conn)
	return err
}

// answer makes c.answer or c.page.
func (s *Server) answer(c *call) error {
	c.answer, c.page = c.answer[:0], nil
	switch c.operation {
	case "PutRecords":
		if c.cbor {
			return c.putRecordsCBOR()
		}
		return c.putRecords()
	case "GetRecords":
		return s.getRecords(c)
	case "GetShardIterator":
		return s.shardIterator(c)
	case "ListShards":
		c.answer = append(c.answer, shardList...)
	case "DescribeStreamSummary":
		c.answer = append(c.answer, streamSummary...)
	default:
		return fmt.Errorf("operation %q is not known here", c.operation)
	}
	return nil
}
