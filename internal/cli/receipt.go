package cli

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/kinetrail/kinetrail/producer"
)

// receipt prints what became of each record, in the order of the input, and
// keeps count. Its methods can be called from several goroutines.
type receipt struct {
	app      *app
	form     *choice
	lines    bool // the records are lines of stdin
	progress *progress
	failed   chan struct{} // closed when there is no point in going on
	stop     func()        // closes failed

	mu           sync.Mutex
	accepted     int
	refused      int                     // and given up
	waiting      map[int]producer.Result // those whose turn has not come
	next         int                     // whose turn it is
	failure      error
	failedNumber int
	writeErr     error
}

// putRecord is what put prints of a record.
type putRecord struct {
	ShardID        string `json:"shard_id"`
	SequenceNumber string `json:"sequence_number"`
	SubSequence    int    `json:"sub_sequence_number"`
}

func (a *app) newReceipt(form *choice, lines bool) *receipt {
	failed := make(chan struct{})
	return &receipt{
		app:      a,
		form:     form,
		lines:    lines,
		progress: a.newProgress(),
		failed:   failed,
		stop:     sync.OnceFunc(func() { close(failed) }),
		waiting:  make(map[int]producer.Result),
	}
}

// deliver takes the result of one record, numbered from 0 in the order of the
// input, and prints all whose turn has come.
func (r *receipt) deliver(number int, result producer.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[number] = result
	if result.Err == nil {
		r.accepted++
		r.progress.show("%s accepted", count(r.accepted, "record"))
	} else {
		r.note(number, result.Err)
	}
	for {
		result, ok := r.waiting[r.next]
		if !ok {
			return
		}
		delete(r.waiting, r.next)
		r.next++
		if result.Err != nil || r.writeErr != nil {
			continue
		}
		if r.writeErr = r.print(result); r.writeErr != nil {
			r.stop()
		}
	}
}

// note counts a failure and keeps that of the earliest record.
func (r *receipt) note(number int, err error) {
	r.refused++
	r.stop()
	if r.failure == nil || number < r.failedNumber {
		r.failure, r.failedNumber = err, number
	}
}

func (r *receipt) print(result producer.Result) error {
	record := putRecord{result.ShardID, result.Position.Sequence(), result.Position.Sub()}
	switch r.form.value {
	case asJSON:
		return r.app.writeJSONLine(record)
	case asTSV:
		_, err := fmt.Fprintf(r.app.stdout, "%s\t%s\n", record.ShardID, record.SequenceNumber)
		return err
	}
	_, err := io.WriteString(r.app.stdout, record.ShardID+columnGap+record.SequenceNumber+"\n")
	return err
}

// conclude is the error of the whole command, to be called when every record
// has its result.
func (r *receipt) conclude(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.clear()
	accepted := fmt.Sprintf("%d records were accepted and are in the stream", r.accepted)
	if r.accepted == 1 {
		accepted = "1 record was accepted and is in the stream"
	}
	switch {
	case ctx.Err() != nil:
		report := "interrupted: " + accepted
		if r.refused > 0 {
			report += fmt.Sprintf("; %d more were not acknowledged", r.refused)
		}
		return &interruptedError{report}
	case r.writeErr != nil:
		return fmt.Errorf("%w; %s", r.writeErr, accepted)
	case r.failure == nil:
		if r.accepted == 0 {
			_, err := fmt.Fprintln(r.app.stderr, "no records: stdin was empty")
			return err
		}
		return nil
	case !r.lines:
		return r.failure
	}
	return &lineError{line: r.failedNumber + 1, accepted: accepted, err: r.failure}
}
