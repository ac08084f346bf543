package oracle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/producer"
)

// errStopped is the cause with which workers are stopped.
var errStopped = errors.New("oracle: stopped")

// house is where the workers of a program live.
type house interface {
	// start starts a worker.
	start(number int) (tenant, error)

	// store is the leases, past every fault.
	store() lease.Store

	// change makes a write to the store that is none of a worker's, and puts it
	// into the journal.
	change(write func() event)

	// read returns what is in the journal once every worker has ended.
	read() ([]event, error)
}

// tenant is a worker in its house.
type tenant interface {
	obey(s step)                // a fault begins
	mend()                      // all faults end
	drain(within time.Duration) // finish and go; 0 is without end
	stop()                      // go
	crash()
	ended() <-chan struct{}
}

// world is one program on its way.
type world struct {
	program *program
	pace    pace
	house   house
	server  *localkinesis.Server
	client  *kinesis.Client
	report  *report

	producers []*producer.Producer
	put       []int // by each producer
	workers   int   // started so far
	live      []tenant
	leaving   []tenant
	erased    map[string]bool // leases, and whether they were finished

	mu      sync.Mutex
	results map[recordID]producer.Result
}

// newServer is the service of one program.
func newServer(p *program) (*localkinesis.Server, error) {
	return localkinesis.New(func(o *localkinesis.Options) {
		o.Streams = map[string]int{streamName: p.Shards}
		o.KeepCalls = 1 << 15
		o.Logger = slog.New(slog.DiscardHandler)
	})
}

// play runs a program to its end and judges it. The error is one of the test
// itself; what is found is in the report.
func play(p *program, pace pace, server *localkinesis.Server, house house, patience time.Duration) (*report, error) {
	w := &world{
		program: p, pace: pace, house: house, server: server, client: server.Client(), report: newReport(),
		put: make([]int, len(p.Writers)), results: make(map[recordID]producer.Result), erased: make(map[string]bool),
	}
	w.report.programs = 1
	err := w.play()
	for _, t := range append(w.live, w.leaving...) { // none unless something went wrong
		t.crash()
		<-t.ended()
	}
	if err != nil {
		return nil, err
	}
	stream, err := look(server, p.Group.RangeKCL)
	if err != nil {
		return nil, err
	}
	w.judgePuts(stream)
	events, err := house.read()
	if err != nil {
		return nil, err
	}
	newJudge(p, stream, w.report, patience).read(events)
	return w.report, nil
}

// play runs the steps, waits for the group and ends it.
func (w *world) play() error {
	if err := w.startProducers(); err != nil {
		return err
	}
	defer w.closeProducers()
	for range w.program.Workers {
		if err := w.start(); err != nil {
			return err
		}
	}
	for _, s := range w.program.Steps {
		w.sleep(s.After)
		if err := w.do(s); err != nil {
			return fmt.Errorf("step %v: %w", s, err)
		}
	}
	return w.settle()
}

func (w *world) sleep(d time.Duration) { <-time.After(d) }

func (w *world) startProducers() error {
	for i, wr := range w.program.Writers {
		p, err := producer.New(w.client, streamName, func(o *producer.Options) {
			o.Aggregation, o.Carrier, o.Order = wr.Aggregation, wr.Carrier, wr.Order
			o.CreateSpans, o.Wire = false, w.program.Group.Wire
			o.Linger = w.pace.unit / 20
			o.Deadline = 0
			o.MaxContainerBytes = 4 << 10 // so that there are many
			o.MaxRequestRecords = 40
			o.Metrics, o.Logger = metrics.Noop, slog.New(slog.DiscardHandler)
		})
		if err != nil {
			return fmt.Errorf("producer %d: %w", i, err)
		}
		w.producers = append(w.producers, p)
	}
	return nil
}

func (w *world) closeProducers() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // everything was flushed, or the program has failed
	for _, p := range w.producers {
		_ = p.Close(ctx)
	}
}

func (w *world) start() error {
	t, err := w.house.start(w.workers)
	if err != nil {
		return fmt.Errorf("start worker %d: %w", w.workers, err)
	}
	w.workers++
	w.live = append(w.live, t)
	return nil
}

// mostWorkers live at the same time.
const mostWorkers = 6

// do makes one step.
func (w *world) do(s step) error {
	w.live = slices.DeleteFunc(w.live, func(t tenant) bool { return closed(t.ended()) }) // by themselves
	switch s.Do {
	case put:
		return w.putRecords(s)
	case split, merge, scale:
		return w.reshard(s)
	case trouble:
		rule, err := fault.Parse(s.Fault)
		if err != nil {
			return err
		}
		return w.server.Faults().Add(rule)
	case jump:
		w.report.count("clock jumped")
		w.server.Clock().Advance(s.For)
	case start:
		if len(w.live) < mostWorkers {
			return w.start()
		}
	case outage, late, lose, freeze:
		for i, t := range w.live {
			if s.Which == everyone || i == s.Which%len(w.live) {
				t.obey(s)
			}
		}
	case drain, stop, crash:
		return w.end(s)
	case erase:
		return w.erase(s)
	}
	return nil
}

// erase deletes a lease, as somebody does who knows better.
func (w *world) erase(s step) (err error) {
	w.house.change(func() event {
		var rows []lease.Lease
		rows, err = w.house.store().List(context.Background())
		if err != nil || len(rows) == 0 {
			return event{Worker: -1, Kind: refused, Op: "erase"}
		}
		row := rows[s.Which%len(rows)]
		if err = w.house.store().Delete(context.Background(), row); err != nil {
			return event{Worker: -1, Kind: refused, Op: "erase"}
		}
		w.erased[row.ShardID] = row.Finished()
		return event{Worker: -1, Kind: erased, Op: "erase", Shard: row.ShardID, Row: &row}
	})
	return err
}

// putRecords hands records to a producer.
func (w *world) putRecords(s step) error {
	n := s.Which % len(w.producers)
	for range s.N {
		id := newID(n, w.put[n])
		w.put[n]++
		w.report.records++
		err := w.producers[n].PutAsync(context.Background(), record(w.program.Seed, w.program.Writers, id), func(r producer.Result) {
			w.mu.Lock()
			defer w.mu.Unlock()

			r.ShardID, r.Attempts = strings.Clone(r.ShardID), slices.Clone(r.Attempts)
			w.results[id] = r
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mostShards are open at the same time.
const mostShards = 8

// reshard splits or merges shards, or scales the stream.
func (w *world) reshard(s step) error {
	ctx, name := context.Background(), aws.String(streamName)
	list, err := w.server.Shards(streamName)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(s localkinesis.Shard) bool { return s.Closed })
	slices.SortFunc(list, func(a, b localkinesis.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	what := s.Do
	switch {
	case what == split && len(list) >= mostShards:
		what = merge
	case what == merge && len(list) == 1:
		what = split
	}
	w.report.count("reshard: " + string(what))
	switch what {
	case split:
		shard := list[s.random%uint64(len(list))]
		middle, ok := shard.Range.Middle()
		if !ok {
			return fmt.Errorf("shard %s cannot be split", shard.ID)
		}
		_, err = w.client.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: name, ShardToSplit: &shard.ID, NewStartingHashKey: aws.String(middle.String())})
	case merge:
		i := s.random % uint64(len(list)-1)
		_, err = w.client.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: name, ShardToMerge: &list[i].ID, AdjacentShardToMerge: &list[i+1].ID})
	case scale:
		_, err = w.client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
			StreamName: name, TargetShardCount: aws.Int32(int32(s.N)), ScalingType: types.ScalingTypeUniformScaling,
		})
	}
	return err
}

// end ends one worker. Half of the crashed ones are started anew.
func (w *world) end(s step) error {
	if len(w.live) == 0 {
		if err := w.start(); err != nil {
			return err
		}
	}
	i := s.Which % len(w.live)
	t := w.live[i]
	w.live = slices.Delete(w.live, i, i+1)
	w.report.count("worker " + map[action]string{drain: "drained", stop: "stopped", crash: "killed"}[s.Do])
	switch s.Do {
	case drain:
		t.drain(s.For)
		w.leaving = append(w.leaving, t)
	case stop:
		t.stop()
		w.leaving = append(w.leaving, t)
	case crash:
		t.crash()
		<-t.ended()
		if s.random%2 == 0 {
			return w.start()
		}
	}
	return nil
}

// patienceToSettle is how long the group may take to catch up once everything
// works again, in units of the pace.
const patienceToSettle = 600

// settle ends all faults, waits until the group has caught up, and ends it.
func (w *world) settle() error {
	w.countFaults()
	w.server.Faults().Clear()
	for _, t := range append(slices.Clone(w.live), w.leaving...) {
		t.mend()
	}
	flushing, cancel := context.WithTimeout(context.Background(), patienceToSettle*w.pace.unit)
	defer cancel()
	for i, p := range w.producers {
		if err := p.Flush(flushing); err != nil {
			return fmt.Errorf("producer %d: %w", i, err)
		}
	}
	if !slices.ContainsFunc(w.live, func(t tenant) bool { return !closed(t.ended()) }) {
		if err := w.start(); err != nil {
			return err
		}
	}
	stream, err := look(w.server, w.program.Group.RangeKCL)
	if err != nil {
		return err
	}
	var behind []string
	for begun := time.Now(); time.Since(begun) < patienceToSettle*w.pace.unit; w.sleep(w.pace.unit / 5) {
		if behind, err = w.behind(stream); err != nil || behind == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	for _, what := range behind {
		w.report.violate("after %v without a fault: %s", patienceToSettle*w.pace.unit, what)
	}
	for _, t := range w.live {
		t.drain(0)
	}
	late := time.After(patienceToSettle * w.pace.unit)
	for _, t := range append(slices.Clone(w.live), w.leaving...) {
		select {
		case <-t.ended():
		case <-late:
			w.report.violate("a worker is not done %v after it was told to drain or stop", patienceToSettle*w.pace.unit)
			return nil // play ends it
		}
	}
	w.live, w.leaving = nil, nil
	return nil
}

// behind tells which shards the group has not read to their tips.
func (w *world) behind(stream truth) ([]string, error) {
	rows, err := w.house.store().List(context.Background())
	if err != nil {
		return nil, err
	}
	places := make(map[string]lease.Lease)
	for _, l := range rows {
		places[l.ShardID] = l
	}
	var behind []string
	for id, s := range stream {
		l, leased := places[id]
		after, _ := s.behind(l.Checkpoint)
		switch {
		case !leased && s.Closed && w.erased[id]: // nobody needs it, its children are being read
		case !leased:
			behind = append(behind, fmt.Sprintf("shard %s has no lease", id))
		case s.Closed && !l.Finished(), after < len(s.places):
			behind = append(behind, fmt.Sprintf("shard %s is at %s, %d of %d records, with %q", id, l.Checkpoint, after, len(s.places), l.Owner))
		}
	}
	return behind, nil
}

// countFaults counts what the server was told to do wrong and did.
func (w *world) countFaults() {
	for _, h := range w.server.Faults().Hits() {
		r := h.Rule
		what := r.Operation + " "
		switch {
		case r.Drop != "":
			what += "cut " + string(r.Drop) + " its effect"
		case r.Stale:
			what += "stale"
		case r.Records > 0:
			what += "some records refused"
		case r.Cut > 0:
			what += "cut after events"
		case r.Delay > 0:
			what += "delayed"
		default:
			what += r.Error
		}
		w.report.countN(what, h.Hits)
	}
}

// judgePuts compares what producers were told with what lies in the stream.
func (w *world) judgePuts(stream truth) {
	copies := make(map[recordID]int)
	for _, s := range stream {
		for _, p := range s.places {
			copies[p.id]++
		}
		w.report.countN("container dropped by its readers", s.dropped)
	}
	for n, put := range w.put {
		for i := range put {
			w.judgePut(newID(n, i), copies, stream)
		}
	}
}

func (w *world) judgePut(id recordID, copies map[recordID]int, stream truth) {
	w.mu.Lock()
	result, ok := w.results[id]
	w.mu.Unlock()
	if !ok || result.Err != nil {
		w.report.violate("record %v was put without a result, or with an error: %v", id, result.Err)
		return
	}
	s := stream[result.ShardID]
	if s == nil {
		w.report.violate("record %v was put on shard %q, which is not there", id, result.ShardID)
		return
	}
	if i, ok := s.index[result.Position.String()]; !ok || s.places[i].id != id {
		w.report.violate("record %v was put on %s at %s, and is not there", id, result.ShardID, result.Position)
	}
	unsure := 0
	for _, a := range result.Attempts {
		switch a.Code {
		case producer.CodeTimeout, producer.CodeConnection, producer.CodeUnknown:
			unsure++
		case producer.CodeWrongShard:
			unsure++
			w.report.count("container put on the wrong shard")
		}
	}
	if extra := copies[id] - 1; extra > unsure {
		w.report.violate("record %v lies in the stream %d times after %d attempts with an unknown outcome", id, copies[id], unsure)
	} else if extra > 0 {
		w.report.countN("record put twice for an attempt with an unknown outcome", extra)
	}
}
