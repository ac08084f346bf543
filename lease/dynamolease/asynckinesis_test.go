package dynamolease

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// python is a table as async-kinesis left it.
func python(t *testing.T) (*fake, *fakeTable) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "async-kinesis", "rows.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	db := newFake()
	table := db.add("kinesis-checkpoints-orders", "shard_id")
	for line := range strings.Lines(string(data)) {
		nulls := strings.Count(line, `{"NULL": true}`)
		row := fromJSON(t, strings.ReplaceAll(line, `{"NULL": true}`, `{"S": "null"}`))
		for name, value := range row {
			if equal(value, text("null")) {
				row[name] = &types.AttributeValueMemberNULL{Value: true}
				nulls--
			}
		}
		if nulls != 0 {
			t.Fatalf("%d attributes of %s are not null", nulls, line)
		}
		key, _ := table.row(row)
		table.rows[key] = row
	}
	return db, table
}

func TestCheckpointsOfAsyncKinesisAreRead(t *testing.T) {
	t.Parallel()
	db, _ := python(t)
	got, err := ReadAsyncKinesis(t.Context(), db, "kinesis-checkpoints-orders")
	want := []lease.Lease{
		{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Owner: "orders/worker-1", Checkpoint: kinetrail.At(firstSequence, math.MaxInt32)},
		{Key: "shardId-000000000001", ShardID: "shardId-000000000001", Checkpoint: kinetrail.At(firstSequence[:55]+"2", math.MaxInt32)},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("ReadAsyncKinesis = %+v, %v\nwant %+v", got, err, want)
	}
	store := New(db, "orders-app")
	for _, l := range got {
		if err := store.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	moved, err := store.List(t.Context())
	if err != nil || len(moved) != 2 || moved[0].Checkpoint != want[0].Checkpoint || moved[0].Owner != "" {
		t.Errorf("the group after the move: %+v, %v; want both checkpoints in free leases", moved, err)
	}
}

func TestARowThatAsyncKinesisDidNotWriteIsAnError(t *testing.T) {
	t.Parallel()
	for _, sequence := range []string{"LATEST", "0x12", "12/3/4"} {
		db, table := python(t)
		table.rows["shardId-000000000000"]["sequence"] = text(sequence)
		if got, err := ReadAsyncKinesis(t.Context(), db, "kinesis-checkpoints-orders"); err == nil || !strings.Contains(err.Error(), "shardId-000000000000") {
			t.Errorf("sequence %q: ReadAsyncKinesis = %+v, %v; want an error that names the shard", sequence, got, err)
		}
	}
}
