package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// document holds containers and the records in them, in the form of
// aggregate/testdata. A reader is given the bytes and answers with the records.
type document struct {
	MadeBy     string      `json:"made_by"`
	Containers []container `json:"containers"`
}

type container struct {
	Name    string       `json:"name"`
	Records []userRecord `json:"records"`
	Bytes   string       `json:"bytes,omitempty"` // hexadecimal

	// Of a container that was read from a shard, and the range of that.
	PartitionKey    string `json:"partition_key,omitempty"`
	SequenceNumber  string `json:"sequence_number,omitempty"`
	StartingHashKey string `json:"starting_hash_key,omitempty"`
	EndingHashKey   string `json:"ending_hash_key,omitempty"`
}

type userRecord struct {
	PartitionKey    string   `json:"partition_key"`
	ExplicitHashKey string   `json:"explicit_hash_key,omitempty"`
	Data            []byte   `json:"data"`
	Headers         []header `json:"headers,omitempty"`

	// Of a record that was read.
	SequenceNumber    string `json:"sequence_number,omitempty"`
	SubSequenceNumber int    `json:"sub_sequence_number,omitempty"`
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// deaggregator is a library that reads containers.
type deaggregator struct {
	name     string
	language string
	command  func(s *session) (*exec.Cmd, error)

	// fillsHashKeys says that the library gives the first explicit hash key of a
	// container to every record that has none of its own.
	fillsHashKeys bool

	// filters says that the library throws away a container with a record
	// beyond the range of its shard.
	filters bool

	// maker is the program that makes containers with the library, and file the
	// one of aggregate/testdata with those it made.
	maker func(s *session) (*exec.Cmd, error)
	file  string
}

var deaggregators = []deaggregator{
	{
		name: "aws-kinesis-agg for Python", language: "python", command: pythonScript("read_containers.py"), fillsHashKeys: true,
		maker: pythonScript("make_containers.py"), file: "python.json",
	},
	{
		name: "aws-kinesis-agg for Node", language: "node", command: nodeScript("read_containers.js"), fillsHashKeys: true,
		maker: nodeScript("make_containers.js"), file: "node.json",
	},
	{name: "KCL 2", language: "java", command: javaReader("kcl2"), filters: true},
	{name: "KCL 3", language: "java", command: javaReader("kcl3"), filters: true},
}

func pythonScript(script string) func(s *session) (*exec.Cmd, error) {
	return func(s *session) (*exec.Cmd, error) {
		return exec.CommandContext(s.ctx, s.path("python-streams", "bin", "python"), "python/"+script), nil
	}
}

func nodeScript(script string) func(s *session) (*exec.Cmd, error) {
	return func(s *session) (*exec.Cmd, error) {
		return exec.CommandContext(s.ctx, "node", "node/"+script), nil
	}
}

func javaReader(classPath string) func(s *session) (*exec.Cmd, error) {
	return func(s *session) (*exec.Cmd, error) { return s.java(classPath, "ReadContainers", nil) }
}

// checkContainers lets every library read the containers of aggregate/testdata
// and those that the producer puts, and make its own.
func checkContainers(s *session) {
	golden, err := readDocument(testdata("aggregate", "kinetrail.json"))
	documents := []document{golden}
	for _, aggregation := range []producer.Aggregation{producer.ByShard, producer.SameKey, producer.Off} {
		made, putErr := putContainers(s.ctx, aggregation)
		documents, err = append(documents, made), errors.Join(err, putErr)
	}
	if err != nil {
		s.check("producer", "puts containers", func() (string, error) { return "", err })
		return
	}
	for _, library := range deaggregators {
		if s.skipped(library.language) {
			s.report.skip(library.name, library.language)
			continue
		}
		for _, given := range documents {
			s.check(library.name, "reads containers of "+given.MadeBy, func() (string, error) { return library.check(s, given) })
		}
		if library.filters {
			s.check(library.name, "throws away a container that lies on the wrong shard", func() (string, error) { return "", library.throwsAway(s, golden) })
		}
		if library.maker != nil {
			s.check(library.name, "makes the containers of aggregate/testdata", func() (string, error) { return library.makes(s, golden) })
		}
	}
}

// makes lets the library make containers of the records of a document.
func (r deaggregator) makes(s *session, given document) (string, error) {
	command, err := r.maker(s)
	if err != nil {
		return "", err
	}
	var made document
	if err := s.exchange(command, given, &made); err != nil {
		return "", err
	}
	return things(len(made.Containers), "containers"), s.golden(testdata("aggregate", r.file), made)
}

// throwsAway gives the library the first container of a document on a shard that
// its record does not belong to.
func (r deaggregator) throwsAway(s *session, given document) error {
	stray := given.Containers[0]
	stray.StartingHashKey, stray.EndingHashKey = "0", "0"
	got, err := r.read(s, document{Containers: []container{stray}})
	if err != nil {
		return err
	}
	if len(got.Containers) != 1 || len(got.Containers[0].Records) != 0 {
		return fmt.Errorf("it read %+v", got.Containers)
	}
	return nil
}

// testdata is a file of another package.
func testdata(pkg, name string) string { return "../" + pkg + "/testdata/" + name }

func readDocument(file string) (document, error) {
	var d document
	err := readJSON(file, &d)
	return d, err
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

func (r deaggregator) check(s *session, given document) (string, error) {
	got, err := r.read(s, given)
	if err != nil {
		return "", err
	}
	s.report.version(r.name, got.MadeBy)
	records, err := r.compare(got, given)
	if err != nil {
		return "", err
	}
	s.report.add(r.name, len(given.Containers), "containers")
	s.report.add(r.name, records, "records")
	return fmt.Sprintf("%s, %s", things(len(given.Containers), "containers"), things(records, "records")), nil
}

// read is what the library reads of containers.
func (r deaggregator) read(s *session, given document) (document, error) {
	command, err := r.command(s)
	if err != nil {
		return document{}, err
	}
	var got document
	err = s.exchange(command, given, &got)
	return got, err
}

// exchange runs a program that takes a document and answers with another.
func (s *session) exchange(command *exec.Cmd, in, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var answer, complaints bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(text), &answer, &complaints
	if command.Env == nil {
		command.Env = s.environment()
	}
	if err := command.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, lastLines(complaints.String(), 15))
	}
	if err := json.Unmarshal(answer.Bytes(), out); err != nil {
		return fmt.Errorf("the answer %.200q: %w", answer.Bytes(), err)
	}
	return nil
}

// compare holds what was read against what was put, and counts the records.
func (r deaggregator) compare(got, given document) (records int, err error) {
	if len(got.Containers) != len(given.Containers) {
		return 0, fmt.Errorf("%d containers, want %d", len(got.Containers), len(given.Containers))
	}
	var wrong []error
	for i, c := range given.Containers {
		want := r.want(c)
		records += len(want)
		if len(got.Containers[i].Records) != len(want) {
			wrong = append(wrong, fmt.Errorf("%s: %d records, want %d", c.Name, len(got.Containers[i].Records), len(want)))
			continue
		}
		for j, g := range got.Containers[i].Records {
			if len(g.Headers) == 0 {
				g.Headers = nil
			}
			if !reflect.DeepEqual(g, want[j]) {
				wrong = append(wrong, fmt.Errorf("%s, record %d: %+v\n    want %+v", c.Name, j, g, want[j]))
			}
		}
	}
	return records, errors.Join(wrong[:min(len(wrong), 5)]...)
}

// want is what the library is to read: the records in their order, on the
// container's sequence number.
func (r deaggregator) want(c container) []userRecord {
	first := ""
	for _, record := range c.Records {
		if first == "" && r.fillsHashKeys {
			first = record.ExplicitHashKey
		}
	}
	want := make([]userRecord, len(c.Records))
	for i, record := range c.Records {
		record.SequenceNumber, record.SubSequenceNumber = c.SequenceNumber, i
		if record.SequenceNumber == "" {
			record.SequenceNumber = "1"
		}
		if record.ExplicitHashKey == "" {
			record.ExplicitHashKey = first
		}
		if record.Data == nil {
			record.Data = []byte{}
		}
		want[i] = record
	}
	return want
}

// putContainers puts two thousand records through the producer, and tells what
// must be in each container by the results of the puts.
func putContainers(ctx context.Context, aggregation producer.Aggregation) (document, error) {
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} })
	if err != nil {
		return document{}, err
	}
	defer server.Close()
	p, err := producer.New(server.Client(), "orders", func(o *producer.Options) {
		o.Aggregation, o.Carrier, o.Linger = aggregation, tracecarrier.Headers, 20*time.Millisecond
		o.ShardShare = 0 // as fast as it goes
	})
	if err != nil {
		return document{}, err
	}
	placed, err := putAll(ctx, p, someRecords(2000))
	if err := errors.Join(err, p.Close(ctx)); err != nil {
		return document{}, err
	}
	d, err := documentOf(server, "orders", placed)
	d.MadeBy = fmt.Sprintf("the producer, %v", aggregation)
	return d, err
}

// someRecords are records of all sorts, the same in every run.
func someRecords(n int) []kinetrail.Record {
	random := rand.New(rand.NewPCG(1, 2))
	records := make([]kinetrail.Record, n)
	for i := range records {
		r := &records[i]
		r.PartitionKey = fmt.Sprintf("%s-%d", []string{"group", "ключ", "😀", "2"}[random.IntN(4)], random.IntN(40))
		if random.IntN(5) == 0 {
			r.ExplicitHashKey = []string{"0", lowHalfEnd, highHalf, lastHashKey}[random.IntN(4)]
		}
		r.Data = make([]byte, random.IntN(200))
		for j := range r.Data {
			r.Data[j] = byte(random.Uint32())
		}
		if random.IntN(3) == 0 {
			r.Headers = []kinetrail.Header{{Name: "content-type", Value: "text/plain"}, {Name: "größe", Value: ""}}
		}
		if random.IntN(2) == 0 {
			r.Trace = kinetrail.TraceContext{
				Parent:  fmt.Sprintf("00-%016x%016x-%016x-01", random.Uint64()|1, random.Uint64(), random.Uint64()|1),
				State:   "vendor=1",
				Baggage: "tenant=7",
			}
		}
	}
	return records
}

// placed is a record and where the producer says it lies.
type placed struct {
	kinetrail.Record
	producer.Result
}

// putAll puts records in their order and waits for the results.
func putAll(ctx context.Context, p *producer.Producer, records []kinetrail.Record) ([]placed, error) {
	all := make([]placed, len(records))
	for i := range records {
		all[i].Record = records[i]
		if err := p.PutAsync(ctx, records[i], func(r producer.Result) { all[i].Result = r }); err != nil {
			return nil, err
		}
	}
	if err := p.Flush(ctx); err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Err != nil {
			return nil, r.Err
		}
	}
	return all, nil
}

// documentOf is the containers of a stream, each with the records that are said
// to be in it. Every record has to lie in one, or in a record of its own.
func documentOf(server *localkinesis.Server, stream string, all []placed) (document, error) {
	bySequence := make(map[string][]userRecord)
	for _, r := range all {
		at := r.Result.Position
		records := bySequence[at.Sequence()]
		for len(records) <= at.Sub() {
			records = append(records, userRecord{})
		}
		records[at.Sub()] = userRecord{PartitionKey: r.PartitionKey, ExplicitHashKey: r.ExplicitHashKey, Data: r.Data, Headers: headersOf(r.Record)}
		bySequence[at.Sequence()] = records
	}
	shards, err := server.Shards(stream)
	if err != nil {
		return document{}, err
	}
	var d document
	found := 0
	for _, shard := range shards {
		stored, err := server.Records(stream, shard.ID)
		if err != nil {
			return document{}, err
		}
		for _, r := range stored {
			found += len(bySequence[r.Number.String()])
			if !aggregate.IsContainer(r.Data) {
				continue
			}
			d.Containers = append(d.Containers, container{
				Name:            r.Number.String(),
				Records:         bySequence[r.Number.String()],
				Bytes:           hex.EncodeToString(r.Data),
				PartitionKey:    r.PartitionKey,
				SequenceNumber:  r.Number.String(),
				StartingHashKey: shard.Range.Start.String(),
				EndingHashKey:   shard.Range.End.String(),
			})
		}
	}
	if found != len(all) {
		return document{}, fmt.Errorf("%d records lie where they are said to, of %d", found, len(all))
	}
	return d, nil
}

// headersOf are the headers a record is to have: its own, then its trace.
func headersOf(r kinetrail.Record) []header {
	var headers []header
	for _, h := range r.Headers {
		headers = append(headers, header{h.Name, h.Value})
	}
	if r.Trace.Parent != "" {
		headers = append(headers, header{"traceparent", r.Trace.Parent}, header{"tracestate", r.Trace.State}, header{"baggage", r.Trace.Baggage})
	}
	return headers
}
