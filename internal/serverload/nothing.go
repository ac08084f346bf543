package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
)

// prepared are the answers of the server that does nothing, by operation.
var prepared = map[string]string{
	"ListStreams":      `{"StreamNames":[],"HasMoreStreams":false}`,
	"GetShardIterator": `{"ShardIterator":"nothing"}`,
	"PutRecord":        `{"ShardId":"` + shardID + `","SequenceNumber":"` + number + `"}`,
	"PutRecords":       `{"FailedRecordCount":0,"Records":[` + repeat(`{"SequenceNumber":"`+number+`","ShardId":"`+shardID+`"}`, batch) + `]}`,
	"GetRecords": `{"Records":[` + repeat(`{"SequenceNumber":"`+number+`","ApproximateArrivalTimestamp":1700000000.123,"Data":"`+
		strings.Repeat("AAAA", (payload+2)/3)+`","PartitionKey":"key-00000"}`, pageRecords) + `],"NextShardIterator":"nothing","MillisBehindLatest":1}`,
}

const shardID = "shardId-000000000000"

var number = sequence.Start(0, 1_700_000_000).String()

func repeat(element string, n int) string {
	return strings.TrimSuffix(strings.Repeat(element+",", n), ",")
}

// nothing serves until its input ends: it reads requests and answers each with
// what was prepared.
func nothing(input io.Reader, output io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	go func() {
		_, _ = io.Copy(io.Discard, input)
		_ = server.Close()
	}()
	if _, err := fmt.Fprintln(output, "http://"+l.Addr().String()); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	text := prepared[operation]
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = io.WriteString(w, text)
}
