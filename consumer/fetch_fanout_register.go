package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/lease"
)

// FanOutAPI is what the client has to have besides API when Options.Fetch is
// FanOut or Auto. A *kinesis.Client has it.
type FanOutAPI interface {
	DescribeStreamConsumer(context.Context, *kinesis.DescribeStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error)
	RegisterStreamConsumer(context.Context, *kinesis.RegisterStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error)
	SubscribeToShard(context.Context, *kinesis.SubscribeToShardInput, ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error)
}

// fanOut is the registered consumer of one stream, which the shards subscribe
// as. It is registered by whoever needs it first, and never deregistered: other
// workers of the group use the same.
type fanOut struct {
	client  API
	api     FanOutAPI
	stream  kinetrail.Stream
	name    string
	auto    bool
	logger  *slog.Logger
	stopped <-chan struct{} // nil: never
	pace    pace

	joining chan struct{} // holds one while somebody registers

	mu      sync.Mutex
	arn     string // empty: not registered, as far as is known
	refused error  // errPollInstead with its reason: there was no room
}

const (
	// registerAttempts is how often registering is refused with
	// LimitExceededException before it means that the stream has as many
	// consumers as it may: the same error says that five are being created, or
	// that the rate of calls is too high, which both pass.
	registerAttempts = 4

	// registerPause and registerLastPause bound the pauses between two looks at
	// a consumer that is being created. It takes some seconds.
	registerPause     = 500 * time.Millisecond
	registerLastPause = 2 * time.Second
)

var (
	// errNoRoom says that the stream has as many consumers as it may.
	errNoRoom = errors.New("the stream has as many registered consumers as it may; deregister one, ask for a higher quota, or set Options.Fetch to Auto or Polling")

	// errPollInstead sends a shard to GetRecords.
	errPollInstead = errors.New("polling instead of enhanced fan-out")

	// errStopped says that Drain came before the consumer was there.
	errStopped = errors.New("stopped")
)

// consumerNames are the names that the service allows (RegisterStreamConsumer).
var consumerNames = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// checkFanOut reports what keeps Options.Fetch from working. group is the name of
// the group, as far as there is one.
func checkFanOut(o *Options, client API, group string) error {
	if o.Fetch == Polling {
		return nil
	}
	var errs []error
	if _, ok := client.(FanOutAPI); client != nil && !ok {
		errs = append(errs, fmt.Errorf("consumer: Options.Fetch is %v, but the client lacks what FanOutAPI has", o.Fetch))
	}
	switch name := o.consumerName(group); {
	case name == "":
		errs = append(errs, fmt.Errorf("consumer: Options.Fetch is %v, which needs a name to register: set Options.ConsumerName, or use a lease store that knows the name of its group", o.Fetch))
	case !consumerNames.MatchString(name) && o.ConsumerName == "":
		errs = append(errs, fmt.Errorf("consumer: the group's name %q cannot be the name of a registered consumer, which has up to 128 of the characters a-z, A-Z, 0-9, _, . and -: set Options.ConsumerName", name))
	case !consumerNames.MatchString(name):
		errs = append(errs, fmt.Errorf("consumer: Options.ConsumerName is %q, it must have up to 128 of the characters a-z, A-Z, 0-9, _, . and -", name))
	}
	return errors.Join(errs...)
}

// consumerName is the name to register for a group of this name.
func (o *Options) consumerName(group string) string {
	if o.ConsumerName != "" {
		return o.ConsumerName
	}
	return group
}

// groupName is the name of the group that store belongs to, empty when the store
// does not know it.
func groupName(store lease.Store) string {
	if metered, ok := store.(*lease.Metered); ok {
		store = metered.Store
	}
	if named, ok := store.(lease.Named); ok {
		return named.Group()
	}
	return ""
}

// newFanOut returns nil when the options ask for polling.
func newFanOut(client API, stream kinetrail.Stream, o *Options, group string, stopped <-chan struct{}) *fanOut {
	if o.Fetch == Polling {
		return nil
	}
	return &fanOut{
		client: client, api: client.(FanOutAPI), stream: stream, name: o.consumerName(group), auto: o.Fetch == Auto,
		logger: o.Logger, stopped: stopped, joining: make(chan struct{}, 1),
	}
}

// join registers the consumer, or finds that it is registered, and waits until it
// can be used. A nil fanOut has nothing to do.
func (f *fanOut) join(ctx context.Context) error {
	if f == nil {
		return nil
	}
	if timeout := clientTimeout(f.client); timeout > 0 && timeout < kinetrail.SubscriptionLifetime {
		f.logger.WarnContext(ctx, "kinetrail: the HTTP client's Timeout ends every subscription early; use a client without one, Options.RequestTimeout bounds the calls",
			f.attrs(slog.Duration("timeout", timeout))...)
	}
	_, err := f.consumer(ctx)
	if errors.Is(err, errPollInstead) || errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// clientTimeout is after what time the HTTP client behind an API cuts an answer
// that is still being read, 0 when it does not or does not tell.
func clientTimeout(client any) time.Duration {
	c, ok := client.(interface{ Options() kinesis.Options })
	if !ok {
		return 0
	}
	switch h := c.Options().HTTPClient.(type) {
	case *http.Client:
		return h.Timeout
	case interface{ GetTimeout() time.Duration }:
		return h.GetTimeout()
	}
	return 0
}

// consumer returns the ARN of the registered consumer, registering it when need
// be, or errPollInstead.
func (f *fanOut) consumer(ctx context.Context) (arn string, err error) {
	if arn, err := f.known(); arn != "" || err != nil {
		return arn, err
	}
	select {
	case f.joining <- struct{}{}:
		defer func() { <-f.joining }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if arn, err := f.known(); arn != "" || err != nil {
		return arn, err // by somebody else meanwhile
	}
	arn, err = f.register(ctx)
	if err != nil {
		err = fmt.Errorf("register consumer %s of stream %s: %w", f.name, f.stream.Name(), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	f.arn = arn
	if f.auto && errors.Is(err, errNoRoom) {
		f.logger.WarnContext(ctx, "kinetrail: the stream is polled until Run or Read begins anew", f.attrs(slog.Any("error", err))...)
		f.refused = fmt.Errorf("%w: %w", errPollInstead, err)
		return "", f.refused
	}
	return arn, err
}

func (f *fanOut) known() (arn string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.arn, f.refused
}

// register makes a consumer of this name, unless there is one, and waits until
// it is ACTIVE.
func (f *fanOut) register(ctx context.Context) (arn string, err error) {
	ctx = tracing.Mark(ctx)
	stream, err := f.streamARN(ctx)
	if err != nil {
		return "", err
	}
	for tries, refused := 1, 0; ; tries++ {
		found, err := f.describe(ctx, &kinesis.DescribeStreamConsumerInput{StreamARN: &stream, ConsumerName: &f.name})
		var unknown *types.ResourceNotFoundException
		var limit *types.LimitExceededException
		if errors.As(err, &unknown) {
			err = f.create(ctx, stream)
			if errors.As(err, &limit) {
				refused++
			}
		}
		switch {
		case refused == registerAttempts:
			return "", fmt.Errorf("%w: %w", errNoRoom, err)
		case err != nil && !passes(err):
			return "", err
		case found != nil && found.ConsumerStatus == types.ConsumerStatusActive:
			return aws.ToString(found.ConsumerARN), nil
		case err == nil && found == nil && tries == 1:
			continue // it was created and may be there at once
		case tries == 2:
			f.logger.InfoContext(ctx, "kinetrail: waiting until the registered consumer can be used", f.attrs()...)
		}
		if err := f.sleep(ctx, backoff(tries, registerPause, registerLastPause)); err != nil {
			return "", err
		}
	}
}

// passes reports whether registering can go on after this error: too many calls,
// or somebody else has created the consumer meanwhile.
func passes(err error) bool {
	var inUse *types.ResourceInUseException
	return errors.As(err, &inUse) || isThrottle(errorType(err))
}

func (f *fanOut) describe(ctx context.Context, in *kinesis.DescribeStreamConsumerInput) (*types.ConsumerDescription, error) {
	out, err := f.api.DescribeStreamConsumer(ctx, in)
	if err != nil {
		return nil, err
	}
	if out.ConsumerDescription == nil {
		return nil, errors.New("the answer is empty")
	}
	return out.ConsumerDescription, nil
}

// create asks for the consumer to be made.
func (f *fanOut) create(ctx context.Context, stream string) error {
	_, err := f.api.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &stream, ConsumerName: &f.name}, noRetries)
	if err == nil {
		f.logger.InfoContext(ctx, "kinetrail: a consumer was registered; it costs until it is deregistered", f.attrs()...)
	}
	return err
}

// streamARN is the ARN of the stream, asked for when it was given by its name.
func (f *fanOut) streamARN(ctx context.Context) (string, error) {
	name, known := f.stream.APINames()
	if known != nil {
		return *known, nil
	}
	out, err := f.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
	if err != nil {
		return "", err
	}
	if out.StreamDescriptionSummary == nil {
		return "", errors.New("the answer is empty")
	}
	return aws.ToString(out.StreamDescriptionSummary.StreamARN), nil
}

// lost reports whether the consumer is gone, and has it registered again by
// whoever needs it next.
func (f *fanOut) lost(ctx context.Context) (bool, error) {
	arn, err := f.known()
	if err != nil || arn == "" {
		return true, nil
	}
	found, err := f.describe(tracing.Mark(ctx), &kinesis.DescribeStreamConsumerInput{ConsumerARN: &arn})
	var unknown *types.ResourceNotFoundException
	if !errors.As(err, &unknown) && (err != nil || found.ConsumerStatus == types.ConsumerStatusActive) {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.arn == arn {
		f.arn = ""
	}
	return true, nil
}

// sleep waits for d, the end of ctx, or until nobody needs the consumer any more.
func (f *fanOut) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.stopped:
		return errStopped
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *fanOut) attrs(more ...any) []any {
	return append([]any{slog.String("stream", f.stream.Name()), slog.String("consumer", f.name)}, more...)
}

// pace spaces what all shards of one consumer begin.
type pace struct {
	mu   sync.Mutex
	next time.Time
}

// subscribeInterval lets a worker begin a hundred subscriptions a second, so
// that those of a thousand shards take ten seconds instead of a burst of a
// thousand connections. The service itself has a limit for each shard only.
const subscribeInterval = 10 * time.Millisecond

// wait waits for its turn, or the end of ctx.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	at := time.Now()
	if p.next.After(at) {
		at = p.next
	}
	p.next = at.Add(subscribeInterval)
	p.mu.Unlock()
	return sleepUntil(ctx, at)
}
