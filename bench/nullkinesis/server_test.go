package nullkinesis_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/bench/nullkinesis"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/shardmap"
)

// forms are the ways in which clients speak to the server.
var forms = map[string][]func(*kinesis.Options){"JSON": nil, "CBOR": {kinesisprotocol.With(kinesisprotocol.CBOR)}}

func start(t *testing.T, options ...func(*kinesis.Options)) *kinesis.Client {
	t.Helper()
	server, err := nullkinesis.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return kinesis.New(kinesis.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(server.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:   plainBodies{},
	}, options...)
}

// plainBodies hides WriteTo of the SDK's request bodies, by which net/http cuts
// a connection in the middle of a large answer that came at once
// (docs/decisions/early-answers.md).
type plainBodies struct{}

func (plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return http.DefaultClient.Do(r)
}

func TestEveryRecordIsAnsweredOnItsShard(t *testing.T) {
	t.Parallel()
	for form, options := range forms {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			everyRecordIsAnsweredOnItsShard(t, start(t, options...))
		})
	}
}

func everyRecordIsAnsweredOnItsShard(t *testing.T, client *kinesis.Client) {
	shards := shardmap.Uniform(nullkinesis.Shards)
	for _, count := range []int{1, 2, 500} {
		var entries []types.PutRecordsRequestEntry
		var want []string
		for i := range count {
			key := fmt.Sprintf("key-%d", i)
			hash := shardmap.HashKeyOf(key)
			e := types.PutRecordsRequestEntry{Data: []byte("data"), PartitionKey: &key}
			if i%3 == 0 {
				hash = shards[i%4].Start
				e.ExplicitHashKey = aws.String(hash.String())
			}
			for shard, r := range shards {
				if r.Contains(hash) {
					want = append(want, nullkinesis.ShardID(shard))
				}
			}
			entries = append(entries, e)
		}
		out, err := client.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("bench"), Records: entries})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Records) != count {
			t.Fatalf("%d records were answered with %d", count, len(out.Records))
		}
		for i, r := range out.Records {
			if aws.ToString(r.ShardId) != want[i] || aws.ToString(r.SequenceNumber) == "" {
				t.Errorf("record %d of %d: shard %s, sequence number %s; want shard %s", i, count, aws.ToString(r.ShardId), aws.ToString(r.SequenceNumber), want[i])
			}
		}
	}
}

func TestPagesHoldWhatTheirKindSays(t *testing.T) {
	t.Parallel()
	for form, options := range forms {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			pagesHoldWhatTheirKindSays(t, start(t, options...))
		})
	}
}

func pagesHoldWhatTheirKindSays(t *testing.T, client *kinesis.Client) {
	for _, kind := range nullkinesis.Kinds {
		opened, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: &kind.Name, ShardId: aws.String(nullkinesis.ShardID(2)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: opened.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		users := 0
		for _, r := range out.Records {
			if kind.Users == 0 {
				users++
				if len(r.Data) != kind.Bytes {
					t.Fatalf("%s: a record has %d bytes, want %d", kind.Name, len(r.Data), kind.Bytes)
				}
				continue
			}
			split, err := aggregate.Split(r.Data, nil)
			if err != nil {
				t.Fatalf("%s: %v", kind.Name, err)
			}
			users += len(split)
		}
		if users != kind.UserRecords() {
			t.Errorf("%s: a page has %d user records, want %d", kind.Name, users, kind.UserRecords())
		}
		if aws.ToString(out.NextShardIterator) != aws.ToString(opened.ShardIterator) || aws.ToInt64(out.MillisBehindLatest) == 0 {
			t.Errorf("%s: the next iterator is %s, %d ms behind; want %s and more than 0", kind.Name,
				aws.ToString(out.NextShardIterator), aws.ToInt64(out.MillisBehindLatest), aws.ToString(opened.ShardIterator))
		}
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	client := start(t)
	if _, err := client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("bench")}); err == nil {
		t.Error("DeleteStream was answered, want it refused")
	}
}
