package producer

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// mirror is a client that puts everything into another place as well, and answers
// what the first one did.
type mirror struct {
	*kinesis.Client
	other  *kinesis.Client
	failed int // results of the first that are errors
}

func (m *mirror) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	out, err := m.Client.PutRecords(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	if _, err := m.other.PutRecords(ctx, in, opts...); err != nil {
		return nil, err
	}
	for i := range in.Records {
		if aws.ToString(out.Records[i].ErrorCode) != "" {
			m.failed++
		}
	}
	return out, nil
}

func TestResultsAreThoseThatAWrappedClientReturns(t *testing.T) {
	t.Parallel()
	streams := func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": 2} }
	first, second := localkinesis.Start(t, streams), localkinesis.Start(t, streams)
	refusal, err := fault.Parse("PutRecords nth=1 records=1")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Faults().Add(refusal); err != nil {
		t.Fatal(err)
	}
	client := &mirror{Client: first.Client(), other: second.Client()}
	p := start(t, client)
	result, err := p.Put(t.Context(), record("key", "data"))
	if err != nil || len(result.Attempts) != 2 {
		t.Errorf("Put: %d attempts, error %v; want 2, because the first is refused, and no error", len(result.Attempts), err)
	}
	records, err := first.Records("orders", "")
	if err != nil || len(records) != 1 {
		t.Errorf("the stream has %d records, error %v; want 1", len(records), err)
	}
	if client.failed != 1 {
		t.Errorf("the wrapper saw %d failed results, want 1", client.failed)
	}
}
