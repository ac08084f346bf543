package aggregate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
)

// FuzzSplit reads arbitrary messages and compares with a protobuf library: what
// it reads Split must read alike, what it refuses Split must refuse.
func FuzzSplit(f *testing.F) {
	f.Add(protobuf(f, "0a('a') 12('7') 1a( 0800 1000 1a('x') 22( 0a('n') 12('v') ) ) 1a( 0800 1a() )"))
	f.Add(protobuf(f, "1a( 0800 1a('x') ) 43 0800 44 0a('a')"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, err := aggregate.Split(message, nil); err == nil && !aggregate.IsContainer(message) {
			t.Errorf("Split(%x) takes what IsContainer refuses", message)
		}
		container := wrap(message)
		got, err := aggregate.Split(container, nil)
		if len(message) == 0 {
			if !errors.Is(err, aggregate.ErrNotContainer) {
				t.Errorf("Split(%x): error %v; want ErrNotContainer", container, err)
			}
			return
		}
		want, wantErr := referenceSplit(message)
		if err == nil {
			if wantErr != nil || !sameRecords(got, want) {
				t.Errorf("Split(%x) =%s\nwant%s, error %v", container, describe(got), describe(want), wantErr)
			}
			checkRoundTrip(t, got)
			return
		}
		if len(got) != 0 || !errors.Is(err, aggregate.ErrMalformed) {
			t.Errorf("Split(%x) = %d records, error %v; want 0 and ErrMalformed", container, len(got), err)
		}
		// Inside groups Google's Go library is laxer than its others: it lets
		// them nest deeper and takes field numbers of 31 bits.
		if wantErr == nil && !strings.Contains(err.Error(), "groups are nested") && !strings.Contains(err.Error(), "field number") {
			t.Errorf("Split(%x): error %v; want%s", container, err, describe(want))
		}
	})
}

// FuzzBuildSplit builds containers of arbitrary texts and data.
func FuzzBuildSplit(f *testing.F) {
	f.Add("a", "", []byte("data"), "", "", uint8(1))
	f.Add("user-42", "170141183460469231731687303715884105728", []byte(magic), "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", uint8(200))
	f.Fuzz(func(t *testing.T, key, hashKey string, data []byte, name, value string, n uint8) {
		// Every record is another mixture of the parts.
		records := make([]aggregate.UserRecord, n)
		for i := range records {
			records[i] = aggregate.UserRecord{PartitionKey: key[:len(key)*i/len(records)], Data: data[len(data)*i/len(records):]}
			if i%2 == 1 {
				records[i].ExplicitHashKey = hashKey
			}
			records[i].Headers = slices.Repeat([]kinetrail.Header{{Name: name, Value: value}}, i%3)
		}
		if n > 0 {
			checkRoundTrip(t, records)
		}
	})
}

// checkRoundTrip builds a container of the records and splits it again, with
// this package and with a protobuf library.
func checkRoundTrip(t *testing.T, records []aggregate.UserRecord) {
	t.Helper()
	if len(records) == 0 {
		return
	}
	container := build(records)
	if got, err := aggregate.Split(container, nil); err != nil || !sameRecords(got, records) {
		t.Errorf("Split(%x) = %v,%s\nwant%s", container, err, describe(got), describe(records))
	}
	message := container[len(magic) : len(container)-16]
	if got, err := referenceSplit(message); err != nil || !sameRecords(got, records) {
		t.Errorf("a protobuf library reads %x as %v,%s\nwant%s", message, err, describe(got), describe(records))
	}
	var b aggregate.Builder
	for i := range records {
		promised := b.SizeWith(&records[i])
		b.Add(&records[i])
		if b.Size() != promised {
			t.Errorf("Size() = %d after SizeWith() = %d of record %d of%s", b.Size(), promised, i, describe(records))
		}
	}
	if b.Size() != len(container) {
		t.Errorf("Size() = %d; the container has %d bytes", b.Size(), len(container))
	}
}
