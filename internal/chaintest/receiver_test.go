package chaintest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is a span as it came over OTLP.
type span struct {
	service string
	pid     int64
	name    string
	kind    tracepb.Span_SpanKind
	place   // where it is
	parent  string
	links   []place
}

// place is a span's identity.
type place struct{ trace, span string }

// receiver takes spans over OTLP.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	spans []span
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", r.export)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) export(w http.ResponseWriter, request *http.Request) {
	var exported collector.ExportTraceServiceRequest
	body, err := readBody(request)
	if err == nil {
		err = proto.Unmarshal(body, &exported)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, group := range exported.ResourceSpans {
		service := attribute(group.Resource.Attributes, "service.name").GetStringValue()
		pid := attribute(group.Resource.Attributes, "process.pid").GetIntValue()
		for _, scope := range group.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, spanOf(service, pid, s))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func readBody(request *http.Request) ([]byte, error) {
	if request.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(request.Body)
	}
	unzipped, err := gzip.NewReader(request.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unzipped)
}

func attribute(attributes []*common.KeyValue, key string) *common.AnyValue {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return nil
}

func spanOf(service string, pid int64, s *tracepb.Span) span {
	converted := span{
		service: service, pid: pid, name: s.Name, kind: s.Kind,
		place:  place{hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId)},
		parent: hex.EncodeToString(s.ParentSpanId),
	}
	for _, link := range s.Links {
		converted.links = append(converted.links, place{hex.EncodeToString(link.TraceId), hex.EncodeToString(link.SpanId)})
	}
	return converted
}

// find returns the spans of one service with one name, in the order they came.
func (r *receiver) find(service, name string) []span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.spans), func(s span) bool { return s.service != service || s.name != name })
}
