package localkinesis

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// answer writes an output; nil is the empty body of operations without one.
func (c *call) answer(out any) {
	c.Status = http.StatusOK
	if out == nil {
		c.write(nil)
		return
	}
	buffer := answers.Get().(*[]byte)
	*buffer = wire.Append((*buffer)[:0], c.codec, out)
	c.write(*buffer)
	keepAnswer(buffer)
}

// answers keeps the memory of answers.
var answers = sync.Pool{New: func() any { return new([]byte) }}

func keepAnswer(b *[]byte) {
	if cap(*b) <= maxKeptBody {
		answers.Put(b)
	}
}

// refuse writes the document of an error.
func (c *call) refuse(err error) {
	e := asWireError(err)
	c.Status, c.Error = e.Status, e.Code
	c.writer.Header()[headerErrorType] = []string{e.Code}
	c.write(wire.AppendError(nil, c.codec, e))
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

// write sends the whole answer, in the codec's form when there is a codec.
func (c *call) write(body []byte) {
	header := c.writer.Header()
	if c.codec != nil {
		header["Content-Type"] = []string{c.codec.ContentType()}
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if len(body) > firstRead {
		giveMoment(c.request, momentForAnswers)
	}
	if c.delayed {
		c.limitWrite()
		defer c.setWriteDeadline(time.Time{})
	}
	c.begun = true
	c.writer.WriteHeader(c.Status)
	_, _ = c.writer.Write(body) // the client may have gone
}

// limitWrite gives the client Options.ClientTimeout from now on to take in what
// is written. The HTTP server sets such a limit with the request; it is taken
// away from calls that wait.
func (c *call) limitWrite() {
	if limit := c.server.options.ClientTimeout; limit > 0 {
		c.setWriteDeadline(time.Now().Add(limit))
	}
}

// setWriteDeadline does nothing in process, where nothing can get stuck.
func (c *call) setWriteDeadline(t time.Time) {
	_ = http.NewResponseController(c.writer).SetWriteDeadline(t)
}

// answerPanic answers a call that panicked, and logs why. An answer that has
// begun is cut.
func (c *call) answerPanic() {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // a fault cuts the connection
	}
	c.server.options.Logger.Error("localkinesis: a call panicked", "operation", c.Operation, "panic", p, "stack", string(debug.Stack()))
	if c.begun {
		panic(http.ErrAbortHandler)
	}
	if c.codec == nil {
		c.codec = wire.JSON
	}
	c.refuse(&wire.Error{Status: http.StatusInternalServerError, Code: "InternalFailure"})
}

// refuseAsXML is how the service refuses what it cannot assign to a codec.
func (c *call) refuseAsXML(status int, code, message string) {
	c.Status, c.Error = status, code
	document := "<" + code + "/>\n"
	if message != "" {
		document = "<" + code + ">\n  <Message>" + message + "</Message>\n</" + code + ">\n"
	}
	c.write([]byte(document))
}

// refusePlainJSON is how the service answers application/json, whatever it
// asks for.
func (c *call) refusePlainJSON() {
	code, member := "UnknownOperationException", "message"
	if _, err := wire.JSON.Parse(c.body); err != nil {
		code, member = "SerializationException", "Message"
	}
	c.Status, c.Error = http.StatusOK, code
	c.writer.Header()["Content-Type"] = []string{"application/json"}
	c.write(fmt.Appendf(nil, `{"Output":{"__type":"com.amazon.coral.service#%s","%s":null},"Version":"1.0"}`, code, member))
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
