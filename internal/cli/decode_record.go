package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// decodedContainer is the document of a record's data.
type decodedContainer struct {
	Container bool            `json:"container"`
	Bytes     int             `json:"bytes"`
	Records   []decodedRecord `json:"records"`
}

type decodedRecord struct {
	SubSequence     int          `json:"sub_sequence_number"`
	PartitionKey    string       `json:"partition_key"`
	ExplicitHashKey *string      `json:"explicit_hash_key"`
	Headers         []jsonHeader `json:"headers"`
	TraceID         *string      `json:"trace_id"`
	SpanID          *string      `json:"span_id"`
	jsonData
}

// containerMagic is how every KPL container begins.
const containerMagic = "\xf3\x89\x9a\xc2"

func (a *app) decodeRecord(form *choice, name string) error {
	data, err := a.readRecord(name)
	if err != nil {
		return err
	}
	records, err := splitRecord(data)
	if err != nil {
		return err
	}
	if form.value == asJSON {
		return a.writeJSON(describeContainer(data, records))
	}
	if records == nil {
		_, err := fmt.Fprintf(a.stdout, "A plain record of %d bytes, no KPL container.\n%s\n", len(data), preview(data))
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "A KPL container of %d bytes with %s.\n\n", len(data), count(len(records), "user record")); err != nil {
		return err
	}
	rows := make([][]string, len(records))
	for i, r := range records {
		rows[i] = []string{fmt.Sprint(i), printable(r.PartitionKey), r.ExplicitHashKey, headerText(r.Headers), preview(r.Data)}
	}
	return a.writeTable([]string{"SUB", "KEY", "EXPLICIT HASH KEY", "HEADERS", "DATA"}, rows,
		shortenEnd("DATA", 20), shortenEnd("HEADERS", 16), leaveOut("EXPLICIT HASH KEY"), shortenMiddle("KEY", 8))
}

// readRecord reads a file, or stdin for "-".
func (a *app) readRecord(name string) ([]byte, error) {
	source := a.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		defer file.Close()
		source = file
	}
	data, err := io.ReadAll(io.LimitReader(source, kinetrail.MaxRecordBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if len(data) > kinetrail.MaxRecordBytes {
		return nil, fmt.Errorf("read record: more than %d bytes, the most a Kinesis record can have", kinetrail.MaxRecordBytes)
	}
	return data, nil
}

// splitRecord returns the user records of a container, nil for a plain record.
func splitRecord(data []byte) ([]aggregate.UserRecord, error) {
	records, err := aggregate.Split(data, []aggregate.UserRecord{})
	if !errors.Is(err, aggregate.ErrNotContainer) {
		return records, err
	}
	if bytes.HasPrefix(data, []byte(containerMagic)) {
		return nil, fmt.Errorf("split container: it begins like one but ends after %d bytes, before its checksum", len(data))
	}
	return nil, nil
}

func describeContainer(data []byte, records []aggregate.UserRecord) decodedContainer {
	if records == nil {
		plain := decodedRecord{Headers: []jsonHeader{}, jsonData: newJSONData(data)}
		return decodedContainer{Bytes: len(data), Records: []decodedRecord{plain}}
	}
	d := decodedContainer{Container: true, Bytes: len(data), Records: make([]decodedRecord, len(records))}
	for i, r := range records {
		d.Records[i] = decodedRecord{
			SubSequence:     i,
			PartitionKey:    r.PartitionKey,
			ExplicitHashKey: textOrNull(r.ExplicitHashKey),
			Headers:         jsonHeaders(r.Headers),
			jsonData:        newJSONData(r.Data),
		}
		trace, _ := tracecarrier.FromHeaders(r.Headers)
		d.Records[i].TraceID, d.Records[i].SpanID = jsonIDs(trace)
	}
	return d
}
