package localkinesis_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/localkinesis"
)

// published reads an answer that AWS gave.
func published(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "documents", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// inOregon is the region of the published documents.
func inOregon(o *kinesis.Options) { o.Region = "us-west-2" }

// described is the answer to describe-stream as the AWS CLI shows it.
func described(t *testing.T, client *kinesis.Client) map[string]any {
	t.Helper()
	out, err := client.DescribeStream(t.Context(), &kinesis.DescribeStreamInput{StreamName: aws.String("events")})
	d := must(t, out, err).StreamDescription
	var shards []any
	for _, s := range d.Shards {
		shard := map[string]any{
			"ShardId":             *s.ShardId,
			"HashKeyRange":        map[string]any{"StartingHashKey": *s.HashKeyRange.StartingHashKey, "EndingHashKey": *s.HashKeyRange.EndingHashKey},
			"SequenceNumberRange": numbers(s.SequenceNumberRange),
		}
		addText(shard, "ParentShardId", s.ParentShardId)
		addText(shard, "AdjacentParentShardId", s.AdjacentParentShardId)
		shards = append(shards, shard)
	}
	return map[string]any{"StreamDescription": map[string]any{
		"Shards":                  shards,
		"StreamARN":               *d.StreamARN,
		"StreamName":              *d.StreamName,
		"StreamStatus":            string(d.StreamStatus),
		"RetentionPeriodHours":    float64(*d.RetentionPeriodHours),
		"EnhancedMonitoring":      []any{map[string]any{"ShardLevelMetrics": []any{}}},
		"EncryptionType":          string(d.EncryptionType),
		"KeyId":                   nil,
		"StreamCreationTimestamp": d.StreamCreationTimestamp.Format("2006-01-02T15:04:05") + "+00:00",
	}}
}

func numbers(r *types.SequenceNumberRange) map[string]any {
	m := map[string]any{"StartingSequenceNumber": *r.StartingSequenceNumber}
	addText(m, "EndingSequenceNumber", r.EndingSequenceNumber)
	return m
}

func addText(m map[string]any, name string, text *string) {
	if text != nil {
		m[name] = *text
	}
}

// sameDocument compares two documents; the published times are in UTC+3.
func sameDocument(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	if d, ok := want["StreamDescription"].(map[string]any); ok {
		d["StreamCreationTimestamp"] = at(t, d["StreamCreationTimestamp"].(string)).UTC().Format("2006-01-02T15:04:05") + "+00:00"
	}
	gotText, _ := json.MarshalIndent(got, "", "  ")
	wantText, _ := json.MarshalIndent(want, "", "  ")
	if string(gotText) != string(wantText) {
		t.Errorf("%s:\n%s\nwant\n%s", what, gotText, wantText)
	}
}

func TestPublishedAnswersComeOutDigitForDigitAtTheirInstants(t *testing.T) {
	t.Parallel()
	s := localkinesis.Start(t)
	client := s.Client(inOregon)
	clock := s.Clock()
	clock.Freeze()

	clock.Set(at(t, "2023-11-14T09:31:26Z"))
	create := func(shards int32) {
		_, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("events"), ShardCount: aws.Int32(shards)})
		must(t, 0, err)
	}
	update := func(instant string, target int32, want string) {
		clock.Set(at(t, instant))
		out, err := client.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
			StreamName: aws.String("events"), TargetShardCount: aws.Int32(target), ScalingType: types.ScalingTypeUniformScaling,
		})
		must(t, out, err)
		sameDocument(t, "update-shard-count "+want, map[string]any{
			"StreamName":        *out.StreamName,
			"CurrentShardCount": float64(*out.CurrentShardCount),
			"TargetShardCount":  float64(*out.TargetShardCount),
			"StreamARN":         *out.StreamARN,
		}, published(t, want))
	}
	create(1)
	sameDocument(t, "one shard", described(t, client), published(t, "one-shard"))
	update("2023-11-14T10:04:48Z", 2, "update-to-two")
	sameDocument(t, "two shards", described(t, client), published(t, "two-shards"))
	update("2023-11-14T10:20:04Z", 1, "update-to-one")
	sameDocument(t, "one shard again", described(t, client), published(t, "one-shard-again"))

	_, err := client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("events")})
	must(t, 0, err)
	clock.Set(at(t, "2023-11-15T06:12:34Z"))
	create(5)
	sameDocument(t, "five shards", described(t, client), published(t, "five-shards"))
}

func TestRegionOfTheCredentialsNamesTheStreamAndKeepsItApart(t *testing.T) {
	t.Parallel()
	s := inProcess(t)
	west, east := s.Client(inOregon), s.Client()
	_, err := west.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("events"), ShardCount: aws.Int32(1)})
	must(t, 0, err)
	out, err := west.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("events")})
	arn := *must(t, out, err).StreamDescriptionSummary.StreamARN
	if want := "arn:aws:kinesis:us-west-2:000000000000:stream/events"; arn != want {
		t.Errorf("StreamARN = %s; want %s", arn, want)
	}
	_, err = east.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("events")})
	if err == nil || !strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Errorf("DescribeStreamSummary in another region: %v; want ResourceNotFoundException", err)
	}
}
