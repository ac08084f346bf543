package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/producer"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// kpl is the Kinesis Producer Library with its daemon, and the server it puts
// to.
type kpl struct {
	*process
	server *localkinesis.Server
}

const kplName = "KPL"

// checkKPL lets the Kinesis Producer Library put to a local server over TLS, and
// reads what it put with the consumer.
func checkKPL(s *session) {
	if s.skipped("java") {
		s.report.skip(kplName, "java")
		return
	}
	library, err := openKPL(s)
	if err != nil {
		s.check(kplName, "begins", func() (string, error) { return "", err })
		return
	}
	s.report.version(kplName, library.version())
	s.check(kplName, "makes the containers of aggregate/testdata", func() (string, error) { return library.golden(s) })
	s.check(kplName, "puts, the consumer reads", func() (string, error) { return library.bulk(s) })
	s.check(kplName, "puts across a split, the consumer reads", func() (string, error) { return library.acrossSplit(s) })
	s.check(kplName, "ends", func() (string, error) { return "", errors.Join(library.close(), library.server.Close()) })
}

func openKPL(s *session) (*kpl, error) {
	server, err := listen(func(o *localkinesis.Options) {
		o.Certificate, o.Streams = s.secure.certificate, map[string]int{"golden": 1, "bulk": 4, "split": 1}
	})
	if err != nil {
		return nil, err
	}
	p, err := startKPL(s, server.URL())
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return &kpl{p, server}, nil
}

func startKPL(s *session, url string) (*process, error) {
	if err := os.MkdirAll(s.path("kpl"), 0o755); err != nil {
		return nil, err
	}
	command, err := s.java("kpl", "Kpl", nil, url[strings.LastIndexByte(url, ':')+1:], s.path("kpl"))
	if err != nil {
		return nil, err
	}
	return s.start("java/Kpl.java", command)
}

// kplResult is what the library says of a record.
type kplResult struct {
	ShardID        string `json:"shard_id"`
	SequenceNumber string `json:"sequence_number"`
	Attempts       int    `json:"attempts"`
	Error          string `json:"error"`
}

// put puts records and waits for what became of them.
func (k *kpl) put(stream string, records []userRecord) ([]kplResult, error) {
	line, err := json.Marshal(struct {
		Stream  string       `json:"stream"`
		Records []userRecord `json:"records"`
	}{stream, records})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Results []kplResult `json:"results"`
	}
	if err := k.exchange(line, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(records) {
		return nil, fmt.Errorf("%d results for %d records", len(answer.Results), len(records))
	}
	for i, r := range answer.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("record %d was refused: %s", i, r.Error)
		}
	}
	return answer.Results, nil
}

// warm puts one record, so that the library knows the stream's shards: it puts
// records as they are until then.
func (k *kpl) warm(stream string) error {
	_, err := k.put(stream, []userRecord{{PartitionKey: "warm", Data: []byte("warm")}})
	return err
}

// golden lets the library make a container of the records of each case of
// aggregate/testdata that it can make, and compares its bytes with kpl.json there.
func (k *kpl) golden(s *session) (string, error) {
	cases, err := readDocument(testdata("aggregate", "kinetrail.json"))
	if err != nil {
		return "", err
	}
	if err := k.warm("golden"); err != nil {
		return "", err
	}
	made := document{MadeBy: k.version()}
	for _, c := range cases.Containers {
		if !withinKPL(c) {
			continue
		}
		data, err := k.container(c)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.Name, err)
		}
		made.Containers = append(made.Containers, container{Name: c.Name, Records: c.Records, Bytes: hex.EncodeToString(data)})
	}
	if err := s.golden(testdata("aggregate", "kpl.json"), made); err != nil {
		return "", err
	}
	return things(len(made.Containers), "containers"), nil
}

// container lets the library make one container of records in their order. The
// library hands records to its threads, which may change their order: then it has
// to try again.
func (k *kpl) container(c container) ([]byte, error) {
	var got []aggregate.UserRecord
	for range 20 {
		if _, err := k.put("golden", c.Records); err != nil {
			return nil, err
		}
		stored, err := k.server.Records("golden", "")
		if err != nil {
			return nil, err
		}
		last := stored[len(stored)-1].Data
		if got, err = aggregate.Split(last, nil); err != nil {
			return nil, err
		}
		if slices.EqualFunc(got, c.Records, func(g aggregate.UserRecord, r userRecord) bool {
			return g.PartitionKey == r.PartitionKey && g.ExplicitHashKey == r.ExplicitHashKey && bytes.Equal(g.Data, r.Data)
		}) {
			return last, nil
		}
	}
	return nil, fmt.Errorf("the library made a container of %d other records 20 times, of %d", len(got), len(c.Records))
}

// withinKPL tells whether the library can make a container: it has no headers,
// and puts a lone record as it is.
func withinKPL(c container) bool {
	for _, r := range c.Records {
		if len(r.Headers) > 0 {
			return false
		}
	}
	return len(c.Records) > 1
}

const bulkRecords = 5000

// bulk puts thousands of records on four shards and expects every one where the
// library says it lies, whole, and the containers as the KCL reads them.
func (k *kpl) bulk(s *session) (string, error) {
	if err := k.warm("bulk"); err != nil {
		return "", err
	}
	records := userRecords(bulkRecords)
	results, err := k.put("bulk", records)
	if err != nil {
		return "", err
	}
	got, err := k.read(s.ctx, "bulk")
	if err != nil {
		return "", err
	}
	all, err := sameBulk(got, records, results)
	if err != nil {
		return "", err
	}
	containers, err := documentOf(k.server, "bulk", all)
	if err != nil {
		return "", err
	}
	if len(containers.Containers) == 0 {
		return "", errors.New("the library made no container")
	}
	kcl := deaggregators[len(deaggregators)-1]
	same, err := kcl.read(s, containers)
	if err == nil {
		_, err = kcl.compare(same, containers)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", kcl.name, err)
	}
	s.report.add(kplName, len(got), "records")
	s.report.add(kplName, len(containers.Containers), "containers")
	return fmt.Sprintf("%s in %s, which %s reads the same", things(len(got), "records"), things(len(containers.Containers), "containers"), kcl.name), nil
}

// userRecords are records without headers, as the library takes them.
func userRecords(n int) []userRecord {
	records := make([]userRecord, n)
	for i, r := range someRecords(n) {
		records[i] = userRecord{PartitionKey: r.PartitionKey, ExplicitHashKey: r.ExplicitHashKey, Data: fmt.Appendf(nil, "%d:%s", i, r.Data)}
	}
	return records
}

// read is what the consumer reads of a stream, without what warmed it up.
func (k *kpl) read(ctx context.Context, stream string) ([]kinetrail.Record, error) {
	var all []kinetrail.Record
	from := []func(*consumer.Options){consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip(), func(o *consumer.Options) { o.PollInterval = 0 }}
	for r, err := range consumer.Read(ctx, k.server.Client(), stream, from...) {
		if err != nil {
			return nil, err
		}
		if string(r.Data) != "warm" {
			all = append(all, r.Clone())
		}
	}
	return all, nil
}

// sameBulk expects each record once, at its place. Their order is up to the
// library: it hands records to its threads.
func sameBulk(got []kinetrail.Record, put []userRecord, results []kplResult) ([]placed, error) {
	seen := make(map[int]bool)
	all := make([]placed, len(got))
	for at, r := range got {
		i, err := numberOf(r.Data)
		if err != nil || i >= len(put) || seen[i] {
			return nil, fmt.Errorf("the record %q was not put, or not twice: %w", r.Data, err)
		}
		seen[i] = true
		want, result := put[i], results[i]
		switch {
		case r.PartitionKey != want.PartitionKey || !bytes.Equal(r.Data, want.Data) || r.ExplicitHashKey != "" && r.ExplicitHashKey != want.ExplicitHashKey:
			return nil, fmt.Errorf("record %d: %q %q %q\n    want %q %q %q", i, r.PartitionKey, r.ExplicitHashKey, r.Data, want.PartitionKey, want.ExplicitHashKey, want.Data)
		case r.ShardID != result.ShardID || r.Position.Sequence() != result.SequenceNumber:
			return nil, fmt.Errorf("record %d lies at %s %v\n    the library says %s %s", i, r.ShardID, r.Position, result.ShardID, result.SequenceNumber)
		}
		all[at] = placed{r, producer.Result{Position: r.Position}}
	}
	if len(seen) != len(put) {
		return nil, fmt.Errorf("%d records, want %d", len(seen), len(put))
	}
	return all, nil
}

// numberOf is the number a record's data begins with.
func numberOf(data []byte) (i int, err error) {
	_, err = fmt.Sscanf(string(data), "%d:", &i)
	return i, err
}

// acrossSplit puts, splits the shard and puts again: the library has to find
// that out by the answers. It retries what landed on the wrong shard, so records
// may be there twice, but none may be missing.
func (k *kpl) acrossSplit(s *session) (string, error) {
	if err := k.warm("split"); err != nil {
		return "", err
	}
	records := userRecords(2000)
	if _, err := k.put("split", records[:1000]); err != nil {
		return "", err
	}
	_, err := k.server.Client().SplitShard(s.ctx, &kinesis.SplitShardInput{
		StreamName: aws.String("split"), ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: aws.String(highHalf),
	})
	if err != nil {
		return "", err
	}
	if _, err := k.put("split", records[1000:]); err != nil {
		return "", err
	}
	got, err := k.read(s.ctx, "split")
	if err != nil {
		return "", err
	}
	seen := make(map[int]bool)
	for _, r := range got {
		i, err := numberOf(r.Data)
		if err != nil || i >= len(records) || r.PartitionKey != records[i].PartitionKey {
			return "", fmt.Errorf("the record %q %q was not put: %w", r.PartitionKey, r.Data, err)
		}
		seen[i] = true
	}
	if len(seen) != len(records) {
		return "", fmt.Errorf("%d of %d records are there", len(seen), len(records))
	}
	s.report.add(kplName, len(got), "records")
	return fmt.Sprintf("%s, %d of them twice", things(len(seen), "records"), len(got)-len(seen)), nil
}
