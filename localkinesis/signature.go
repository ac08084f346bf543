package localkinesis

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// The signature of a request is AWS Signature Version 4, as the IAM user guide
// describes it ("Create a signed AWS API request").
const (
	algorithm  = "AWS4-HMAC-SHA256"
	dateLayout = "20060102T150405Z"

	// maxSkew is how far the date of a request may be from the machine's time.
	maxSkew = 5 * time.Minute
)

// verifySignature refuses a request that is not signed with the secret of its
// access key. checkAuthentication has passed.
func (s *Server) verifySignature(r *http.Request, body []byte, held credential) error {
	scope := strings.SplitN(string(held), "/", 5)
	secret, known := s.options.Secrets[scope[0]]
	if !known {
		return wire.Refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return wire.Refuse("IncompleteSignatureException", "Credential must have five parts separated by slashes: %s", held)
	}
	signed := signatureOf(r)
	date, err := time.Parse(dateLayout, signed.date)
	if err != nil || signed.date[:8] != scope[1] {
		return wire.Refuse("IncompleteSignatureException", "Date must be in ISO-8601 'basic format' and on the day of the credential. Got '%s'.", signed.date)
	}
	now := time.Now().UTC()
	if date.Before(now.Add(-maxSkew)) {
		return wire.Refuse("InvalidSignatureException", "Signature expired: %s is now earlier than %s (%s - %d min.)",
			signed.date, now.Add(-maxSkew).Format(dateLayout), now.Format(dateLayout), int(maxSkew.Minutes()))
	}
	if date.After(now.Add(maxSkew)) {
		return wire.Refuse("InvalidSignatureException", "Signature not yet current: %s is still later than %s (%s + %d min.)",
			signed.date, now.Add(maxSkew).Format(dateLayout), now.Format(dateLayout), int(maxSkew.Minutes()))
	}
	key := mac([]byte("AWS4"+secret), scope[1])
	for _, part := range scope[2:] {
		key = mac(key, part)
	}
	canonical := sha256.Sum256(canonicalRequest(r, body, signed))
	want := hex.EncodeToString(mac(key, strings.Join([]string{
		algorithm, signed.date, strings.Join(scope[1:], "/"), hex.EncodeToString(canonical[:]),
	}, "\n")))
	if !hmac.Equal([]byte(want), []byte(signed.signature)) {
		return wire.Refuse("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// signature is what a request says about its signature.
type signature struct {
	signature string
	headers   []string
	date      string
}

func signatureOf(r *http.Request) signature {
	if header := r.Header.Get("Authorization"); header != "" {
		a := parseAuthorization(header)
		return signature{signature: a.signature, headers: strings.Split(a.signedHeaders, ";"), date: r.Header.Get("X-Amz-Date")}
	}
	query := r.URL.Query()
	return signature{
		signature: query.Get("X-Amz-Signature"),
		headers:   strings.Split(query.Get("X-Amz-SignedHeaders"), ";"),
		date:      query.Get("X-Amz-Date"),
	}
}

// canonicalRequest is the form of a request that is signed.
func canonicalRequest(r *http.Request, body []byte, signed signature) []byte {
	var c bytes.Buffer
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(&c, "%s\n%s\n%s\n", r.Method, escape(path, true), canonicalQuery(r.URL.Query()))
	for _, name := range signed.headers {
		fmt.Fprintf(&c, "%s:%s\n", name, headerValue(r, name))
	}
	hash := sha256.Sum256(body)
	fmt.Fprintf(&c, "\n%s\n%s", strings.Join(signed.headers, ";"), hex.EncodeToString(hash[:]))
	return c.Bytes()
}

func canonicalQuery(query url.Values) string {
	var pairs []string
	for name, values := range query {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, value := range values {
			pairs = append(pairs, escape(name, false)+"="+escape(value, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// headerValue is a header as it is signed: net/http keeps two of them apart.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return fmt.Sprint(r.ContentLength)
	}
	var values []string
	for _, value := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(value), " "))
	}
	return strings.Join(values, ",")
}

// escape is the service's URI encoding: everything but letters, digits and
// -_.~, and slashes where they are kept.
func escape(text string, keepSlash bool) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0, keepSlash && c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
