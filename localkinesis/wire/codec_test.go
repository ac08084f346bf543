package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// entry is a record in the form other libraries write.
type entry struct {
	Data            []byte
	PartitionKey    string
	ExplicitHashKey *string `json:",omitempty" cbor:",omitempty"`
}

type putRecords struct {
	Records    []entry
	StreamName string
}

func drawPutRecords(t *rapid.T) putRecords {
	in := putRecords{StreamName: rapid.StringMatching(`[a-zA-Z0-9_.-]{1,20}`).Draw(t, "stream")}
	for range rapid.IntRange(1, 5).Draw(t, "records") {
		e := entry{
			Data:         rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			PartitionKey: rapid.StringN(1, 300, -1).Draw(t, "key"),
		}
		if rapid.Bool().Draw(t, "explicit") {
			key := rapid.StringMatching(`0|[1-9][0-9]{0,40}`).Draw(t, "hash key")
			e.ExplicitHashKey = &key
		}
		in.Records = append(in.Records, e)
	}
	return in
}

// slowly is the way every other operation's input is read.
func slowly(c wire.Codec, body []byte, in any) error {
	tree, err := c.Parse(body)
	if err != nil {
		return err
	}
	if err := wire.Bind(tree, in); err != nil {
		return err
	}
	return wire.Validate(in)
}

// sameRecords compares what is exported of two inputs.
func sameRecords(a, b *wire.PutRecordsInput) bool {
	return reflect.DeepEqual(a.StreamName, b.StreamName) && reflect.DeepEqual(a.StreamARN, b.StreamARN) &&
		reflect.DeepEqual(a.DryRun, b.DryRun) && reflect.DeepEqual(a.Records, b.Records)
}

func TestBothCodecsReadTheSameRecordsQuicklyAndSlowly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawPutRecords(t)
		jsonBody, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		cborBody, err := cbor.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		for codec, body := range map[wire.Codec][]byte{wire.JSON: jsonBody, wire.CBOR: cborBody} {
			var quick, slow wire.PutRecordsInput
			err := slowly(codec, body, &slow)
			if ok := wire.ReadPutRecords(codec, body, &quick); ok && (err != nil || !sameRecords(&quick, &slow)) {
				t.Fatalf("%s: quickly %+v; slowly %+v, %v", codec.ContentType(), quick, slow, err)
			}
			if err != nil {
				continue // keys or hash keys that are too long
			}
			for i, e := range want.Records {
				got := slow.Records[i]
				if string(got.Data) != string(e.Data) || *got.PartitionKey != e.PartitionKey || !reflect.DeepEqual(got.ExplicitHashKey, e.ExplicitHashKey) {
					t.Fatalf("%s: record %d is %+v; want %+v", codec.ContentType(), i, got, e)
				}
			}
		}
	})
}

func TestTheQuickReadersTakeWhatSDKsSend(t *testing.T) {
	t.Parallel()
	hash := "340282366920938463463374607431768211455"
	in := putRecords{StreamName: "orders", Records: []entry{
		{Data: []byte("a"), PartitionKey: "schlüssel \"1\" \u2028 😀", ExplicitHashKey: &hash}, {Data: []byte{}, PartitionKey: "b"},
	}}
	compact, _ := json.Marshal(in)
	spaced := bytes.ReplaceAll(bytes.ReplaceAll(compact, []byte(`,"`), []byte(`, "`)), []byte(`":`), []byte(`": `))
	binary, _ := cbor.Marshal(in)
	for what, c := range map[string]struct {
		codec wire.Codec
		body  []byte
	}{
		"compact JSON":         {wire.JSON, compact},
		"JSON with spaces":     {wire.JSON, spaced},
		"CBOR with lengths":    {wire.CBOR, binary},
		"CBOR without lengths": {wire.CBOR, indefinite(t, in)},
	} {
		var got wire.PutRecordsInput
		if !wire.ReadPutRecords(c.codec, c.body, &got) {
			t.Errorf("%s was left to the slow way", what)
			continue
		}
		if *got.Records[0].PartitionKey != in.Records[0].PartitionKey || *got.Records[0].ExplicitHashKey != hash || *got.StreamName != "orders" {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// indefinite writes objects and lists without their lengths, as the Java SDK
// does.
func indefinite(t *testing.T, in putRecords) []byte {
	t.Helper()
	var b bytes.Buffer
	e := cbor.NewEncoder(&b)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(e.StartIndefiniteMap())
	check(e.Encode("StreamName"))
	check(e.Encode(in.StreamName))
	check(e.Encode("Records"))
	check(e.StartIndefiniteArray())
	for _, r := range in.Records {
		check(e.StartIndefiniteMap())
		check(e.Encode("Data"))
		check(e.Encode(r.Data))
		check(e.Encode("PartitionKey"))
		check(e.Encode(r.PartitionKey))
		if r.ExplicitHashKey != nil {
			check(e.Encode("ExplicitHashKey"))
			check(e.Encode(*r.ExplicitHashKey))
		}
		check(e.EndIndefinite())
	}
	check(e.EndIndefinite())
	check(e.EndIndefinite())
	return b.Bytes()
}

func TestAnInputCanBeReadAgainAfterReset(t *testing.T) {
	t.Parallel()
	var in wire.PutRecordsInput
	for _, key := range []string{"first", "second"} {
		body := fmt.Sprintf(`{"Records":[{"Data":"%s","PartitionKey":"%s"}],"StreamName":"s"}`, base64.StdEncoding.EncodeToString([]byte(key)), key)
		if !wire.ReadPutRecords(wire.JSON, []byte(body), &in) || len(in.Records) != 1 || *in.Records[0].PartitionKey != key || string(in.Records[0].Data) != key {
			t.Errorf("read %s: %+v", body, in)
		}
		in.Reset()
	}
}

func TestTimesAreReadInSecondsAndMilliseconds(t *testing.T) {
	t.Parallel()
	type input struct{ At *time.Time }
	want := time.UnixMilli(1_700_000_000_123).UTC()
	tagged := func(content any) []byte {
		b, err := cbor.Marshal(map[string]any{"At": cbor.Tag{Number: 1, Content: content}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	untagged, _ := cbor.Marshal(map[string]any{"At": 1_700_000_000.123})
	for what, c := range map[string]struct {
		codec wire.Codec
		body  []byte
	}{
		"JSON seconds":             {wire.JSON, []byte(`{"At":1700000000.123}`)},
		"JSON with an exponent":    {wire.JSON, []byte(`{"At":1.700000000123E9}`)},
		"JSON milliseconds":        {wire.JSON, []byte(`{"At":1700000000123}`)},
		"CBOR tagged seconds":      {wire.CBOR, tagged(1_700_000_000.123)},
		"CBOR tagged millis":       {wire.CBOR, tagged(int64(1_700_000_000_123))},
		"CBOR seconds, no tag":     {wire.CBOR, untagged},
		"CBOR tagged float millis": {wire.CBOR, tagged(1_700_000_000_123.0)},
	} {
		var in input
		if err := slowly(c.codec, c.body, &in); err != nil || in.At == nil || !in.At.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", what, in.At, err, want)
		}
	}
}

func TestBothCodecsWriteWhatOtherLibrariesRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type output struct {
			Text   string
			Number int64
			Flag   bool
			Blob   []byte
			At     time.Time
			Tags   map[string]string
			List   []string
			None   *string
		}
		want := output{
			Text: rapid.String().Draw(t, "text"), Number: rapid.Int64().Draw(t, "number"), Flag: rapid.Bool().Draw(t, "flag"),
			Blob: rapid.SliceOf(rapid.Byte()).Draw(t, "blob"),
			At:   time.UnixMilli(rapid.Int64Range(0, 1e14).Draw(t, "time")).UTC(),
			Tags: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "tags"),
			List: rapid.SliceOf(rapid.String()).Draw(t, "list"),
		}
		if want.Blob == nil {
			want.Blob = []byte{}
		}
		var fromJSON struct {
			output
			At json.Number
		}
		text := wire.Append(nil, wire.JSON, &want)
		if err := json.Unmarshal(text, &fromJSON); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		seconds, _ := fromJSON.At.Float64()
		fromJSON.output.At = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
		compare(t, "JSON", fromJSON.output, want)

		var fromCBOR struct {
			output
			At cbor.RawTag
		}
		binary := wire.Append(nil, wire.CBOR, &want)
		if err := cbor.Unmarshal(binary, &fromCBOR); err != nil {
			t.Fatalf("%x: %v", binary, err)
		}
		var millis int64
		if err := cbor.Unmarshal(fromCBOR.At.Content, &millis); err != nil || fromCBOR.At.Number != 1 {
			t.Fatalf("%x: time %v: %v", binary, fromCBOR.At, err)
		}
		fromCBOR.output.At = time.UnixMilli(millis).UTC()
		compare(t, "CBOR", fromCBOR.output, want)
	})
}

func compare[T any](t *rapid.T, what string, got, want T) {
	// Empty and nil are the same on the wire of other libraries.
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	clean := strings.NewReplacer(`null`, `[]`, `{}`, `[]`)
	if clean.Replace(string(gotText)) != clean.Replace(string(wantText)) {
		t.Fatalf("%s: %s; want %s", what, gotText, wantText)
	}
}

func TestErrorsAreWrittenWithTheMembersTheServiceUses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  *wire.Error
		want string
	}{
		{&wire.Error{Code: "X"}, `{"__type":"X"}`},
		{&wire.Error{Code: "X", Message: "a \"b\"\n\x01\xff"}, `{"__type":"X","message":"a \"b\"\n\u0001\ufffd"}`},
		{&wire.Error{Code: "X", Message: "m", CapitalMessage: true}, `{"__type":"X","Message":"m"}`},
	} {
		if got := string(wire.AppendError(nil, wire.JSON, tt.err)); got != tt.want {
			t.Errorf("AppendError(%+v) = %s; want %s", tt.err, got, tt.want)
		}
	}
}

func TestDeeplyNestedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	deepJSON := strings.Repeat(`{"a":`, 200_000) + "1" + strings.Repeat("}", 200_000)
	deepCBOR := strings.Repeat("\xa1\x61a", 200_000) + "\x01"
	for codec, body := range map[wire.Codec]string{wire.JSON: deepJSON, wire.CBOR: deepCBOR} {
		if _, err := codec.Parse([]byte(body)); err == nil {
			t.Errorf("%s: 200,000 levels were read", codec.ContentType())
		}
	}
}

func TestLengthsThatABodyDoesNotHaveCostNoMemory(t *testing.T) {
	for _, head := range []string{"\x5b", "\x7b", "\x9b", "\xbb"} { // bytes, text, list, map with eight bytes of length
		body := []byte(head + "\x7f\xff\xff\xff\xff\xff\xff\xff")
		if allocated := testing.AllocsPerRun(10, func() { _, _ = wire.CBOR.Parse(body) }); allocated > 10 {
			t.Errorf("%x: %v allocations", body, allocated)
		}
		if tree, err := wire.CBOR.Parse(body); err == nil {
			t.Errorf("%x was read as %v", body, tree)
		}
	}
}

// fuzz checks that what a quick reader takes is what the slow way reads.
func fuzz(t *testing.T, codec wire.Codec, body []byte) {
	var records, slowRecords wire.PutRecordsInput
	err := slowly(codec, body, &slowRecords)
	if wire.ReadPutRecords(codec, body, &records) && (err != nil || !sameRecords(&records, &slowRecords)) {
		t.Errorf("PutRecords %q: quickly %+v; slowly %+v, %v", body, records, slowRecords, err)
	}
	var record, slowRecord wire.PutRecordInput
	err = slowly(codec, body, &slowRecord)
	if wire.ReadPutRecord(codec, body, &record) &&
		(err != nil || !bytes.Equal(record.Data, slowRecord.Data) || *record.PartitionKey != *slowRecord.PartitionKey ||
			!reflect.DeepEqual(record.ExplicitHashKey, slowRecord.ExplicitHashKey) || !reflect.DeepEqual(record.StreamName, slowRecord.StreamName) ||
			!reflect.DeepEqual(record.SequenceNumberForOrdering, slowRecord.SequenceNumberForOrdering)) {
		t.Errorf("PutRecord %q: quickly %+v; slowly %+v, %v", body, record, slowRecord, err)
	}
	var get, slowGet wire.GetRecordsInput
	err = slowly(codec, body, &slowGet)
	if wire.ReadGetRecords(codec, body, &get) && (err != nil || *get.ShardIterator != *slowGet.ShardIterator || !reflect.DeepEqual(get.Limit, slowGet.Limit)) {
		t.Errorf("GetRecords %q: quickly %+v; slowly %+v, %v", body, get, slowGet, err)
	}
}

func FuzzJSONIsReadTheSameQuicklyAndSlowly(f *testing.F) {
	for _, body := range []string{
		`{"Records":[{"Data":"YQ==","PartitionKey":"k"},{"Data":"","PartitionKey":"\u00e9","ExplicitHashKey":"7"}],"StreamName":"s"}`,
		`{"Data":"YQ==","PartitionKey":"k","StreamName":"s","SequenceNumberForOrdering":"1"}`,
		`{"ShardIterator":"x","Limit":100}`, `{"ShardIterator":"x","Limit":1e2}`, `{"Records":[{}]}`, `{"Records":[],}`,
		`{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","Data":"AA==","PartitionKey":"k"}`, "{\"Data\":\"AA==\",\"PartitionKey\":\"\xff\"}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, wire.JSON, body) })
}

func FuzzCBORIsReadTheSameQuicklyAndSlowly(f *testing.F) {
	for _, in := range []any{
		putRecords{StreamName: "s", Records: []entry{{Data: []byte("a"), PartitionKey: "k"}}},
		map[string]any{"Data": []byte("a"), "PartitionKey": "k", "StreamName": "s"},
		map[string]any{"ShardIterator": "x", "Limit": 100},
		map[string]any{"At": cbor.Tag{Number: 1, Content: 1.5}, "Half": float32(1.5), "Null": nil, "List": []any{-1, true}},
	} {
		body, err := cbor.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzz(t, wire.CBOR, body) })
}

func FuzzCBORAgreesWithAnotherLibrary(f *testing.F) {
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IntDec: cbor.IntDecConvertSignedOrFail, DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	for _, in := range []any{
		map[string]any{"a": []any{1, -2, 1.5, float32(0.5), "x", []byte("y"), true, nil, map[string]any{}}},
		map[string]any{"big": math.MaxInt64, "small": math.MinInt64},
	} {
		body, err := cbor.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte("\xbf\x61a\x9f\xf9\x3c\x00\xf9\x00\x01\x5f\x41x\x41y\xff\xff\xff")) // half floats, bytes in pieces
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := wire.CBOR.Parse(body)
		var want map[string]any
		wantErr := mode.Unmarshal(body, &want)
		if err != nil || wantErr != nil || want == nil {
			return // the two are strict about different things
		}
		gotText, gotErr := json.Marshal(got)
		wantText, wantErr := json.Marshal(want)
		if gotErr == nil && wantErr == nil && !hasTag(body) && string(gotText) != string(wantText) {
			t.Errorf("%x: %s; another library reads %s", body, gotText, wantText)
		}
	})
}

// hasTag reports whether a byte could be the start of a tag, which the two
// libraries read differently on purpose.
func hasTag(body []byte) bool {
	return slices.ContainsFunc(body, func(b byte) bool { return b>>5 == 6 })
}

func BenchmarkReadPutRecords(b *testing.B) {
	in := putRecords{StreamName: "orders"}
	for i := range 500 {
		in.Records = append(in.Records, entry{Data: bytes.Repeat([]byte("x"), 100), PartitionKey: fmt.Sprint("key-", i)})
	}
	jsonBody, _ := json.Marshal(in)
	cborBody, _ := cbor.Marshal(in)
	for name, c := range map[string]struct {
		codec wire.Codec
		body  []byte
	}{"json": {wire.JSON, jsonBody}, "cbor": {wire.CBOR, cborBody}} {
		b.Run(name, func(b *testing.B) {
			var input wire.PutRecordsInput
			b.ReportAllocs()
			for b.Loop() {
				input.Reset()
				if !wire.ReadPutRecords(c.codec, c.body, &input) {
					b.Fatal("left to the slow way")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
		})
	}
}

func BenchmarkAppendGetRecords(b *testing.B) {
	record := wire.Record{Number: sequence.Start(1, 1_700_000_000), ArrivedMillis: 1_700_000_000_123, PartitionKey: []byte("key-1"), Data: bytes.Repeat([]byte("x"), 100)}
	out := &wire.GetRecordsOutput{Count: 10_000, Record: func(int) wire.Record { return record }, NextShardIterator: "x"}
	for name, codec := range map[string]wire.Codec{"json": wire.JSON, "cbor": wire.CBOR} {
		b.Run(name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = wire.Append(buf[:0], codec, out)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/record")
		})
	}
}
