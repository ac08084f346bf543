package main

import (
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func TestTheAWSCLIGetsBinaryDataFromAFileAndTextInJSON(t *testing.T) {
	t.Parallel()
	c := &awsCLI{scratch: t.TempDir()}
	for _, tt := range []struct {
		input any
		want  []string
		data  string
	}{
		{kinesis.DescribeStreamInput{StreamName: aws.String("s")}, []string{"--cli-input-json", `{"StreamName":"s"}`}, ""},
		{kinesis.PutRecordInput{StreamName: aws.String("s"), Data: []byte{0, 255}},
			[]string{"--data", "fileb://" + c.scratch + "/data", "--cli-input-json", `{"StreamName":"s"}`}, "\x00\xff"},
		{kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{{Data: []byte("é")}}}, []string{"--cli-input-json", `{"Records":[{"Data":"é"}]}`}, "\x00\xff"},
	} {
		input, err := given(tt.input)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.arguments(apiCall{Input: input})
		data, _ := os.ReadFile(c.scratch + "/data")
		if err != nil || !slices.Equal(got, tt.want) || string(data) != tt.data {
			t.Errorf("arguments(%+v) = %q, %v, data %q\nwant %q, data %q", tt.input, got, err, data, tt.want, tt.data)
		}
	}
	binary, err := given(kinesis.PutRecordsInput{Records: []types.PutRecordsRequestEntry{{Data: []byte{255}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.arguments(apiCall{Input: binary}); err == nil {
		t.Error("arguments takes binary data among several records")
	}
}

func TestTheTimesOfTheAWSCLIAreRead(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		``: `{}`,
		`{"StreamCreationTimestamp": 1700000000.25, "OpenShardCount": 4}`: `{"OpenShardCount":4,"StreamCreationTimestamp":"2023-11-14T22:13:20.25Z"}`,
		`{"Records": [{"ApproximateArrivalTimestamp": 1}]}`:               `{"Records":[{"ApproximateArrivalTimestamp":"1970-01-01T00:00:01Z"}]}`,
	} {
		if got, err := withTimes([]byte(output)); err != nil || string(got) != want {
			t.Errorf("withTimes(%s) = %s, %v; want %s", output, got, err, want)
		}
	}
	if got := commandOf("UpdateStreamWarmThroughput"); got != "update-stream-warm-throughput" {
		t.Errorf("commandOf(UpdateStreamWarmThroughput) = %s", got)
	}
}
