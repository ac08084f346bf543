package aggregate_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"pgregory.net/rapid"
)

// build makes one container with a new Builder.
func build(records []aggregate.UserRecord) []byte {
	var b aggregate.Builder
	for i := range records {
		b.Add(&records[i])
	}
	return b.AppendTo(nil)
}

func TestBuilderWritesTheBytesOfTheFormat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		records []aggregate.UserRecord
		message string
	}{
		{
			name:    "required fields are written even when they are zero",
			records: []aggregate.UserRecord{{}},
			message: `0a() 1a( 0800 1a() )`,
		},
		{
			name: "a key stands in its table once",
			records: []aggregate.UserRecord{
				{PartitionKey: "a", Data: []byte("x")},
				{PartitionKey: "b", Data: []byte("y")},
				{PartitionKey: "a", Data: []byte("z")},
				{PartitionKey: "b", Data: []byte("w")},
			},
			message: `0a('a') 0a('b')
			          1a( 0800 1a('x') )
			          1a( 0801 1a('y') )
			          1a( 0800 1a('z') )
			          1a( 0801 1a('w') )`,
		},
		{
			name: "a hash key index stands only where there is a hash key",
			records: []aggregate.UserRecord{
				{PartitionKey: "a"},
				{PartitionKey: "a", ExplicitHashKey: "7"},
				{PartitionKey: "a", ExplicitHashKey: "0"},
				{PartitionKey: "a", ExplicitHashKey: "7"},
			},
			message: `0a('a') 12('7') 12('0')
			          1a( 0800 1a() )
			          1a( 0800 1000 1a() )
			          1a( 0800 1001 1a() )
			          1a( 0800 1000 1a() )`,
		},
		{
			name: "every tag has a key and a value, in the order given",
			records: []aggregate.UserRecord{{
				PartitionKey: "a",
				Headers:      []kinetrail.Header{{Name: "n", Value: "v"}, {Name: "N"}, {Value: "w"}, {Name: "n", Value: "v"}},
			}},
			message: `0a('a')
			          1a( 0800 1a() 22( 0a('n') 12('v') ) 22( 0a('N') 12() ) 22( 0a() 12('w') ) 22( 0a('n') 12('v') ) )`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, want := build(tt.records), wrap(protobuf(t, tt.message)); !bytes.Equal(got, want) {
				t.Errorf("container of%s\n= %x\nwant %x", describe(tt.records), got, want)
			}
		})
	}
}

// anyRecords draws records whose keys repeat and whose sizes cross the lengths
// at which a varint grows.
func anyRecords() *rapid.Generator[[]aggregate.UserRecord] {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "user-42", "ключ", "a\x00b", "not UTF-8: \xff"}),
		rapid.String(),
		rapid.Map(rapid.IntRange(100, 140), func(n int) string { return strings.Repeat("k", n) }),
	)
	data := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 20),
		rapid.Map(rapid.IntRange(100, 140), func(n int) []byte { return bytes.Repeat([]byte{0xC2}, n) }),
		rapid.Map(rapid.IntRange(16_350, 16_400), func(n int) []byte { return make([]byte, n) }),
	)
	header := rapid.Custom(func(t *rapid.T) kinetrail.Header {
		return kinetrail.Header{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")}
	})
	record := rapid.Custom(func(t *rapid.T) aggregate.UserRecord {
		return aggregate.UserRecord{
			PartitionKey:    text.Draw(t, "key"),
			ExplicitHashKey: rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[1-9][0-9]{0,38}`)).Draw(t, "hash key"),
			Data:            data.Draw(t, "data"),
			Headers:         rapid.SliceOfN(header, 0, 4).Draw(t, "headers"),
		}
	})
	return rapid.SliceOfN(record, 1, 40)
}

func TestBuilderWritesWhatAProtobufLibraryWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords().Draw(t, "records")
		if got, want := build(records), referenceContainer(records); !bytes.Equal(got, want) {
			t.Fatalf("container of%s\n= %x\nwant %x", describe(records), got, want)
		}
	})
}

func TestSizeIsExactBeforeAndAfterEveryRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b aggregate.Builder
		for i, r := range anyRecords().Draw(t, "records") {
			before := b.Size()
			promised := b.SizeWith(&r)
			if b.Size() != before || b.Len() != i {
				t.Fatalf("SizeWith changed the builder: size %d, %d records; want %d, %d", b.Size(), b.Len(), before, i)
			}
			b.Add(&r)
			actual := len(b.AppendTo(nil))
			if promised != actual || b.Size() != actual {
				t.Fatalf("record %d: SizeWith said %d, Size says %d, the container has %d bytes", i, promised, b.Size(), actual)
			}
		}
	})
}

// Numbers of a container that are written as varints take one byte more at 128
// and at 16,384. Every one of them is walked over both.
func TestSizeIsExactWhereVarintsGrow(t *testing.T) {
	t.Parallel()
	around := func(n int) []int {
		var sizes []int
		for d := -12; d <= 4; d++ {
			sizes = append(sizes, n+d)
		}
		return sizes
	}
	var records []aggregate.UserRecord
	for _, n := range append(around(1<<7), around(1<<14)...) {
		text := strings.Repeat("x", n)
		records = append(records,
			aggregate.UserRecord{Data: []byte(text)},
			aggregate.UserRecord{PartitionKey: text},
			aggregate.UserRecord{ExplicitHashKey: text},
			aggregate.UserRecord{Headers: []kinetrail.Header{{Name: text}}},
			aggregate.UserRecord{Headers: []kinetrail.Header{{Value: text}}},
		)
	}
	// Table indexes grow where the 129th and the 16,385th text come in.
	for i := range 1<<14 + 10 {
		key := fmt.Sprint("key-", i)
		records = append(records, aggregate.UserRecord{PartitionKey: key, ExplicitHashKey: key})
	}

	var b aggregate.Builder
	var container []byte
	for i := range records {
		promised := b.SizeWith(&records[i])
		b.Add(&records[i])
		if b.Size() != promised {
			t.Fatalf("record %d: Size() = %d after SizeWith() = %d", i, b.Size(), promised)
		}
		// The bytes are too many to write them after each of the small records.
		if i < 200 || i%1000 == 0 || i == len(records)-1 {
			container = b.AppendTo(container[:0])
			if len(container) != promised {
				t.Fatalf("record %d: the container has %d bytes; SizeWith said %d", i, len(container), promised)
			}
		}
	}
	got, err := aggregate.Split(container, nil)
	if err != nil || !sameRecords(got, records) {
		t.Errorf("Split of the container = %d records, %v; want the %d that were added", len(got), err, len(records))
	}
}

func TestAnEmptyBuilderIsNothing(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	check := func(when string) {
		t.Helper()
		if got := b.AppendTo([]byte("before")); b.Size() != 0 || b.Len() != 0 || string(got) != "before" {
			t.Errorf("%s: Size() = %d, Len() = %d, AppendTo(%q) = %q; want 0, 0 and nothing appended", when, b.Size(), b.Len(), "before", got)
		}
	}
	check("new")
	b.Add(&aggregate.UserRecord{PartitionKey: "a", ExplicitHashKey: "1", Data: []byte("x")})
	b.Reset()
	check("after Reset")
}

func TestAppendToAppendsAndKeepsTheBuilder(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	b.Add(&aggregate.UserRecord{PartitionKey: "a", Data: []byte("x")})
	once := b.AppendTo(nil)
	got := b.AppendTo([]byte("before"))
	if want := "before" + string(once); string(got) != want {
		t.Errorf("AppendTo(%q) = %x; want %x", "before", got, want)
	}
}

func TestAResetBuilderBuildsWhatANewOneDoes(t *testing.T) {
	t.Parallel()
	var reused aggregate.Builder
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords().Draw(t, "records")
		reused.Reset()
		for i := range records {
			reused.Add(&records[i])
		}
		if got, want := reused.AppendTo(nil), build(records); !bytes.Equal(got, want) {
			t.Fatalf("reused builder: container of%s\n= %x\nwant %x", describe(records), got, want)
		}
	})
}

func TestAHugeContainerLeavesTheBuilderAsGoodAsNew(t *testing.T) {
	t.Parallel()
	var b aggregate.Builder
	for i := range 20_000 {
		b.Add(&aggregate.UserRecord{PartitionKey: fmt.Sprint(i)})
	}
	b.Reset()
	records := []aggregate.UserRecord{{PartitionKey: "19999"}, {PartitionKey: "7"}, {PartitionKey: "19999"}}
	for i := range records {
		b.Add(&records[i])
	}
	if got, want := b.AppendTo(nil), build(records); !bytes.Equal(got, want) {
		t.Errorf("container after a huge one = %x; want %x", got, want)
	}
}

func TestAddCopiesTheRecord(t *testing.T) {
	t.Parallel()
	data := []byte("before")
	headers := []kinetrail.Header{{Name: "n", Value: "before"}}
	r := aggregate.UserRecord{PartitionKey: "a", Data: data, Headers: headers}
	want := build([]aggregate.UserRecord{r})

	var b aggregate.Builder
	b.Add(&r)
	copy(data, "after!")
	headers[0].Value = "after!"
	r = aggregate.UserRecord{}
	if got := b.AppendTo(nil); !bytes.Equal(got, want) {
		t.Errorf("container after the record was changed = %x; want %x", got, want)
	}
}

// Not parallel: AllocsPerRun counts what every goroutine allocates.
func TestAReusedBuilderDoesNotAllocate(t *testing.T) {
	headers := []kinetrail.Header{{Name: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
	distinct := make([]aggregate.UserRecord, 500)
	same := make([]aggregate.UserRecord, 500)
	for i := range distinct {
		distinct[i] = aggregate.UserRecord{PartitionKey: fmt.Sprintf("%016d", i), ExplicitHashKey: fmt.Sprint(i), Data: make([]byte, 100), Headers: headers}
		same[i] = aggregate.UserRecord{PartitionKey: "the one and only key of them all", Data: make([]byte, 100)}
	}
	var b aggregate.Builder
	var container []byte
	for name, records := range map[string][]aggregate.UserRecord{"500 keys": distinct, "one key": same} {
		allocations := testing.AllocsPerRun(10, func() {
			b.Reset()
			for i := range records {
				if b.SizeWith(&records[i]) < b.Size() {
					t.Fatal("SizeWith is less than Size")
				}
				b.Add(&records[i])
			}
			container = b.AppendTo(container[:0])
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations for a container; want 0", name, allocations)
		}
	}
}
