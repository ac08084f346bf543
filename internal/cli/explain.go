package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a command line that cannot be carried out, whatever the state
// of the world.
type usageError struct {
	command string // its path, such as "kinetrail put"
	err     error
	hint    string // instead of pointing to the command's help
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usageErrorf(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

// hintedError is a failure whose command knows what to do about it.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// interruptedError is what a command was able to finish when Ctrl-C came. It is
// a plain report, not a failure.
type interruptedError struct{ report string }

func (e *interruptedError) Error() string { return e.report }
func (e *interruptedError) Unwrap() error { return context.Canceled }

// lineError is a failure in the middle of the input.
type lineError struct {
	line     int
	accepted string
	err      error
}

func (e *lineError) Error() string {
	reason, _ := explain(e.err)
	return fmt.Sprintf("line %d was not put: %s; %s", e.line, reason, e.accepted)
}

func (e *lineError) Unwrap() error { return e.err }

// partialError is a failure with a part of the work done.
type partialError struct {
	err  error
	done string // what is done, or what is left
}

func (e *partialError) Error() string {
	reason, _ := explain(e.err)
	return reason + "; " + e.done
}

func (e *partialError) Unwrap() error { return e.err }

// errNoRegion and credentialsError are what is missing before the first request.
var errNoRegion = errors.New("no AWS region is set")

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no AWS credentials were found" }
func (e *credentialsError) Unwrap() error { return e.err }

// report tells stderr what went wrong with cmd, if anything, and returns the exit
// code. It is the only place where errors are shown.
func (a *app) report(ctx context.Context, cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitCode(ctx, err)
	sentence, hint := explain(err)
	if code == exitInterrupted {
		// Whatever ended because of Ctrl-C needs no explanation, only what
		// was finished all the same.
		var interrupted *interruptedError
		if errors.As(err, &interrupted) {
			a.complain(a.followUp(cmd, interrupted.report))
		}
		return code
	}
	a.complain(a.followUp(cmd, sentence))
	if hint != "" {
		fmt.Fprintln(a.stderr, a.followUp(cmd, hint))
	}
	return code
}

// complain writes a sentence to stderr.
func (a *app) complain(sentence string) {
	colour := paint(isTerminal(a.stderr) && a.wantsColour())
	fmt.Fprintf(a.stderr, "%s %s\n", colour.red("kinetrail:"), printable(sentence))
}

// note tells a person at a terminal what the command is about to do, or why it
// has shown nothing, and nobody else.
func (a *app) note(format string, args ...any) {
	if isTerminal(a.stderr) {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailure
}

// explain turns an error into a sentence for a person and, where there is
// something to do about it, a hint.
func explain(err error) (sentence, hint string) {
	var midway *lineError
	if errors.As(err, &midway) {
		_, hint = explain(midway.err)
		return midway.Error(), hint
	}
	var partial *partialError
	if errors.As(err, &partial) {
		_, hint = explain(partial.err)
		return partial.Error(), hint
	}
	var usage *usageError
	if errors.As(err, &usage) {
		hint = usage.hint
		if hint == "" {
			hint = fmt.Sprintf("Run \"%s --help\" for how to use it.", usage.command)
		}
		return sentenceOf(err), hint
	}
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return sentenceOf(err), hinted.hint
	}
	var noCredentials *credentialsError
	if errors.As(err, &noCredentials) {
		return "no AWS credentials were found",
			"Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for the local server add --local."
	}
	if errors.Is(err, errNoRegion) {
		return "no AWS region is set", "Add --region or set AWS_REGION; for the local server add --local."
	}
	var stored *storeError
	if errors.As(err, &stored) {
		return stored.Error(), "--store says where groups are kept, and so does " + storeVariable + "."
	}
	var unsent *smithyhttp.RequestSendError
	if errors.As(err, &unsent) {
		return explainUnreachable(unsent)
	}
	return explainAnswer(err)
}

func explainUnreachable(err error) (sentence, hint string) {
	endpoint := "the Kinesis endpoint"
	var request *url.Error
	if errors.As(err, &request) {
		endpoint = strings.TrimSuffix(request.URL, "/")
	}
	var distrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &distrusted):
		return fmt.Sprintf("the certificate of %s is not trusted: %s", endpoint, networkReason(err)),
			"AWS_CA_BUNDLE names a file of certificates to trust; --local trusts any of this machine."
	case errors.Is(err, http.ErrSchemeMismatch):
		return endpoint + " does not speak HTTPS", "Let the URL begin with http://."
	}
	return fmt.Sprintf("no answer from %s: %s", endpoint, networkReason(err)), endpointHint(endpoint)
}

// endpointHint is what can be done about an endpoint that does not answer.
func endpointHint(endpoint string) string {
	parsed, err := url.Parse(endpoint)
	switch {
	case strings.Contains(endpoint, ".amazonaws.com"):
		return "Is this machine online, and is the region right? For the local server add --local."
	case err != nil || !isLoopback(parsed.Hostname()) || parsed.Port() == "":
		return "Is it running, and is the URL right?"
	}
	serve := "kinetrail serve"
	if parsed.Host != localAddr {
		serve += " --addr " + parsed.Host
	}
	if parsed.Scheme == "https" {
		serve += " --tls"
	}
	return fmt.Sprintf("Is it running? \"%s\" starts a local Kinesis there.", serve)
}

// networkReason is the innermost reason, without the layers that sent it up.
func networkReason(err error) string {
	var errno syscall.Errno
	var lookup *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "no such host"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it timed out"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// explainAnswer takes what the endpoint answered out of the SDK's wrapping.
func explainAnswer(err error) (sentence, hint string) {
	var failed smithy.APIError
	if errors.As(err, &failed) && failed.ErrorCode() != unknownCode {
		return answerText(err, failed), ""
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() == http.StatusOK {
		return "the answer cannot be read: " + networkReason(err), ""
	}
	if response != nil {
		return fmt.Sprintf("the endpoint does not answer as Kinesis does: HTTP status %d", response.HTTPStatusCode()),
			"Is the endpoint URL right, with its http:// or https://?"
	}
	return sentenceOf(err), ""
}

// unknownCode is the SDK's code for an answer that has none.
const unknownCode = "UnknownError"

func answerText(err error, failed smithy.APIError) string {
	text := strings.TrimSuffix(failed.ErrorMessage(), ".")
	if text == "" {
		text = failed.ErrorCode()
	} else {
		text = fmt.Sprintf("%s (%s)", text, failed.ErrorCode())
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		text = operation.OperationName + ": " + text
	}
	return text
}

// sentenceOf is the error's text on one line, without the part of the program it
// comes from, which means nothing to who did not write it.
func sentenceOf(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, name := range []string{"new producer: ", "producer: ", "consumer: ", "localkinesis: ", "diskstore: ",
		"filelease: ", "redislease: ", "dynamolease: ", "lease: "} {
		text = strings.TrimPrefix(text, name)
	}
	return text
}

// flagError rewrites what the flag library says about a flag.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		cause := invalid.Unwrap()
		reason := cause.Error()
		switch {
		case errors.Is(cause, strconv.ErrSyntax):
			reason = "it takes a " + invalid.GetFlag().Value.Type()
		case errors.Is(cause, strconv.ErrRange):
			reason = "the number is too large"
		}
		return usageErrorf(cmd, "--%s %s: %s", invalid.GetFlag().Name, abbreviate(invalid.GetValue()), reason)
	}
	var valueMissing *pflag.ValueRequiredError
	if errors.As(err, &valueMissing) {
		return usageErrorf(cmd, "--%s needs a value", valueMissing.GetFlag().Name)
	}
	return &usageError{command: cmd.CommandPath(), err: err}
}
