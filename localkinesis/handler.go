package localkinesis

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// call is one request on its way.
type call struct {
	Call

	server  *Server
	request *http.Request
	writer  http.ResponseWriter
	begun   bool // to be answered
	delayed bool // by a fault
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
	if s.options.Control && r.URL.Path == ControlPath {
		s.control(w, r)
		return
	}
	c := &call{server: s, request: r, writer: w}
	c.At = s.clock.Now()
	c.RequestID = newRequestID()
	defer c.log()
	defer c.answerPanic()

	header := w.Header()
	header["Date"] = []string{c.At.UTC().Format(http.TimeFormat)}
	header[headerRequestID] = []string{c.RequestID}
	header[headerID2] = []string{newID2()}
	if answersCORS(w, r) {
		c.Status = http.StatusOK
		return
	}
	if events := c.serve(); events != nil {
		events.serve()
	}
}

// serve reads the request and answers it, or returns the subscription that
// remains to be served.
func (c *call) serve() *subscription {
	body := bodies.Get().(*bytes.Buffer)
	defer keepBody(body)
	if err := c.receive(body); err != nil {
		c.Status = http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			c.Status = http.StatusRequestEntityTooLarge
		}
		c.write(nil)
		return nil
	}
	c.body = body.Bytes()
	if c.request.Method != http.MethodPost {
		c.refuseAsXML(http.StatusForbidden, "AccessDeniedException", "Unable to determine service/operation name to be authorized")
		return nil
	}
	service, name, _ := strings.Cut(c.request.Header.Get("X-Amz-Target"), ".")
	c.Operation = name[:min(len(name), maxKeptName)]
	op := operations[name]
	if service != "Kinesis_20131202" {
		op = nil
	}
	if !c.chooseCodec(service, name, op != nil) {
		return nil
	}
	out, err := c.run(op)
	if err != nil {
		c.refuse(err)
		return nil
	}
	if events, ok := out.(*subscription); ok {
		return events
	}
	c.answer(out)
	return nil
}

// maxKeptName is how much of an operation's name is kept: more than any has.
const maxKeptName = 64

// log keeps the call. What streams logs itself when it begins.
func (c *call) log() {
	if c.Number == 0 {
		c.server.calls.add(&c.Call)
	}
}

// chooseCodec finds the codec of the content type, or answers as the service
// answers where it has none.
func (c *call) chooseCodec(service, name string, known bool) bool {
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
		c.refuse(&wire.Error{Status: http.StatusBadRequest, Code: code})
		return false
	case c.codec != nil:
		return true
	case contentType == "application/json":
		c.refusePlainJSON()
	case service == "" || name == "":
		c.refuseAsXML(http.StatusForbidden, "AccessDeniedException", "Unable to determine service/operation name to be authorized")
	default:
		c.refuseAsXML(http.StatusNotFound, "UnknownOperationException", "")
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
