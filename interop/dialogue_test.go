package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// asLibrary makes the test binary a library that answers line by line.
const asLibrary = "INTEROP_TEST_LIBRARY"

func TestMain(m *testing.M) {
	if os.Getenv(asLibrary) != "" {
		library1()
	}
	os.Exit(m.Run())
}

// library1 refuses what is asked of the stream none, begins subscriptions before
// it ends them, and dies of the stream fatal.
func library1() {
	fmt.Println(`{"version":"library 1","operations":["PutRecord","SubscribeToShard"]}`)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.Contains(line, `"none"`):
			fmt.Println(`{"error":{"name":"ResourceNotFoundException","message":"It is not there.","status":400}}`)
		case strings.Contains(line, `"fatal"`):
			fmt.Fprintln(os.Stderr, "I cannot go on.")
			os.Exit(3)
		case strings.Contains(line, "SubscribeToShard"):
			fmt.Println(`{"subscribed":true}`)
			fmt.Println(`{"output":{"Events":[{"MillisBehindLatest":7}]}}`)
		default:
			fmt.Println(`{"output":{"ShardId":"shardId-000000000001"}}`)
		}
	}
	os.Exit(0)
}

// startLibrary starts library1.
func startLibrary(t *testing.T) *talk {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{ctx: context.Background(), secure: &identity{}} // it ends by close
	p, err := s.start("library 1", exec.CommandContext(s.ctx, "env", asLibrary+"=1", program))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	if p.version() != "library 1" || !p.has("PutRecord") || p.has("GetRecords") {
		t.Errorf("the greeting is %+v", p.greeting)
	}
	return &talk{ctx: t.Context(), sdk: p, operations: make(map[string]bool)}
}

func putTo(stream string) kinesis.PutRecordInput {
	return kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("k"), Data: []byte("x")}
}

func TestATalkReadsOutputsErrorsAndSubscriptions(t *testing.T) {
	t.Parallel()
	talk := startLibrary(t)
	out := ask[kinesis.PutRecordOutput](talk, putTo("orders"))
	talk.expect("the shard", aws.ToString(out.ShardId), shardID(1))
	talk.refused(putTo("none"), apiError{"ResourceNotFoundException", "It is not there.", 400})
	begun := false
	latest := kinesis.SubscribeToShardInput{StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest}}
	events := read[subscription](talk, apiCall{Operation: "SubscribeToShard", Input: latest, begun: func() { begun = true }}).Events
	if err := talk.result(); err != nil || len(events) != 1 || *events[0].MillisBehindLatest != 7 || !begun || talk.calls != 3 {
		t.Errorf("result = %v, events %v, begun %t, %d calls; want none, one of 7 ms, true, 3", err, events, begun, talk.calls)
	}
}

func TestATalkTellsOfEveryDifference(t *testing.T) {
	t.Parallel()
	talk := startLibrary(t)
	talk.expect("the shard", shardID(1), shardID(2))
	talk.refused(putTo("none"), apiError{"ResourceNotFoundException", "It is not there.", 404})
	err := talk.result()
	if err == nil || !strings.Contains(err.Error(), "the shard: shardId-000000000001") || !strings.Contains(err.Error(), "Status:404") {
		t.Errorf("result = %v; want both differences", err)
	}
}

func TestATalkEndsWithTheFirstCallThatCannotBeMade(t *testing.T) {
	t.Parallel()
	talk := startLibrary(t)
	ask[kinesis.PutRecordOutput](talk, putTo("fatal"))
	ask[kinesis.PutRecordOutput](talk, putTo("orders"))
	talk.expect("the shard", shardID(1), shardID(2))
	err := talk.result()
	if err == nil || !strings.Contains(err.Error(), "I cannot go on.") || !strings.Contains(err.Error(), "exit status 3") || strings.Contains(err.Error(), "the shard") {
		t.Errorf("result = %v; want the library's last words alone", err)
	}
}

func TestACallThatSucceedsIsNoRefusal(t *testing.T) {
	t.Parallel()
	talk := startLibrary(t)
	talk.refused(putTo("orders"), apiError{"ResourceNotFoundException", "It is not there.", 400})
	if err := talk.result(); err == nil || !strings.Contains(err.Error(), "it succeeded") {
		t.Errorf("result = %v; want that it succeeded", err)
	}
}
