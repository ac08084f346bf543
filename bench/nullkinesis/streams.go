package nullkinesis

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Shards is how many uniform shards every stream has. It is four because the
// first two bits of a hash key then name its shard.
const Shards = 4

// ShardID is the name of a shard.
func ShardID(shard int) string { return fmt.Sprintf("shardId-%012d", shard) }

// Kind is what one record of a stream's pages looks like. A stream is named
// after its kind; PutRecords takes any name.
type Kind struct {
	Name    string
	Records int // Kinesis records in a page
	Users   int // user records in each; 0 for a plain record
	Bytes   int // of each user record
	Traced  bool
}

// Kinds are the streams that can be read. A page of the larger plain records is
// as full as the 10 MB of an answer allow.
var Kinds = []Kind{
	{Name: "plain-100", Records: 10_000, Bytes: 100},
	{Name: "plain-1024", Records: 9_000, Bytes: 1024},
	{Name: "aggregated-100", Records: 100, Users: 100, Bytes: 100},
	{Name: "aggregated-1024", Records: 100, Users: 48, Bytes: 1024},
	{Name: "plain-100-traced", Records: 10_000, Bytes: 100, Traced: true},
	{Name: "aggregated-100-traced", Records: 100, Users: 100, Bytes: 100, Traced: true},
}

// UserRecords is how many user records a page of this kind brings.
func (k Kind) UserRecords() int { return k.Records * max(1, k.Users) }

type stream struct {
	pages, pagesCBOR [Shards][]byte
}

// sequenceNumber is that of every record, and of the length real ones have.
const sequenceNumber = "49671234567890123456789012345678901234567890123456789012"

var (
	accepted      [Shards]string // what PutRecords answers for a record, and a comma
	shardList     string
	streamSummary = `{"StreamDescriptionSummary":{"StreamName":"bench","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/bench",` +
		`"StreamStatus":"ACTIVE","RetentionPeriodHours":24,"OpenShardCount":4,"MaxRecordSizeInKiB":1024,"StreamCreationTimestamp":1.7E9}}`
)

func init() {
	var list []string
	for i, r := range shardmap.Uniform(Shards) {
		accepted[i] = fmt.Sprintf(`{"SequenceNumber":%q,"ShardId":%q},`, sequenceNumber, ShardID(i))
		list = append(list, fmt.Sprintf(`{"ShardId":%q,"HashKeyRange":{"StartingHashKey":"%s","EndingHashKey":"%s"},`+
			`"SequenceNumberRange":{"StartingSequenceNumber":%q}}`, ShardID(i), r.Start, r.End, sequenceNumber))
	}
	shardList = `{"Shards":[` + strings.Join(list, ",") + `]}`
}

func makeStreams() (map[string]*stream, error) {
	streams := make(map[string]*stream)
	for _, kind := range Kinds {
		s := new(stream)
		for shard := range Shards {
			page, err := kind.page(shard)
			if err != nil {
				return nil, fmt.Errorf("kind %s: %w", kind.Name, err)
			}
			s.pages[shard], s.pagesCBOR[shard] = page, kind.pageCBOR(shard)
		}
		streams[kind.Name] = s
	}
	return streams, nil
}

// page makes the answer of GetRecords. Equal seeds make equal pages.
func (k Kind) page(shard int) ([]byte, error) {
	random := rand.New(rand.NewPCG(uint64(shard), uint64(k.Bytes)))
	data := make([]byte, k.Bytes)
	var page []byte
	page = append(page, `{"MillisBehindLatest":1000,"NextShardIterator":"`...)
	page = append(append(append(page, k.Name...), '/'), strconv.Itoa(shard)...)
	page = append(page, `","Records":[`...)
	for i := range k.Records {
		if i > 0 {
			page = append(page, ',')
		}
		key, data := k.record(random, shard, data)
		page = append(page, `{"ApproximateArrivalTimestamp":1.794961234567E9,"Data":"`...)
		page = base64.StdEncoding.AppendEncode(page, data)
		page = append(append(append(page, `","PartitionKey":"`...), key...), `","SequenceNumber":"`...)
		page = append(append(page, sequenceNumber...), `"}`...)
	}
	return append(page, "]}"...), nil
}

// record makes one Kinesis record whose keys belong on a shard.
func (k Kind) record(random *rand.Rand, shard int, data []byte) (key string, bytes []byte) {
	if k.Users == 0 {
		fill(random, data)
		return k.key(random, shard), data
	}
	var b aggregate.Builder
	for range k.Users {
		fill(random, data)
		r := aggregate.UserRecord{PartitionKey: Key(random, shard), Data: data}
		if k.Traced {
			r.Headers = tracecarrier.AddHeaders(nil, someTrace(random))
		}
		b.Add(&r)
	}
	return "a", b.AppendTo(nil)
}

// key is the partition key of a plain record: that of its shard, with a context
// around it in traced streams.
func (k Kind) key(random *rand.Rand, shard int) string {
	key := Key(random, shard)
	if k.Traced {
		key, _, _ = tracecarrier.Writer{Carrier: tracecarrier.Lossless}.Write(key, "", someTrace(random))
	}
	return key
}

func someTrace(random *rand.Rand) kinetrail.TraceContext {
	return kinetrail.TraceContext{Parent: fmt.Sprintf("00-%016x%016x-%016x-01", random.Uint64(), random.Uint64(), random.Uint64()|1)}
}

func fill(random *rand.Rand, data []byte) {
	for i := range data {
		data[i] = byte(random.Uint32())
	}
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

// Key draws a key of 16 letters and digits that belongs on a shard.
func Key(random *rand.Rand, shard int) string {
	var text [16]byte
	for {
		for i := range text {
			text[i] = letters[random.IntN(len(letters))]
		}
		if key := string(text[:]); shardFor(shardmap.HashKeyOf(key)) == shard {
			return key
		}
	}
}
