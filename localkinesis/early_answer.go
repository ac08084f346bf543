package localkinesis

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// The Go SDK (smithy-go v1.28) closes the body of its request as soon as the
// answer begins. net/http has sent the body by then, but may not have seen yet
// that it is at its end: reading on, it gets io.EOF from a method that must not
// return it (WriteTo), takes that for a failed request and cuts the connection,
// and with it the rest of the answer. The service is far enough away for that
// never to happen. A server in the same machine is not: its thread often takes
// the core of the client's that has just sent the request, and on two busy cores
// one page in eight was lost.
//
// The server's own client is safe, see wholeBody. To others the server gives
// way for a moment, where something can get lost: on HTTP/1, when the answer
// does not fit into the client's first read. Then one page in three hundred was
// lost, and with longer moments no fewer; the SDK asks for it again.
const (
	momentForAnswers = 250 * time.Microsecond
	momentForEvents  = 5 * time.Millisecond // an event stream lasts: losing it is worse
	firstRead        = 2 << 10
)

// giveMoment waits until the client is probably done with its request.
func giveMoment(r *http.Request, moment time.Duration) {
	overNetwork := r.Context().Value(http.LocalAddrContextKey) != nil
	if r.ProtoMajor != 1 || !overNetwork || !strings.HasPrefix(r.UserAgent(), "aws-sdk-go-v2/") {
		return
	}
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// wholeBody hands net/http a body that is in memory as a whole, which it sends
// in one piece and which nobody else can close.
type wholeBody struct{ base http.RoundTripper }

// RoundTrip sends the request with a copy of its body.
func (t wholeBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return t.base.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if closeErr := r.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return t.base.RoundTrip(r)
}
