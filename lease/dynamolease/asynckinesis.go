package dynamolease

import (
	"context"
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// ReadAsyncKinesis reads the checkpoints of the DynamoDB checkpointer of
// async-kinesis for Python from its table, by default kinesis-checkpoints- and
// the name of the checkpointer. It returns a lease for each shard with a
// checkpoint, which Create adds to a group of any store. Where the table has no
// checkpoint for a shard the group reads it from the oldest record on.
//
// Owner is the Python worker that has not given the shard up, if any; its group
// must be stopped before the checkpoints are moved. A checkpoint of async-kinesis
// counts records of the stream: when its last one is a KPL container, all of the
// container is done. It is therefore read as the last sub-sequence number there
// can be, math.MaxInt32.
func ReadAsyncKinesis(ctx context.Context, api API, table string) ([]lease.Lease, error) {
	var leases []lease.Lease
	pages := dynamodb.NewScanPaginator(api, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the checkpoints in table %s: %w", table, err)
		}
		for _, row := range page.Items {
			l, err := parseAsyncKinesis(row)
			if err != nil {
				return nil, fmt.Errorf("read the checkpoints in table %s: %w", table, err)
			}
			if !l.Checkpoint.IsZero() {
				leases = append(leases, l)
			}
		}
	}
	return leases, nil
}

// parseAsyncKinesis reads one row: shard_id (S), ref (S), ts (N or NULL) and
// sequence (S or NULL).
func parseAsyncKinesis(row item) (lease.Lease, error) {
	r := reader{row: row}
	l := lease.Lease{Key: r.text("shard_id")}
	l.ShardID = l.Key
	if !isNull(row["ts"]) {
		l.Owner = r.text("ref")
	}
	if !isNull(row["sequence"]) {
		l.Checkpoint = r.position("sequence")
		if !l.Checkpoint.IsRecord() || l.Checkpoint.Sub() != 0 {
			r.fail("sequence", "is no sequence number")
		}
		l.Checkpoint = kinetrail.At(l.Checkpoint.Sequence(), math.MaxInt32)
	}
	if r.err != nil {
		return lease.Lease{}, fmt.Errorf("shard %s: %w", l.Key, r.err)
	}
	return l, nil
}

func isNull(v types.AttributeValue) bool {
	_, null := v.(*types.AttributeValueMemberNULL)
	return null || v == nil
}
