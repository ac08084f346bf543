package lambdatrigger_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// The members are those of the example in AWS's documentation of Lambda with
// Kinesis.
func TestAnEventHasTheFormOfLambda(t *testing.T) {
	t.Parallel()
	onStage(t, 1, func(s *stage) {
		s.server.Clock().Freeze()
		s.server.Clock().Set(time.Date(2018, 12, 7, 17, 59, 10, 987_000_000, time.UTC))
		s.put("1", "Hello, this is a test.")
		sequence := s.sequenceOf("Hello, this is a test.")
		want := `{
	"Records": [
		{
			"awsRegion": "us-east-1",
			"eventID": "shardId-000000000000:` + sequence + `",
			"eventName": "aws:kinesis:record",
			"eventSource": "aws:kinesis",
			"eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
			"eventVersion": "1.0",
			"invokeIdentityArn": "arn:aws:iam::000000000000:role/lambdatrigger",
			"kinesis": {
				"approximateArrivalTimestamp": 1544205550.987,
				"data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
				"partitionKey": "1",
				"sequenceNumber": "` + sequence + `",
				"kinesisSchemaVersion": "1.0"
			}
		}
	]
}`
		var got bytes.Buffer
		s.run(func(event json.RawMessage) error { return json.Indent(&got, event, "", "\t") })
		if got.String() != want {
			t.Errorf("the event is\n%s\nwant\n%s", &got, want)
		}
	})
}
