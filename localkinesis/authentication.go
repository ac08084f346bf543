package localkinesis

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// credential is the Credential of a signed request:
// AKIDEXAMPLE/20231114/us-west-2/kinesis/aws4_request.
type credential string

// region is the region the credential is scoped to, empty when it is not.
func (c credential) region() string {
	rest := string(c)
	for range 2 {
		_, after, ok := strings.Cut(rest, "/")
		if !ok {
			return ""
		}
		rest = after
	}
	region, _, _ := strings.Cut(rest, "/")
	return region
}

// checkAuthentication refuses a request that is not signed in the form of
// SigV4, in its header or its query.
func checkAuthentication(r *http.Request) (credential, error) {
	header := r.Header.Get("Authorization")
	var query url.Values
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	inQuery := query.Has("X-Amz-Algorithm")
	switch {
	case header != "" && inQuery:
		return "", wire.Refuse("InvalidSignatureException", "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case header != "":
		return checkHeader(r, header)
	case inQuery:
		return checkQuery(query)
	}
	return "", wire.Refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
}

// authorization are the parameters of an Authorization header.
type authorization struct {
	credential, signature, signedHeaders string
}

func parseAuthorization(header string) (a authorization) {
	_, rest, _ := strings.Cut(header, " ")
	for rest != "" {
		var part string
		if i := strings.IndexAny(rest, ", "); i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			part, rest = rest, ""
		}
		switch name, value, _ := strings.Cut(part, "="); name {
		case "Credential":
			a.credential = value
		case "Signature":
			a.signature = value
		case "SignedHeaders":
			a.signedHeaders = value
		}
	}
	return a
}

func checkHeader(r *http.Request, header string) (credential, error) {
	a := parseAuthorization(header)
	hasDate := r.Header.Get("X-Amz-Date") != "" || r.Header.Get("Date") != ""
	if a.credential != "" && a.signature != "" && a.signedHeaders != "" && hasDate {
		return credential(a.credential), nil
	}
	var missing strings.Builder
	for _, p := range []struct{ name, value string }{
		{"Credential", a.credential}, {"Signature", a.signature}, {"SignedHeaders", a.signedHeaders},
	} {
		if p.value == "" {
			missing.WriteString("Authorization header requires '" + p.name + "' parameter. ")
		}
	}
	if !hasDate {
		missing.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	return "", wire.Refuse("IncompleteSignatureException", "%sAuthorization=%s", missing.String(), header)
}

func checkQuery(query url.Values) (credential, error) {
	var missing strings.Builder
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if query.Get(name) == "" {
			missing.WriteString("AWS query-string parameters must include '" + name + "'. ")
		}
	}
	if missing.Len() > 0 {
		return "", wire.Refuse("IncompleteSignatureException", "%sRe-examine the query-string parameters.", missing.String())
	}
	return credential(query.Get("X-Amz-Credential")), nil
}
