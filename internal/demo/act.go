package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Played is an act and what came of it.
type Played struct {
	Carrier tracecarrier.Carrier `json:"carrier"`
	Outcome
	Lambda Outcome `json:"lambda"`

	Act    Act           `json:"-"`
	Events int           `json:"-"` // that were put
	Took   time.Duration `json:"-"` // from the first put until everything was handled

	// First and FirstLambda are the handlings of the first two events of
	// group-1, by the consumer and by the Lambda function.
	First, FirstLambda []Handling `json:"-"`

	// GroupShards are the shards on which the records of group-1 lie.
	GroupShards []string `json:"-"`

	// Journey is the trace of the very first event: the spans in it and those
	// that link to it, service by service, in the order they began.
	Journey []Span `json:"-"`

	services map[string]*service
}

// Deviations are the values that came out differently than the act expects.
func (p *Played) Deviations() []Deviation {
	where := "act " + string(p.Carrier)
	return append(p.Outcome.deviations(where, p.Act.Expected, p.Events),
		p.Lambda.deviations(where+", Lambda", p.Act.Expected, p.Events)...)
}

// Count is what a service counted during the act, over all series of the
// counter.
func (p *Played) Count(service string, in *metrics.Instrument) int64 {
	return p.services[service].count(in)
}

// patience is how long an act goes on while nothing is handled. It is then judged
// without the events that are missing.
const patience = 10 * time.Second

var errPatience = errors.New("nothing was handled for a while")

// stage is where one act is played.
type stage struct {
	act    Act
	server *localkinesis.Server
	client *kinesis.Client
	stream string
	shards *shardmap.Map
	events []event

	services map[string]*service
	consumer *witness
	lambda   *witness
}

// playAct puts the events into a fresh stream while both readers read it, and
// judges what was seen.
func playAct(ctx context.Context, server *localkinesis.Server, client *kinesis.Client, act Act, shards int, sink metrics.Sink) (Played, error) {
	s := &stage{act: act, server: server, client: client, stream: "events-" + string(act.Carrier), events: newEvents(eventsPerGroup(shards))}
	s.services = map[string]*service{}
	for _, name := range []string{Producer, Consumer, Lambda} {
		s.services[name] = newService(name, sink)
	}

	p, err := s.newProducer(ctx, shards)
	if err != nil {
		return Played{}, err
	}
	if s.shards, err = listShards(ctx, s.client, s.stream); err != nil {
		return Played{}, errors.Join(err, p.Close(ctx))
	}
	began, err := s.run(ctx, p)
	if err != nil && !errors.Is(err, errPatience) {
		return Played{}, err
	}
	return s.played(time.Since(began))
}

// run starts the readers, puts the events as soon as both are ready, and
// returns when everything has been handled and both have ended.
func (s *stage) run(ctx context.Context, p *producer.Producer) (began time.Time, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	impatient := time.AfterFunc(patience, func() { stop(errPatience) })
	defer impatient.Stop()
	moved := func() { impatient.Reset(patience) }
	s.consumer, s.lambda = newWitness(s.events, moved), newWitness(s.events, moved)

	var readers, getReady sync.WaitGroup
	for _, read := range []func(context.Context, func()) error{s.consume, s.invoke} {
		getReady.Add(1)
		ready := sync.OnceFunc(getReady.Done)
		readers.Go(func() {
			defer ready()
			if err := read(ctx, ready); err != nil {
				stop(err)
			}
		})
	}
	getReady.Wait()
	began = time.Now()
	s.consumer.begin(began)
	s.lambda.begin(began)
	if err := s.put(ctx, p); err != nil {
		stop(err)
	}
	readers.Wait()
	return began, context.Cause(ctx)
}

// newProducer makes event-producer's producer, and the stream.
func (s *stage) newProducer(ctx context.Context, shards int) (*producer.Producer, error) {
	return producer.New(s.client, s.stream, func(o *producer.Options) {
		o.Carrier = s.act.Carrier
		if s.act.Carrier == tracecarrier.PartitionKey {
			o.Order = producer.BestEffort // the carrier loses the order anyway, and asks to say so
		}
		o.Create = &producer.CreateStream{Shards: shards}
		o.Linger = 0
		o.StartContext = ctx
		o.TracerProvider = s.services[Producer].provider
		o.Metrics = s.services[Producer].sink
		o.Logger = slog.New(slog.DiscardHandler)
	})
}

// put puts every event under a span of its own, without waiting for those
// before it, and closes the producer.
func (s *stage) put(ctx context.Context, p *producer.Producer) error {
	var failed []error // of the callbacks, which run one after the other
	tracer := s.services[Producer].provider.Tracer("demo")
	for i := range s.events {
		e := &s.events[i]
		putting, span := tracer.Start(ctx, "publish event", trace.WithNewRoot())
		e.trace = span.SpanContext().TraceID()
		err := p.PutAsync(putting, kinetrail.Record{PartitionKey: e.Group, Data: e.data()}, func(r producer.Result) {
			if r.Err != nil {
				failed = append(failed, fmt.Errorf("put event %s: %w", e.ID, r.Err))
			}
			span.End()
		})
		if err != nil {
			span.End()
			return errors.Join(fmt.Errorf("put event %s: %w", e.ID, err), p.Close(ctx))
		}
	}
	err := p.Close(ctx)
	return errors.Join(append(failed, err)...)
}

// played judges what was observed.
func (s *stage) played(took time.Duration) (Played, error) {
	stored, err := s.stored()
	if err != nil {
		return Played{}, err
	}
	observe := func(reader string, w *witness) observation {
		return observation{
			events: s.events, shards: s.shards, stored: stored, handled: w.handlings(),
			produced: s.services[Producer].spans(), consumed: s.services[reader].spans(),
		}
	}
	byConsumer, byLambda := observe(Consumer, s.consumer), observe(Lambda, s.lambda)
	return Played{
		Carrier:     s.act.Carrier,
		Outcome:     judge(byConsumer),
		Lambda:      judge(byLambda),
		Act:         s.act,
		Events:      len(s.events),
		Took:        took,
		First:       firstTwo(byConsumer.handled),
		FirstLambda: firstTwo(byLambda.handled),
		GroupShards: byConsumer.shardsOf(groupName(1)),
		Journey:     journey(s.events[0].trace, byConsumer.produced, byConsumer.consumed, byLambda.consumed),
		services:    s.services,
	}, nil
}

// stored is where the server holds each record, by sequence number.
func (s *stage) stored() (map[string]string, error) {
	records, err := s.server.Records(s.stream, "")
	if err != nil {
		return nil, fmt.Errorf("look into stream %s: %w", s.stream, err)
	}
	stored := make(map[string]string, len(records))
	for _, r := range records {
		stored[r.Number.String()] = r.ShardID
	}
	return stored, nil
}

// firstTwo are the handlings of the first two events of group-1.
func firstTwo(handled []Handling) []Handling {
	var first []Handling
	for _, h := range handled {
		if h.EventID == eventID(1, 1) || h.EventID == eventID(1, 2) {
			first = append(first, h)
		}
	}
	slices.SortFunc(first, func(a, b Handling) int { return strings.Compare(a.EventID, b.EventID) })
	return first
}

// journey collects the spans of a trace, and those that link to it: service by
// service, in the order they began.
func journey(id trace.TraceID, exported ...[]Span) []Span {
	var found []Span
	for _, spans := range exported {
		slices.SortStableFunc(spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
		for _, span := range spans {
			links := func(link trace.SpanContext) bool { return link.TraceID() == id }
			if span.Context.TraceID() == id || slices.ContainsFunc(span.Links, links) {
				found = append(found, span)
			}
		}
	}
	return found
}
