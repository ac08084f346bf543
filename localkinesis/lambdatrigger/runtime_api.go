package lambdatrigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// routes is the Lambda Runtime API, version 2018-06-01
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
func (r *Runtime) routes() http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", r.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", r.response)
	mux.HandleFunc("POST "+base+"invocation/{id}/error", r.failure)
	mux.HandleFunc("POST "+base+"init/error", r.initFailure)
	return mux
}

// next hands out an invocation when there is one.
func (r *Runtime) next(w http.ResponseWriter, request *http.Request) {
	var inv *remoteInvocation
	select {
	case inv = <-r.waiting:
	case <-request.Context().Done():
		return // the process is gone, or the runtime is closed
	}
	r.mu.Lock()
	r.inFlight[inv.id] = inv
	r.mu.Unlock()

	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
	if _, err := w.Write(inv.payload); err != nil || request.Context().Err() != nil {
		r.finish(inv.id, answer{err: &FunctionError{Type: "Runtime.ExitError", Message: "the process went away"}})
	}
}

// finish passes the answer of an invocation on, and reports whether there is
// such an invocation.
func (r *Runtime) finish(id string, a answer) bool {
	r.mu.Lock()
	inv, ok := r.inFlight[id]
	delete(r.inFlight, id)
	r.mu.Unlock()
	if inv != nil {
		inv.answer <- a
	}
	return ok
}

// response takes the answer of the function. An error in the middle of it comes
// in the trailer.
func (r *Runtime) response(w http.ResponseWriter, request *http.Request) {
	body, ok := r.readBody(w, request)
	if !ok {
		return
	}
	a := answer{response: body}
	if failed := request.Trailer.Get("Lambda-Runtime-Function-Error-Type"); failed != "" {
		a = answer{err: &FunctionError{Type: failed, Message: "the response ended with an error"}}
	}
	r.accept(w, request, a)
}

// failure takes an error of the function.
func (r *Runtime) failure(w http.ResponseWriter, request *http.Request) {
	if body, ok := r.readBody(w, request); ok {
		r.accept(w, request, answer{err: reportedError(request, body)})
	}
}

// initFailure takes an error from before the first invocation. The invocation
// that has waited longest fails with it.
func (r *Runtime) initFailure(w http.ResponseWriter, request *http.Request) {
	body, ok := r.readBody(w, request)
	if !ok {
		return
	}
	select {
	case inv := <-r.waiting:
		inv.answer <- answer{err: reportedError(request, body)}
	default: // the next invocation waits for another process
	}
	respond(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// reportedError is the error in a report's body, or what its header says.
func reportedError(request *http.Request, body []byte) error {
	var report struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &report) != nil || report.ErrorType == "" && report.ErrorMessage == "" {
		report.ErrorType, report.ErrorMessage = request.Header.Get("Lambda-Runtime-Function-Error-Type"), "no error message"
	}
	return &FunctionError{Type: report.ErrorType, Message: report.ErrorMessage}
}

// accept passes an answer on and confirms it to the process.
func (r *Runtime) accept(w http.ResponseWriter, request *http.Request, a answer) {
	if !r.finish(request.PathValue("id"), a) {
		refuse(w, http.StatusBadRequest, &FunctionError{Type: "InvalidRequestID", Message: "Invalid request ID"})
		return
	}
	respond(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// readBody reads a body of at most the size of a response. A larger one fails
// the invocation, and the process is told so.
func (r *Runtime) readBody(w http.ResponseWriter, request *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxPayloadBytes))
	if err == nil {
		return body, true
	}
	failed := &FunctionError{Type: "Runtime.ExitError", Message: "the process went away in the middle of its answer"}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		failed = &FunctionError{
			Type:    "Function.ResponseSizeTooLarge",
			Message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayloadBytes),
		}
		refuse(w, http.StatusRequestEntityTooLarge, failed)
	}
	r.finish(request.PathValue("id"), answer{err: failed})
	return nil, false
}

func refuse(w http.ResponseWriter, status int, why *FunctionError) {
	respond(w, status, map[string]string{"errorType": why.Type, "errorMessage": why.Message})
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
