package wire

import (
	"fmt"
	"net/http"
)

// Error is a refusal in the terms of the wire.
type Error struct {
	Status  int    // of HTTP
	Code    string // the service's name for it
	Message string // empty: the answer has none

	// CapitalMessage says that the member of the answer is Message instead of
	// message, as the service does with values of the wrong type.
	CapitalMessage bool
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Refuse is a refusal of what the client sent.
func Refuse(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// serialization is the refusal of a value of the wrong type.
func serialization(format string, args ...any) *Error {
	e := Refuse("SerializationException", format, args...)
	e.CapitalMessage = true
	return e
}
