package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// asLines is the input of which every line is the data of a record.
const asLines = "lines"

// line is one line of the input, or the error that ended it.
type line struct {
	data []byte
	err  error
}

// longestLine is as many bytes as a line with the largest record can have: in
// JSON a byte of the data may take six, \u0000.
const longestLine = 7 * kinetrail.MaxRecordBytes

// inputLines hands out data alone, or every line of stdin. Reading stdin cannot
// be interrupted: after ctx has ended, the goroutine that reads it ends with
// the next line, or with the program.
func (a *app) inputLines(ctx context.Context, data *string) <-chan line {
	lines := make(chan line, 1)
	if data != nil {
		lines <- line{data: []byte(*data)}
		close(lines)
		return lines
	}
	go func() {
		defer close(lines)
		for l := range splitLines(a.stdin) {
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// splitLines yields every line without its line feed, and the last one also
// when it has none.
func splitLines(input io.Reader) iter.Seq[line] {
	return func(yield func(line) bool) {
		scanner := bufio.NewScanner(input)
		scanner.Buffer(nil, longestLine)
		scanner.Split(scanLine)
		for scanner.Scan() {
			if !yield(line{data: slices.Clone(scanner.Bytes())}) {
				return
			}
		}
		err := scanner.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = errTooLong
		}
		if err != nil {
			yield(line{err: err})
		}
	}
}

var errTooLong = fmt.Errorf("it is longer than %d bytes, the most a Kinesis record can have", kinetrail.MaxRecordBytes)

// scanLine is bufio.ScanLines without its taste for Windows: a carriage return
// is data.
func scanLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// lineParser makes a record of a line.
type lineParser func(line) (kinetrail.Record, error)

// parser reads lines as --input says. What a line does not say is as in template.
func (f *putFlags) parser(template kinetrail.Record) lineParser {
	return func(l line) (kinetrail.Record, error) {
		record := template
		switch {
		case l.err != nil:
			return record, l.err
		case f.input.value == asJSON:
			err := f.parseJSON(l.data, &record)
			return record, err
		case len(l.data) > kinetrail.MaxRecordBytes:
			return record, errTooLong
		}
		record.Data = l.data
		return record, nil
	}
}

// parseJSON reads a line of tail -o json. Fields that tail does not write are
// refused: one that is spelt wrongly would put the record somewhere else.
func (f *putFlags) parseJSON(text []byte, record *kinetrail.Record) (err error) {
	var given tailRecord
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return jsonProblem(err)
	}
	if decoder.More() {
		return jsonProblem(errors.New("more stands behind the object"))
	}
	if record.Data, err = given.bytes(); err != nil {
		return err
	}
	if textOrNone(given.PartitionKey) != "" { // records of streams that place them by themselves have none
		if err := checkPartitionKey(*given.PartitionKey); err != nil {
			return fmt.Errorf("its partition_key: %w", err)
		}
		record.PartitionKey = *given.PartitionKey
	}
	if given.ExplicitHashKey != nil {
		if _, err := shardmap.ParseHashKey(*given.ExplicitHashKey); err != nil {
			return fmt.Errorf("its explicit_hash_key is no decimal number from 0 to %s", shardmap.MaxHashKey)
		}
		record.ExplicitHashKey = *given.ExplicitHashKey
	}
	if len(given.Headers) > 0 && f.carrier != "" && f.carrier != carrierFlag(tracecarrier.Headers) {
		return fmt.Errorf("it has headers, which --carrier %s cannot carry", f.carrier)
	}
	record.Headers = slices.Clone(record.Headers)
	for _, header := range given.Headers {
		record.Headers = append(record.Headers, kinetrail.Header(header))
	}
	if given.Traceparent != nil {
		if !tracecarrier.ValidTraceparent(*given.Traceparent) {
			return fmt.Errorf("its traceparent %s is no W3C traceparent", abbreviate(*given.Traceparent))
		}
		record.Trace = kinetrail.TraceContext{Parent: *given.Traceparent, State: textOrNone(given.Tracestate)}
	}
	return nil
}

// jsonProblem says what --input json takes, and why a line is not that.
func jsonProblem(err error) error {
	var kind *json.UnmarshalTypeError
	reason := strings.TrimPrefix(err.Error(), "json: ")
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		reason = "it is a " + kind.Value
	case errors.As(err, &kind):
		field := kind.Field[strings.LastIndex(kind.Field, ".")+1:] // without the Go types around it
		reason = fmt.Sprintf("its %s is a %s", field, kind.Value)
	case errors.Is(err, io.EOF):
		reason = "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason = "it ends too early"
	}
	return &hintedError{
		err:  fmt.Errorf("it is no record in JSON: %s", reason),
		hint: "--input json takes an object in each line, with the fields that \"tail -o json\" writes.",
	}
}
