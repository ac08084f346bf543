package state

import "fmt"

// The names of the errors as the service spells them.
const (
	AccessDenied                  = "AccessDeniedException"
	ExpiredIterator               = "ExpiredIteratorException"
	ExpiredNextToken              = "ExpiredNextTokenException"
	InvalidArgument               = "InvalidArgumentException"
	LimitExceeded                 = "LimitExceededException"
	ProvisionedThroughputExceeded = "ProvisionedThroughputExceededException"
	ResourceInUse                 = "ResourceInUseException"
	ResourceNotFound              = "ResourceNotFoundException"
	Validation                    = "ValidationException"
)

// Error is a refusal the service would answer with.
type Error struct {
	Code    string // one of the names above
	Message string // the service's sentence
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
