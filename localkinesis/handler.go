package localkinesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// call is one request on its way.
type call struct {
	Call

	server  *Server
	request *http.Request
	codec   wire.Codec
	body    []byte
	region  *state.Region
	effects fault.Effects // of the rules that struck the call
}

// The headers of answers, spelled as the service spells them.
const (
	headerRequestID = "x-amzn-RequestId"
	headerID2       = "x-amz-id-2"
	headerErrorType = "x-amzn-ErrorType"
)

// ServeHTTP answers a request. The checks come in the service's order: method,
// content type, whether the body parses, the operation, the form of the
// authentication, the types of the members, their constraints, and then
// whether what is asked for exists.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{server: s, request: r}
	c.At = s.clock.Now()
	c.RequestID = newRequestID()
	defer c.log()

	header := w.Header()
	header["Date"] = []string{c.At.UTC().Format(http.TimeFormat)}
	header[headerRequestID] = []string{c.RequestID}
	header[headerID2] = []string{newID2()}
	if answersCORS(w, r) {
		c.Status = http.StatusOK
		return
	}
	body := bodies.Get().(*bytes.Buffer)
	defer keepBody(body)
	if err := readBody(body, w, r, s.options.MaxBodyBytes); err != nil {
		c.Status = http.StatusRequestEntityTooLarge
		if !errors.As(err, new(*http.MaxBytesError)) {
			c.Status = http.StatusBadRequest
		}
		w.WriteHeader(c.Status)
		return
	}
	c.body = body.Bytes()
	if r.Method != http.MethodPost {
		c.refuseAsXML(w, http.StatusForbidden, "AccessDeniedException", "Unable to determine service/operation name to be authorized")
		return
	}
	service, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.Operation = name
	op := operations[name]
	if service != "Kinesis_20131202" {
		op = nil
	}
	if !c.chooseCodec(w, service, name, op != nil) {
		return
	}
	out, err := c.run(op)
	if err != nil {
		c.refuse(w, err)
		return
	}
	if subscription, ok := out.(*subscription); ok {
		subscription.serve(c, w)
		return
	}
	c.answer(w, out)
}

// log keeps the call. What streams logs itself when it begins.
func (c *call) log() {
	if c.Number == 0 {
		c.server.calls.add(&c.Call)
	}
}

// bodies keeps the memory of request bodies. Nothing but the request's own
// goroutine sees them, and only until it is answered.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKeptBody is the size of a body or an answer whose memory is kept for the
// next one: a page of 10,000 small records fits.
const maxKeptBody = 4 << 20

func keepBody(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBody {
		bodies.Put(b)
	}
}

// maxPromised is how much memory a body gets before any of it is there.
const maxPromised = 1 << 20

// readBody reads the whole body, and no longer than the request's context
// lasts: a client that sends half a body does not hold up Close.
func readBody(to *bytes.Buffer, w http.ResponseWriter, r *http.Request, limit int64) error {
	to.Reset()
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	if r.ContentLength > 0 {
		// A length is only a promise: memory for more comes with the bytes.
		to.Grow(int(min(r.ContentLength, maxPromised)) + bytes.MinRead)
	}
	defer stopReadingWith(r.Context(), w)()
	_, err := to.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return err
}

// stopReadingWith makes reads of a request's body fail once its context ends,
// until release is called.
func stopReadingWith(ctx context.Context, w http.ResponseWriter) (release func()) {
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // in process, there is none
	})
	return func() {
		if !cancel() {
			<-stopped // w must not be used once its request is answered
		}
	}
}

// chooseCodec finds the codec of the content type, or answers as the service
// answers where it has none.
func (c *call) chooseCodec(w http.ResponseWriter, service, name string, known bool) bool {
	contentType, _, _ := strings.Cut(c.request.Header.Get("Content-Type"), ";")
	contentType = strings.TrimSpace(contentType)
	c.codec = wire.CodecFor(contentType)
	code := "UnknownOperationException"
	if known {
		code = "SerializationException"
	}
	switch {
	case len(c.body) == 0:
		if c.codec == nil {
			c.codec = wire.CBOR
		}
		c.refuse(w, &wire.Error{Status: http.StatusBadRequest, Code: code})
		return false
	case c.codec != nil:
		return true
	case contentType == "application/json":
		c.refusePlainJSON(w)
	case service == "" || name == "":
		c.refuseAsXML(w, http.StatusForbidden, "AccessDeniedException", "Unable to determine service/operation name to be authorized")
	default:
		c.refuseAsXML(w, http.StatusNotFound, "UnknownOperationException", "")
	}
	return false
}

// run goes from the body to the output of the operation, nil when the request
// names none that exists.
func (c *call) run(op *operation) (any, error) {
	if op == nil {
		if _, err := c.parse(); err != nil {
			return nil, err
		}
		return nil, &wire.Error{Status: http.StatusBadRequest, Code: "UnknownOperationException"}
	}
	credential, err := c.authenticate()
	if err != nil {
		if _, err := c.parse(); err != nil {
			return nil, err
		}
		return nil, err
	}
	c.Region = c.server.options.Region
	if region := credential.region(); region != "" {
		c.Region = region
	}
	if c.region, err = c.server.region(c.Region); err != nil {
		return nil, err
	}
	return op.serve(c)
}

// authenticate checks the form of the signature, and the signature itself
// where secrets are given.
func (c *call) authenticate() (credential, error) {
	held, err := checkAuthentication(c.request)
	if err == nil && c.server.options.Secrets != nil {
		err = c.server.verifySignature(c.request, c.body, held)
	}
	return held, err
}

// parse reads the body into a tree.
func (c *call) parse() (map[string]any, error) {
	tree, err := c.codec.Parse(c.body)
	if err != nil {
		return nil, &wire.Error{Status: http.StatusBadRequest, Code: "SerializationException"}
	}
	return tree, nil
}

// answer writes an output; nil is the empty body of operations without one.
func (c *call) answer(w http.ResponseWriter, out any) {
	c.Status = http.StatusOK
	if out == nil {
		c.write(w, nil)
		return
	}
	buffer := answers.Get().(*[]byte)
	*buffer = wire.Append((*buffer)[:0], c.codec, out)
	c.write(w, *buffer)
	if cap(*buffer) <= maxKeptBody {
		answers.Put(buffer)
	}
}

// answers keeps the memory of answers.
var answers = sync.Pool{New: func() any { return new([]byte) }}

// refuse writes the document of an error.
func (c *call) refuse(w http.ResponseWriter, err error) {
	e := asWireError(err)
	c.Status, c.Error = e.Status, e.Code
	w.Header()[headerErrorType] = []string{e.Code}
	c.write(w, wire.AppendError(nil, c.codec, e))
}

// asWireError is the answer an error becomes.
func asWireError(err error) *wire.Error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*state.Error](err); ok {
		return &wire.Error{Status: http.StatusBadRequest, Code: e.Code, Message: e.Message}
	}
	return &wire.Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
}

func (c *call) write(w http.ResponseWriter, body []byte) {
	header := w.Header()
	if len(body) > 0 || c.codec != nil {
		header["Content-Type"] = []string{c.codec.ContentType()}
	}
	header["Content-Length"] = []string{fmt.Sprint(len(body))}
	if len(body) > firstRead {
		giveMoment(c.request, momentForAnswers)
	}
	w.WriteHeader(c.Status)
	_, _ = w.Write(body) // the client may have gone
}

// refuseAsXML is how the service refuses what it cannot assign to a codec.
func (c *call) refuseAsXML(w http.ResponseWriter, status int, code, message string) {
	c.Status, c.Error = status, code
	document := "<" + code + "/>\n"
	if message != "" {
		document = "<" + code + ">\n  <Message>" + message + "</Message>\n</" + code + ">\n"
	}
	w.Header()["Content-Length"] = []string{fmt.Sprint(len(document))}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, document)
}

// refusePlainJSON is how the service answers application/json, whatever it
// asks for.
func (c *call) refusePlainJSON(w http.ResponseWriter) {
	code, member := "UnknownOperationException", "message"
	if _, err := wire.JSON.Parse(c.body); err != nil {
		code, member = "SerializationException", "Message"
	}
	c.Status, c.Error = http.StatusOK, code
	document := fmt.Sprintf(`{"Output":{"__type":"com.amazon.coral.service#%s","%s":null},"Version":"1.0"}`, code, member)
	w.Header()["Content-Type"] = []string{"application/json"}
	w.Header()["Content-Length"] = []string{fmt.Sprint(len(document))}
	w.WriteHeader(c.Status)
	_, _ = io.WriteString(w, document)
}

// answersCORS sets the headers browsers ask for, and answers their preflight.
func answersCORS(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("Origin") == "" {
		return false
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	if r.Method != http.MethodOptions {
		header.Set("Access-Control-Expose-Headers", "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date")
		return false
	}
	for _, what := range []string{"Headers", "Method"} {
		if asked := r.Header.Get("Access-Control-Request-" + what); asked != "" {
			header.Set("Access-Control-Allow-"+strings.TrimSuffix(what, "s")+"s", asked)
		}
	}
	header.Set("Access-Control-Max-Age", "172800")
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return true
}
