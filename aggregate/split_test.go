package aggregate_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"pgregory.net/rapid"
)

func TestSplitGivesBackWhatWasAdded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords().Draw(t, "records")
		got, err := aggregate.Split(build(records), nil)
		if err != nil || !sameRecords(got, records) {
			t.Fatalf("Split = %v,%s\nwant%s", err, describe(got), describe(records))
		}
	})
}

func TestSplitReadsWhateverAProtobufReaderReads(t *testing.T) {
	t.Parallel()
	const (
		key     = "0a('a') "
		hashKey = "12('7') "
		record  = "1a( 0800 1a('x') ) "
	)
	plain := aggregate.UserRecord{PartitionKey: "a", Data: []byte("x")}
	full := aggregate.UserRecord{PartitionKey: "a", ExplicitHashKey: "7", Data: []byte("x"), Headers: []kinetrail.Header{{Name: "n", Value: "v"}}}
	tests := []struct {
		name    string
		message string
		want    []aggregate.UserRecord
	}{
		{"no records", key, nil},
		{"nothing known at all", "7a('a')", nil},
		{"no table of explicit hash keys", key + record, []aggregate.UserRecord{plain}},
		{"records before the table", record + record + key, []aggregate.UserRecord{plain, plain}},
		{"a table in two pieces", key + "1a( 0801 1a('x') )" + "0a('b')", []aggregate.UserRecord{{PartitionKey: "b", Data: []byte("x")}}},
		{"a text twice in its table", key + key + "1a( 0801 1a('x') )", []aggregate.UserRecord{plain}},
		{
			"fields of a record and its tag in another order",
			key + hashKey + "1a( 22( 12('v') 0a('n') ) 1a('x') 1000 0800 )",
			[]aggregate.UserRecord{full},
		},
		{
			"singular fields given twice: the last counts",
			key + hashKey + "1a( 0805 0800 1005 1000 1a('y') 1a('x') 22( 0a('m') 0a('n') 12('w') 12('v') ) )",
			[]aggregate.UserRecord{full},
		},
		{
			"a tag without a value",
			key + "1a( 0800 1a('x') 22( 0a('n') ) )",
			[]aggregate.UserRecord{{PartitionKey: "a", Data: []byte("x"), Headers: []kinetrail.Header{{Name: "n"}}}},
		},
		{"numbers longer than they need be", key + "1a 90808000 0880808080808080808000 9a00 810078", []aggregate.UserRecord{plain}},
		{
			"unknown fields of every kind",
			key + "20 05" + "29 0102030405060708" + "32( ffff )" + "3d 01020304" + // 4: varint, 5: 64 bits, 6: bytes, 7: 32 bits
				"43 08ac02 4b 4c 12('34') 44" + // 8: a group with a group inside
				"1a( 0800 2a('x') 1a('x') 3005 )" + record,
			[]aggregate.UserRecord{plain, plain},
		},
		{
			"known numbers with other wire types",
			key + "08 05" + "15 01020304" + "18 00" + "1a( 0800 0a( 05 ) 12( 0102030405 ) 18 01 1a('x') 20 01 )",
			[]aggregate.UserRecord{plain},
		},
		{
			"texts that are not UTF-8",
			"0a( ff )" + "12( c328 )" + "1a( 0800 1000 1a() 22( 0a( 80 ) 12( fe ) ) )",
			[]aggregate.UserRecord{{PartitionKey: "\xff", ExplicitHashKey: "\xc3(", Headers: []kinetrail.Header{{Name: "\x80", Value: "\xfe"}}}},
		},
		{
			"empty texts and data",
			"0a()" + "12()" + "1a( 0800 1000 1a() 22( 0a() 12() ) )",
			[]aggregate.UserRecord{{Headers: []kinetrail.Header{{}}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			message := protobuf(t, tt.message)
			if want, err := referenceSplit(message); err != nil || !sameRecords(want, tt.want) {
				t.Fatalf("a protobuf library reads %x as %v,%s\nwant%s", message, err, describe(want), describe(tt.want))
			}
			got, err := aggregate.Split(wrap(message), nil)
			if err != nil || !sameRecords(got, tt.want) {
				t.Errorf("Split(%x) = %v,%s\nwant%s", message, err, describe(got), describe(tt.want))
			}
		})
	}
}

func TestSplitSaysWhatIsWrongWithAMessage(t *testing.T) {
	t.Parallel()
	const key = "0a('a') "
	tests := []struct {
		name    string
		message string
		want    string
	}{
		{"a key index outside the table", key + "1a( 0800 1a('x') )" + "1a( 0801 1a('x') )", "record 1: partition key index 1 is outside a table of 1"},
		{"the largest index there is", key + "1a( 08ffffffffffffffffff01 1a('x') )", "record 0: partition key index 18446744073709551615 is outside a table of 1"},
		{"no table of keys", "1a( 0800 1a('x') )", "record 0: partition key index 0 is outside a table of 0"},
		{"a hash key index outside the table", key + "1a( 0800 1000 1a('x') )", "record 0: explicit hash key index 0 is outside a table of 0"},
		{"no key index", key + "1a( 1a('x') )", "record 0: the partition key index is missing"},
		{"a key index in packed form", key + "1a( 0a( 00 ) 1a('x') )", "record 0: the partition key index is missing"},
		{"no data", key + "1a( 0800 )", "record 0: the data is missing"},
		{"an empty record", key + "1a()", "record 0: the partition key index is missing"},
		{"a tag without a key", key + "1a( 0800 1a('x') 22( 0a('n') ) 22( 12('v') ) )", "record 0: tag 1: the key is missing"},
		{"a tag that is cut off", key + "1a( 0800 1a('x') 22( 0a 05 'n' ) )", "record 0: tag 0: a value of 5 bytes runs past the end, 1 bytes are left"},
		{"a record that is cut off", key + "1a 05 0800 1a01", "a value of 5 bytes runs past the end, 4 bytes are left"},
		{"data longer than its record", key + "1a( 0800 1a 02 'x' )", "record 0: a value of 2 bytes runs past the end, 1 bytes are left"},
		{"a length of 2^63", key + "1a 80808080808080808001", "a value of 9223372036854775808 bytes runs past the end, 0 bytes are left"},
		{"a length of 2^64−1", key + "0a ffffffffffffffffff01", "a value of 18446744073709551615 bytes runs past the end, 0 bytes are left"},
		{"a varint of 65 bits", key + "20 ffffffffffffffffff02", "a varint does not fit 64 bits"},
		{"a varint that never ends", key + "20 ffffffffffffffffffffffff", "a varint does not fit 64 bits"},
		{"a varint that is cut off", key + "20 ff", "a varint runs past the end"},
		{"a key without its value", key + "0a", "a varint runs past the end"},
		{"64 bits that are cut off", "29 01020304050607", "a value of 8 bytes runs past the end, 7 bytes are left"},
		{"32 bits that are cut off", "2d 010203", "a value of 4 bytes runs past the end, 3 bytes are left"},
		{"field number 0", "02 00", "field number 0 is not between 1 and 536870911"},
		{"field number 2^29", "8280808010 00", "field number 536870912 is not between 1 and 536870911"},
		{"wire type 6", "0e 00", "field 1 has wire type 6, which does not exist"},
		{"wire type 7", "0f 00", "field 1 has wire type 7, which does not exist"},
		{"the end of no group", "0c 00", "field 1 ends a group that was not begun"},
		{"the end of another group", "43 4c", "field 9 ends a group that was not begun"},
		{"a group that never ends", "43 0800", "a varint runs past the end"},
		{"groups in groups without end", strings.Repeat("43", 200_000), "more than 100 groups are nested"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			message := protobuf(t, tt.message)
			records, err := aggregate.Split(wrap(message), nil)
			if !errors.Is(err, aggregate.ErrMalformed) || len(records) != 0 {
				t.Fatalf("Split(%.40x) = %d records, error %v; want 0 and ErrMalformed", message, len(records), err)
			}
			if want := aggregate.ErrMalformed.Error() + ": " + tt.want; err.Error() != want {
				t.Errorf("Split(%.40x): error %q\nwant %q", message, err, want)
			}
		})
	}
}

func TestOnlyDataThatBeginsLikeAContainerIsOne(t *testing.T) {
	t.Parallel()
	container := build([]aggregate.UserRecord{{PartitionKey: "a", Data: []byte("x")}})
	tests := []struct {
		name string
		data []byte
		want bool
	}{
		{"a container", container, true},
		{"nothing", nil, false},
		{"text", []byte(`{"type":"order","id":"0123456789"}`), false},
		{"the magic alone", []byte(magic), false},
		{"magic and MD5 with no message between", wrap(nil), false},
		{"magic and 17 more bytes, whatever they are", []byte(magic + strings.Repeat("x", 17)), true},
		{"a container without its first byte", container[1:], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := aggregate.IsContainer(tt.data); got != tt.want {
				t.Errorf("IsContainer(%x) = %t; want %t", tt.data, got, tt.want)
			}
			if _, err := aggregate.Split(tt.data, nil); errors.Is(err, aggregate.ErrNotContainer) == tt.want {
				t.Errorf("Split(%x): error %v; is it ErrNotContainer? want %t", tt.data, err, !tt.want)
			}
		})
	}
}

func TestSplitRefusesAContainerWithAnyBitFlipped(t *testing.T) {
	t.Parallel()
	container := build([]aggregate.UserRecord{{PartitionKey: "a", Data: []byte("x"), Headers: []kinetrail.Header{{Name: "n", Value: "v"}}}})
	for bit := 8 * len(magic); bit < 8*len(container); bit++ {
		damaged := slices.Clone(container)
		damaged[bit/8] ^= 1 << (bit % 8)
		if records, err := aggregate.Split(damaged, nil); !errors.Is(err, aggregate.ErrChecksum) || len(records) != 0 {
			t.Errorf("Split with bit %d flipped = %d records, error %v; want 0 and ErrChecksum", bit, len(records), err)
		}
	}
}

func TestSplitAppendsToTheRecordsItIsGiven(t *testing.T) {
	t.Parallel()
	before := []aggregate.UserRecord{{PartitionKey: "before"}}
	added := []aggregate.UserRecord{{PartitionKey: "a", Data: []byte("x")}, {PartitionKey: "b", Data: []byte("y"), Headers: []kinetrail.Header{{Name: "n"}}}}
	got, err := aggregate.Split(build(added), slices.Clone(before))
	if want := append(before, added...); err != nil || !sameRecords(got, want) {
		t.Errorf("Split = %v,%s\nwant%s", err, describe(got), describe(want))
	}
}

func TestSplitLeavesTheRecordsItIsGivenWhenItFails(t *testing.T) {
	t.Parallel()
	before := make([]aggregate.UserRecord, 1, 10)
	before[0] = aggregate.UserRecord{PartitionKey: "before"}
	for name, data := range map[string][]byte{
		"no container":                    []byte("plain"),
		"wrong checksum":                  []byte(magic + strings.Repeat("x", 40)),
		"first record right, second not":  wrap(protobuf(t, "0a('a') 1a( 0800 1a('x') ) 1a( 0801 1a('x') )")),
		"last tag without a key":          wrap(protobuf(t, "0a('a') 1a( 0800 1a('x') ) 1a( 0800 1a('x') 22( 12('v') ) )")),
		"records right, then a cut field": wrap(protobuf(t, "0a('a') 1a( 0800 1a('x') ) 0a 05")),
	} {
		got, err := aggregate.Split(data, before)
		if err == nil || !sameRecords(got, []aggregate.UserRecord{{PartitionKey: "before"}}) {
			t.Errorf("%s: Split = %v,%s\nwant an error and the record that was there", name, err, describe(got))
		}
	}
}

func TestSplitCopiesNothing(t *testing.T) {
	t.Parallel()
	container := build([]aggregate.UserRecord{{
		PartitionKey: "key", ExplicitHashKey: "7", Data: []byte("data"),
		Headers: []kinetrail.Header{{Name: "name", Value: "value"}},
	}})
	records, err := aggregate.Split(container, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := uintptr(unsafe.Pointer(unsafe.SliceData(container)))
	r := records[0]
	for name, p := range map[string]*byte{
		"PartitionKey":    unsafe.StringData(r.PartitionKey),
		"ExplicitHashKey": unsafe.StringData(r.ExplicitHashKey),
		"Data":            unsafe.SliceData(r.Data),
		"header name":     unsafe.StringData(r.Headers[0].Name),
		"header value":    unsafe.StringData(r.Headers[0].Value),
	} {
		if at := uintptr(unsafe.Pointer(p)) - first; at >= uintptr(len(container)) {
			t.Errorf("%s does not lie in the container", name)
		}
	}
}

func TestAppendingToASplitRecordTouchesNoOther(t *testing.T) {
	t.Parallel()
	headers := []kinetrail.Header{{Name: "n", Value: "v"}}
	want := []aggregate.UserRecord{
		{PartitionKey: "a", Data: []byte("x"), Headers: headers},
		{PartitionKey: "b", Data: []byte("y"), Headers: headers},
	}
	container := build(want)
	before := slices.Clone(container)
	records, err := aggregate.Split(container, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(records[0].Data, "overwritten"...)
	_ = append(records[0].Headers, kinetrail.Header{Name: "overwritten"})
	if !bytes.Equal(container, before) || !sameRecords(records, want) {
		t.Errorf("after appending to record 0 the records are%s\nwant%s", describe(records), describe(want))
	}
}

// Not parallel: AllocsPerRun counts what every goroutine allocates.
func TestSplitAllocatesOnceForTablesAndOnceForHeaders(t *testing.T) {
	one := func(i int) aggregate.UserRecord { return aggregate.UserRecord{PartitionKey: "a", Data: []byte("x")} }
	many := func(i int) aggregate.UserRecord {
		return aggregate.UserRecord{PartitionKey: fmt.Sprint(i), ExplicitHashKey: fmt.Sprint(i)}
	}
	headers := func(i int) aggregate.UserRecord {
		return aggregate.UserRecord{PartitionKey: "a", Headers: make([]kinetrail.Header, i%3)}
	}
	both := func(i int) aggregate.UserRecord {
		return aggregate.UserRecord{PartitionKey: fmt.Sprint(i), Headers: make([]kinetrail.Header, i%3)}
	}
	for _, tt := range []struct {
		name   string
		record func(i int) aggregate.UserRecord
		want   float64
	}{{"one key", one, 0}, {"500 keys", many, 1}, {"one key, headers", headers, 1}, {"500 keys, headers", both, 2}} {
		records := make([]aggregate.UserRecord, 500)
		for i := range records {
			records[i] = tt.record(i)
		}
		container := build(records)
		dst := make([]aggregate.UserRecord, 0, len(records))
		if got := testing.AllocsPerRun(10, func() {
			if got, err := aggregate.Split(container, dst); err != nil || len(got) != len(records) {
				t.Fatalf("%s: Split = %d records, %v", tt.name, len(got), err)
			}
		}); got != tt.want {
			t.Errorf("%s: %v allocations for a container; want %v", tt.name, got, tt.want)
		}
	}
}

// A record of 6 bytes becomes a UserRecord of 80, which is as bad as it gets.
// The race detector makes slices.Grow allocate twice as much as it needs.
//
// Not parallel: the memory statistics are those of the whole process.
func TestSplitAllocatesInProportionToTheContainer(t *testing.T) {
	const size, times = 1 << 20, 30
	fill := func(entry string) []byte { return bytes.Repeat(protobuf(t, entry), size/len(protobuf(t, entry))) }
	for name, message := range map[string][]byte{
		"empty keys":       fill("0a()"),
		"empty hash keys":  fill("12()"),
		"empty records":    slices.Concat(protobuf(t, "0a()"), fill("1a( 0800 1a() )")),
		"empty tags":       slices.Concat(protobuf(t, "0a()"), fill("1a( 0800 1a() 22( 0a() ) 22( 0a() ) )")),
		"unknown fields":   fill("2000"),
		"huge lengths":     fill("1affffffff07"),
		"huge key indexes": slices.Concat(protobuf(t, "0a()"), fill("1a( 08ffffffff07 1a() )")),
	} {
		container := wrap(message)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := aggregate.Split(container, nil)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > times*size {
			t.Errorf("%s: Split allocates %d bytes for a container of %d (%v); want at most %d times as much", name, got, len(container), err, times)
		}
	}
}

func TestHashKeyIsTheExplicitOneOrThatOfTheKey(t *testing.T) {
	t.Parallel()
	explicit := aggregate.UserRecord{PartitionKey: "a", ExplicitHashKey: "7"}
	if got, err := explicit.HashKey(); err != nil || got != (shardmap.HashKey{Lo: 7}) {
		t.Errorf("HashKey() with hash key 7 = %v, %v; want 7", got, err)
	}
	plain := aggregate.UserRecord{PartitionKey: "a"}
	sum := md5.Sum([]byte("a"))
	if got, err := plain.HashKey(); err != nil || got != shardmap.HashKeyOf("a") || byte(got.Hi>>56) != sum[0] {
		t.Errorf("HashKey() of key a = %v, %v; want its MD5 %x", got, err, sum)
	}
	for _, text := range []string{"x", "-1", "07", "340282366920938463463374607431768211456"} {
		r := aggregate.UserRecord{PartitionKey: "a", ExplicitHashKey: text}
		if got, err := r.HashKey(); !errors.Is(err, shardmap.ErrInvalidHashKey) {
			t.Errorf("HashKey() with hash key %q = %v, %v; want ErrInvalidHashKey", text, got, err)
		}
	}
}
