package otelsink

import (
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
)

// convention is an instrument of the semantic conventions that gets the values
// of one of the catalogue; counter or histogram is set.
type convention struct {
	counter   metric.Int64Observable
	histogram metric.Float64Histogram
	operation tracing.Operation
	further   []attribute.KeyValue // the same on every series
}

// buckets are those that the conventions advise for both durations.
var buckets = metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)

// addConventions makes the instruments of the conventions.
func (s *Sink) addConventions(meter metric.Meter) ([]metric.Observable, error) {
	sent, err := messagingconv.NewClientSentMessagesObservable(meter)
	if err != nil {
		return nil, err
	}
	consumed, err := messagingconv.NewClientConsumedMessagesObservable(meter)
	if err != nil {
		return nil, err
	}
	operation, err := messagingconv.NewClientOperationDuration(meter, buckets)
	if err != nil {
		return nil, err
	}
	process, err := messagingconv.NewProcessDuration(meter, buckets)
	if err != nil {
		return nil, err
	}
	for in, c := range map[*metrics.Instrument]convention{
		metrics.ProducerRecordsSent:     {counter: sent.Inst(), operation: tracing.PutRecords},
		metrics.ProducerErrors:          {counter: sent.Inst(), operation: tracing.PutRecords},
		metrics.ConsumerRecordsReceived: {counter: consumed.Inst(), operation: tracing.GetRecords},
		metrics.ProducerFlushDuration: {
			histogram: operation.Inst(), operation: tracing.PutRecords,
			further: []attribute.KeyValue{semconv.MessagingOperationTypeSend},
		},
		metrics.ConsumerProcessingTime: {histogram: process.Inst(), operation: tracing.Process},
	} {
		s.messaging[in] = c
	}
	return []metric.Observable{sent.Inst(), consumed.Inst()}, nil
}

// withAttributes is the attributes of the series that gets the values of the
// series of in with these label values. The shard is left out: series of the
// conventions would outlive it.
func (c convention) withAttributes(in *metrics.Instrument, labelValues []string) metric.MeasurementOption {
	all := append([]attribute.KeyValue{
		tracing.SystemKey.String(tracing.System),
		tracing.OperationNameKey.String(string(c.operation)),
	}, c.further...)
	for i, label := range in.Labels {
		switch label {
		case metrics.LabelStream:
			all = append(all, tracing.DestinationKey.String(labelValues[i]))
		case metrics.LabelErrorType:
			all = append(all, tracing.ErrorTypeKey.String(labelValues[i]))
		}
	}
	return metric.WithAttributeSet(attribute.NewSet(all...))
}

// message is the conventions' counter that gets the adds of the series of in
// with these label values, nil when there is none. All shards of a stream have
// the same.
func (s *Sink) message(in *metrics.Instrument, labelValues []string) *counter {
	c, ok := s.messaging[in]
	if !ok {
		return nil
	}
	var withoutShard []string
	for i, label := range in.Labels {
		if label != metrics.LabelShard {
			withoutShard = append(withoutShard, labelValues[i])
		}
	}
	return s.messages.get(in, withoutShard, func([]string) *counter {
		return &counter{target: c.counter, options: []metric.ObserveOption{c.withAttributes(in, labelValues)}}
	})
}
