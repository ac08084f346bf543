package kinesismiddleware

import (
	"cmp"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// unnamedStream labels the counters of requests that do not say which stream
// they are for: GetRecords works with an iterator alone.
const unnamedStream = "<unknown>"

// stream is what the middleware keeps for each stream the client is used with.
type stream struct {
	name  string // empty when the request does not say it
	spans *tracing.Spans

	injected, extracted, malformed, unknownVersion metrics.Counter
	skipped                                        *metrics.CounterSet
}

// stream is the one a request is for, which can be named in either way. A bad
// name is the service's to refuse.
func (p *Propagation) stream(name, arn *string) *stream {
	parsed, _ := kinetrail.ParseStream(cmp.Or(aws.ToString(name), aws.ToString(arn)))
	if known, ok := p.streams.Load(parsed.Name()); ok {
		return known.(*stream)
	}
	known, _ := p.streams.LoadOrStore(parsed.Name(), p.newStream(parsed.Name()))
	return known.(*stream)
}

func (p *Propagation) newStream(name string) *stream {
	label := cmp.Or(name, unnamedStream)
	return &stream{
		name:           name,
		spans:          tracing.New(p.tracer, name, tracing.Config{}),
		injected:       p.sink.Counter(metrics.TraceInjected, label),
		extracted:      p.sink.Counter(metrics.TraceExtracted, label),
		malformed:      p.sink.Counter(metrics.TraceMalformed, label),
		unknownVersion: p.sink.Counter(metrics.TraceUnknownVersion, label),
		skipped:        metrics.NewCounterSet(p.sink, metrics.TraceSkipped, label),
	}
}

// count takes the outcomes of one put.
func (s *stream) count(outcomes map[tracecarrier.Outcome]int64) {
	for outcome, n := range outcomes {
		if outcome.Injected() {
			s.injected.Add(n)
		} else if reason := outcome.SkipReason(); reason != "" {
			s.skipped.Add(reason, n)
		}
	}
}
