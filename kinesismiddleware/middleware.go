package kinesismiddleware

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// middlewareID names the middleware in an operation's stack, which is how it
// finds that it is there already.
const middlewareID = "kinetrail.Propagation"

// Propagation is the installed middleware. It is safe for concurrent use.
type Propagation struct {
	options Options
	carrier atomic.Value // tracecarrier.Carrier
	forced  bool         // KINETRAIL_PROPAGATION is set
	tracer  trace.Tracer
	sink    *metrics.Isolated
	streams sync.Map // of *stream, by name
}

// AppendMiddlewares adds the middleware to the API options of a configuration
// or of a client; every client made from them afterwards propagates. Where a
// client gets it twice, the one that was added first works.
//
// The error says everything that is wrong with the options and with the
// variable KINETRAIL_PROPAGATION, which is read here and then no more. The
// Propagation can change the carrier while the program runs.
func AppendMiddlewares(apiOptions *[]func(*middleware.Stack) error, opts ...func(*Options)) (*Propagation, error) {
	o := defaultOptions()
	for _, opt := range opts {
		opt(&o)
	}
	forced, isForced, err := tracecarrier.FromEnvironment(os.LookupEnv)
	if err := errors.Join(o.validate(), err); err != nil {
		return nil, err
	}
	if isForced {
		o.Carrier = forced
	}
	p := &Propagation{
		options: o,
		forced:  isForced,
		tracer:  tracing.Tracer(o.TracerProvider),
		sink:    metrics.Isolate(o.Metrics, o.Logger),
	}
	p.carrier.Store(o.Carrier)
	*apiOptions = append(*apiOptions, p.install)
	return p, nil
}

// SetCarrier changes the carrier of all later puts, for a program that wants to
// switch propagation off or on without a restart. The error says why a carrier
// is refused; any but the one in force is while KINETRAIL_PROPAGATION is set,
// because the variable is stronger.
func (p *Propagation) SetCarrier(c tracecarrier.Carrier) error {
	if err := checkCarrier(c); err != nil {
		return err
	}
	if p.forced && c != p.Carrier() {
		return fmt.Errorf("kinesismiddleware: Carrier %s is refused, because %s is set to %s", c, tracecarrier.EnvironmentVariable, p.Carrier())
	}
	p.carrier.Store(c)
	return nil
}

// Carrier is the carrier in force.
func (p *Propagation) Carrier() tracecarrier.Carrier {
	return p.carrier.Load().(tracecarrier.Carrier)
}

// Close hands over what a metrics sink of the caller's own has not taken yet,
// within ctx, and ends the goroutine that feeds it. It is needed with such a
// sink only. The middleware goes on propagating, uncounted.
func (p *Propagation) Close(ctx context.Context) error {
	return p.sink.Close(ctx)
}

// install is called with the stack of every operation. The Initialize step sees
// parameters and results with their types, and retries do not repeat it.
func (p *Propagation) install(stack *middleware.Stack) error {
	if _, installed := stack.Initialize.Get(middlewareID); installed {
		return nil
	}
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(middlewareID, p.initialize), middleware.After)
}

func (p *Propagation) initialize(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	if tracing.Marked(ctx) {
		return next.HandleInitialize(ctx, in)
	}
	switch input := in.Parameters.(type) {
	case *kinesis.PutRecordInput:
		return p.putRecord(ctx, in, input, next)
	case *kinesis.PutRecordsInput:
		return p.putRecords(ctx, in, input, next)
	case *kinesis.GetRecordsInput:
		return p.getRecords(ctx, in, input, next)
	}
	return next.HandleInitialize(ctx, in)
}
