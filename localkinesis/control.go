package localkinesis

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// ControlPath is where a server with Options.Control has its rules of faults.
const ControlPath = "/_kinetrail/faults"

// maxControlBytes is the size of a body with rules.
const maxControlBytes = 1 << 20

// control answers a request for the rules of faults.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !fromThisMachine(r) {
		http.Error(w, "the rules of faults are for programs on the server's own machine", http.StatusForbidden)
		return
	}
	switch err := s.changeFaults(w, r); {
	case errors.Is(err, errors.ErrUnsupported):
		w.Header().Set("Allow", "GET, PUT, POST, DELETE")
		http.Error(w, "the rules of faults take GET, PUT, POST and DELETE", http.StatusMethodNotAllowed)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		for _, hit := range s.faults.Hits() {
			_, _ = fmt.Fprintf(w, "%s # matched %d, struck %d\n", &hit.Rule, hit.Matched, hit.Hits) // the client may have gone
		}
	}
}

// changeFaults does what the method of a request says.
func (s *Server) changeFaults(w http.ResponseWriter, r *http.Request) error {
	var change func(...fault.Rule) error
	switch r.Method {
	case http.MethodGet:
		return nil
	case http.MethodDelete:
		s.faults.Clear()
		return nil
	case http.MethodPut:
		change = s.faults.Replace
	case http.MethodPost:
		change = s.faults.Add
	default:
		return errors.ErrUnsupported
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBytes))
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	rules, err := parseRules(string(text))
	if err != nil {
		return err
	}
	return change(rules...)
}

// parseRules reads a rule a line. What follows a # is left out.
func parseRules(text string) ([]fault.Rule, error) {
	var rules []fault.Rule
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		rule, err := fault.Parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// fromThisMachine reports whether a request comes from a program on this
// machine that means it: from a loopback address, to a name of this machine,
// which a page of another site cannot have its visitors ask for, and not out of
// a page.
func fromThisMachine(r *http.Request) bool {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return false
	}
	if r.Context().Value(http.LocalAddrContextKey) == nil {
		return true // in process
	}
	return isLoopback(r.RemoteAddr) && isLoopback(r.Host)
}

// isLoopback reports whether an address, with its port or without, is this
// machine's own.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
