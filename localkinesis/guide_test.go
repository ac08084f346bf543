package localkinesis_test

// What docs/local-server.md shows and promises.

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

func TestAnOrderIsStored(t *testing.T) {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 4} })
	client := server.Client()

	_, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String("orders"), PartitionKey: aws.String("customer-7"), Data: []byte("one espresso"),
	})
	if err != nil {
		t.Fatal(err)
	}
	records, err := server.Records("orders", "") // of every shard
	if err != nil || len(records) != 1 || string(records[0].Data) != "one espresso" {
		t.Errorf("stored are %v, %v; want one espresso", records, err)
	}
}

func TestAnIteratorIsTooOldAfterFiveMinutes(t *testing.T) {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	client := server.Client()
	iterator, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String("orders"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Clock().Advance(6 * time.Minute)
	_, err = client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
	if tooOld := new(types.ExpiredIteratorException); !errors.As(err, &tooOld) {
		t.Errorf("GetRecords with an old iterator: %v", err)
	}
}

func TestTheThirdPutIsThrottled(t *testing.T) {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 1} })
	throttle, err := fault.Parse("PutRecords nth=3 error=ProvisionedThroughputExceededException")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Faults().Add(throttle); err != nil {
		t.Fatal(err)
	}
	client := server.Client() // which tries again, as every SDK does
	for range 3 {
		_, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{
			StreamName: aws.String("orders"),
			Records:    []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("espresso")}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if hit := server.Faults().Hits()[0]; hit.Matched != 4 || hit.Hits != 1 {
		t.Errorf("the rule saw %d calls and struck %d; want 4 and 1", hit.Matched, hit.Hits)
	}
}

func TestAServerSpeaksHTTPS(t *testing.T) {
	certificate, err := localkinesis.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Certificate = certificate })
	trusted := x509.NewCertPool()
	trusted.AddCert(certificate.Leaf) // for clients other than server.Client()
	if _, err := server.Client().ListStreams(t.Context(), &kinesis.ListStreamsInput{}); err != nil {
		t.Error(err)
	}
}

// What becomes of a call, beside the code of an error.
const (
	succeeds = "succeeds"
	fails    = "fails"
)

// guideRules are the rules of the guide, each with calls in their order, and
// what becomes of them.
var guideRules = map[string]struct {
	calls []func(p *player) string
	want  []string
}{
	"PutRecords nth=3 error=ProvisionedThroughputExceededException": {
		calls: []func(*player) string{(*player).puts, (*player).puts, (*player).puts, (*player).puts},
		want:  []string{succeeds, succeeds, "ProvisionedThroughputExceededException", succeeds},
	},
	"GetRecords shard=shardId-000000000001 times=2 error=InternalFailure": {
		calls: []func(*player) string{(*player).get, (*player).get1, (*player).get1, (*player).get1},
		want:  []string{succeeds, "InternalFailure", "InternalFailure", succeeds},
	},
	"* stream=audit error=LimitExceededException": {
		calls: []func(*player) string{(*player).put, (*player).audit},
		want:  []string{succeeds, "LimitExceededException"},
	},
	"PutRecord p=0.5 seed=7 error=InternalFailure": {
		calls: []func(*player) string{(*player).put, (*player).put, (*player).put, (*player).put, (*player).put, (*player).put},
		want:  []string{succeeds, succeeds, "InternalFailure", "InternalFailure", "InternalFailure", "InternalFailure"},
	},
	"PutRecords nth=1 records=2": {
		calls: []func(*player) string{(*player).puts, (*player).puts},
		want:  []string{"2 of 4 records", succeeds},
	},
	"PutRecords nth=1 records=2 seed=7": {
		calls: []func(*player) string{(*player).puts, (*player).puts},
		want:  []string{"2 of 4 records", succeeds},
	},
	"PutRecord nth=1 drop=before": {
		calls: []func(*player) string{(*player).put, (*player).stored},
		want:  []string{fails, "0 stored"},
	},
	"PutRecord nth=1 drop=after": {
		calls: []func(*player) string{(*player).put, (*player).stored},
		want:  []string{fails, "1 stored"},
	},
	"GetRecords nth=1 delay=300ms": {
		calls: []func(*player) string{(*player).timed, (*player).get},
		want:  []string{"took 300ms", succeeds},
	},
	"GetRecords nth=2 clock=6m": {
		calls: []func(*player) string{(*player).get, (*player).get},
		want:  []string{succeeds, "ExpiredIteratorException"},
	},
	"ListShards nth=1 stale": {
		calls: []func(*player) string{(*player).split, (*player).list, (*player).list},
		want:  []string{succeeds, "2 shards", "4 shards"},
	},
	"SubscribeToShard nth=1 cut=2": {
		calls: []func(*player) string{(*player).subscribe},
		want:  []string{"2 events"},
	},
}

// player makes the calls of guideRules to one server.
type player struct {
	t        *testing.T
	server   *localkinesis.Server
	client   *kinesis.Client
	iterator [2]*string // of each shard of the stream orders
}

func newPlayer(t *testing.T) *player {
	t.Helper()
	p := &player{t: t, server: inProcess(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2, "audit": 1} })}
	p.client = p.server.Client(once)
	withConsumer(t, p.server)
	for shard := range p.iterator {
		p.iterator[shard] = reader{t, p.client}.iterator(&kinesis.GetShardIteratorInput{
			ShardId: aws.String(fmt.Sprintf("shardId-%012d", shard)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
	}
	return p
}

// outcomeOf is the code of an error, fails for one without, succeeds for none.
func outcomeOf(err error) string {
	var coded interface{ ErrorCode() string }
	switch {
	case err == nil:
		return succeeds
	case errors.As(err, &coded):
		return coded.ErrorCode()
	}
	return fails
}

func (p *player) put() string { return outcomeOf(putOne(p.client, "k")) }

func (p *player) audit() string {
	_, err := p.client.DescribeStream(p.t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("audit")})
	return outcomeOf(err)
}

func (p *player) puts() string {
	in := &kinesis.PutRecordsInput{StreamName: aws.String("orders")}
	for _, key := range []string{"a", "b", "c", "d"} {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(key), Data: []byte{}})
	}
	out, err := p.client.PutRecords(p.t.Context(), in)
	if err == nil && *out.FailedRecordCount > 0 {
		return fmt.Sprintf("%d of 4 records", *out.FailedRecordCount)
	}
	return outcomeOf(err)
}

func (p *player) stored() string {
	records, err := p.server.Records("orders", "")
	return fmt.Sprintf("%d stored", len(must(p.t, records, err)))
}

func (p *player) get() string  { return p.read(0) }
func (p *player) get1() string { return p.read(1) }
func (p *player) read(shard int) string {
	_, err := p.client.GetRecords(p.t.Context(), &kinesis.GetRecordsInput{ShardIterator: p.iterator[shard]})
	return outcomeOf(err)
}

func (p *player) timed() string {
	began := time.Now()
	if outcome := p.get(); outcome != succeeds {
		return outcome
	}
	return fmt.Sprint("took ", time.Since(began))
}

func (p *player) split() string {
	_, err := p.client.SplitShard(p.t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String("orders"), ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("100"),
	})
	return outcomeOf(err)
}

func (p *player) list() string {
	out, err := p.client.ListShards(p.t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("orders")})
	return fmt.Sprintf("%d shards", len(must(p.t, out, err).Shards))
}

func (p *player) subscribe() string {
	listed, err := p.server.Consumers("orders")
	arn := must(p.t, listed, err)[0].ARN
	out, err := p.client.SubscribeToShard(p.t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: &arn, ShardId: aws.String("shardId-000000000001"), StartingPosition: &fromTrimHorizon,
	})
	events := must(p.t, out, err).GetStream()
	defer events.Close()
	n := 0
	for next(events) != nil {
		n++
		p.put()
	}
	if events.Err() == nil {
		return "an end in order"
	}
	return fmt.Sprintf("%d events", n)
}

func TestTheRulesOfTheGuideDoWhatItSays(t *testing.T) {
	t.Parallel()
	for text, tt := range guideRules {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // in which a delay takes no time
				p := newPlayer(t)
				strike(t, p.server, text)
				var got []string
				for _, call := range tt.calls {
					got = append(got, call(p))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s: the calls came to %v; want %v", text, got, tt.want)
				}
				must(t, 0, p.server.Close())
			})
		})
	}
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(guideSection(t, "## Faults"), -1) {
		told = append(told, row[1])
	}
	slices.Sort(told)
	if want := slices.Sorted(maps.Keys(guideRules)); !slices.Equal(told, want) {
		t.Errorf("the guide tells of the rules %q; tested are %q", told, want)
	}
}

// guide is the page this file belongs to.
var guide = filepath.Join("..", "docs", "local-server.md")

// guideSection is the text under a heading of the guide.
func guideSection(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(guide)
	_, section, found := strings.Cut(string(must(t, text, err)), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", guide, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// partial are the operations that do less than on the service, and what they
// leave out.
var partial = map[string]string{
	"CreateChannel":              "a channel is described; nothing is delivered",
	"UpdateChannel":              "as CreateChannel",
	"CreateStream":               "an on-demand stream keeps its four shards, whatever the load",
	"UpdateStreamMode":           "as CreateStream",
	"UpdateStreamWarmThroughput": "noted and shown; shards do not change",
	"PutResourcePolicy":          "kept and shown; nobody is refused by it",
	"StartStreamEncryption":      "noted on records and in answers; no key is asked for",
	"EnableEnhancedMonitoring":   "noted and shown; no metrics are published",
}

// operationsTable is a row for each operation, made by trying it.
func operationsTable(t *testing.T) string {
	t.Helper()
	tried := allChecks()
	slices.SortFunc(tried, func(a, b check) int { return strings.Compare(a.operation, b.operation) })
	var table strings.Builder
	table.WriteString("| operation | served | broken constraint refused | missing resource refused | effect shown by | partial |\n|---|---|---|---|---|---|\n")
	for _, c := range tried {
		got := c.try(t)
		readBack := "**no**"
		if got.readBack {
			readBack = c.readWith
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n", c.operation, cell(got.served, c.valid, ""),
			cell(got.invalid, c.invalid, "has no members"), cell(got.missing, c.missing, "names none"), readBack, partial[c.operation])
	}
	return table.String()
}

// cell is the result of one part of a check; without is why it has none.
func cell(passed bool, request, without string) string {
	switch {
	case passed:
		return "yes"
	case request == "" && without != "":
		return without
	}
	return "**no**"
}

func TestTheGuideHasARowForEveryOperationAsItWasTried(t *testing.T) {
	t.Parallel()
	const mark, endMark = "<!-- operations -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(guide)
	before, rest, opened := strings.Cut(string(must(t, text, err)), mark)
	table, after, closed := strings.Cut(rest, endMark)
	if !opened || !closed {
		t.Fatalf("%s has no marks %q and %q", guide, mark, endMark)
	}
	want := operationsTable(t)
	switch {
	case *update:
		must(t, 0, os.WriteFile(guide, []byte(before+mark+want+endMark+after), 0o644))
	case table != want:
		t.Errorf("the table of %s is not what the tests come to; go test ./localkinesis -run Guide -update writes it anew:\n%s", guide, want)
	}
}

var update = flag.Bool("update", false, "write the table of docs/local-server.md anew")
