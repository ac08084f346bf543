package aggregate_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
)

var update = flag.Bool("update", false, "write testdata/kinetrail.json anew")

// goldenFile is a file of testdata, see its README: containers that one library
// made, and the records it was given.
type goldenFile struct {
	MadeBy     string            `json:"made_by"`
	Containers []goldenContainer `json:"containers"`
}

type goldenContainer struct {
	Name    string         `json:"name"`
	Records []goldenRecord `json:"records"`
	Bytes   string         `json:"bytes"` // hex
}

type goldenRecord struct {
	PartitionKey    string         `json:"partition_key"`
	ExplicitHashKey string         `json:"explicit_hash_key,omitempty"`
	Data            []byte         `json:"data"` // base64
	Headers         []goldenHeader `json:"headers,omitempty"`
}

type goldenHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func readGolden(t *testing.T, name string) goldenFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var file goldenFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	if len(file.Containers) == 0 {
		t.Fatalf("%s holds no containers", name)
	}
	return file
}

func (c goldenContainer) records() []aggregate.UserRecord {
	records := make([]aggregate.UserRecord, len(c.Records))
	for i, r := range c.Records {
		records[i] = aggregate.UserRecord{PartitionKey: r.PartitionKey, ExplicitHashKey: r.ExplicitHashKey, Data: r.Data}
		for _, h := range r.Headers {
			records[i].Headers = append(records[i].Headers, kinetrail.Header(h))
		}
	}
	return records
}

func TestSplitReadsTheContainersOfOtherLibraries(t *testing.T) {
	t.Parallel()
	for _, name := range otherLibraries {
		for _, c := range readGolden(t, name).Containers {
			data, err := hex.DecodeString(c.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			got, err := aggregate.Split(data, nil)
			if err != nil || !sameRecords(got, c.records()) {
				t.Errorf("%s: %s: Split = %v,%s\nwant%s", name, c.Name, err, describe(got), describe(c.records()))
			}
		}
	}
}

// otherLibraries are the files of testdata that others made.
var otherLibraries = []string{"python.json", "node.json", "kpl.json"}

func TestBuilderWritesTheBytesOfOtherLibraries(t *testing.T) {
	t.Parallel()
	for _, name := range otherLibraries {
		for _, c := range readGolden(t, name).Containers {
			if got := hex.EncodeToString(build(c.records())); got != c.Bytes {
				t.Errorf("%s: %s: container\n%s\nwant\n%s", name, c.Name, got, c.Bytes)
			}
		}
	}
}

// What other libraries were shown to read must stay what the Builder writes.
func TestBuilderWritesTheBytesThatOtherLibrariesHaveRead(t *testing.T) {
	t.Parallel()
	if *update {
		writeGolden(t)
	}
	for _, c := range readGolden(t, "kinetrail.json").Containers {
		if got := hex.EncodeToString(build(c.records())); got != c.Bytes {
			t.Errorf("%s: container\n%s\nwant\n%s", c.Name, got, c.Bytes)
		}
	}
}

func writeGolden(t *testing.T) {
	t.Helper()
	file := goldenFile{MadeBy: "kinetrail, go test ./aggregate -run HaveRead -update"}
	for _, c := range goldenContainers() {
		c.Bytes = hex.EncodeToString(build(c.records()))
		file.Containers = append(file.Containers, c)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "kinetrail.json"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goldenContainers are the cases of testdata, without their bytes.
func goldenContainers() []goldenContainer {
	const (
		traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		lowHalf     = "170141183460469231731687303715884105727"
		lastHashKey = "340282366920938463463374607431768211455"
	)
	trace := []goldenHeader{{"traceparent", traceparent}}
	manyKeys := make([]goldenRecord, 130)
	for i := range manyKeys {
		manyKeys[i] = goldenRecord{PartitionKey: fmt.Sprintf("k%03d", i), Data: []byte{byte(i)}}
	}
	longer := make([]goldenRecord, 0, 8)
	for n := 124; n < 132; n++ {
		longer = append(longer, goldenRecord{PartitionKey: "a", Data: []byte(strings.Repeat("x", n))})
	}
	return []goldenContainer{
		{Name: "one record", Records: []goldenRecord{{PartitionKey: "user-1", Data: []byte("hello")}}},
		{Name: "one key", Records: []goldenRecord{
			{PartitionKey: "user-1", Data: []byte("one")},
			{PartitionKey: "user-1", Data: []byte("two")},
			{PartitionKey: "user-1", Data: []byte("three")},
		}},
		{Name: "several keys, one of them again", Records: []goldenRecord{
			{PartitionKey: "user-1", Data: []byte("one")},
			{PartitionKey: "user-2", Data: []byte("two")},
			{PartitionKey: "user-1", Data: []byte("three")},
			{PartitionKey: "ключ-😀", Data: []byte("four")},
		}},
		{Name: "explicit hash keys", Records: []goldenRecord{
			{PartitionKey: "user-1", ExplicitHashKey: "0", Data: []byte("one")},
			{PartitionKey: "user-2", ExplicitHashKey: lowHalf, Data: []byte("two")},
			{PartitionKey: "user-1", ExplicitHashKey: lastHashKey, Data: []byte("three")},
			{PartitionKey: "user-2", ExplicitHashKey: "0", Data: []byte("four")},
		}},
		{Name: "hash keys on some records", Records: []goldenRecord{
			{PartitionKey: "user-1", ExplicitHashKey: lowHalf, Data: []byte("one")},
			{PartitionKey: "user-2", Data: []byte("two")},
		}},
		{Name: "bytes that are no text", Records: []goldenRecord{
			{PartitionKey: "user-1", Data: []byte{0, 255, 128, 10, 13}},
			{PartitionKey: "user-1", Data: []byte(magic)},
		}},
		{Name: "130 keys, the last with an index of two bytes", Records: manyKeys},
		{Name: "lengths that take a second byte", Records: longer},
		{Name: "one record with a header", Records: []goldenRecord{{PartitionKey: "user-1", Data: []byte("hello"), Headers: trace}}},
		{Name: "headers on some records", Records: []goldenRecord{
			{PartitionKey: "user-1", Data: []byte("one"), Headers: trace},
			{PartitionKey: "user-2", Data: []byte("two")},
			{PartitionKey: "user-1", Data: []byte("three"), Headers: append(trace,
				goldenHeader{"tracestate", "vendor=1,other=2"}, goldenHeader{"baggage", "tenant=é"}, goldenHeader{"empty", ""})},
		}},
		{Name: "headers and explicit hash keys", Records: []goldenRecord{
			{PartitionKey: "user-1", ExplicitHashKey: "0", Data: []byte("one"), Headers: trace},
			{PartitionKey: "user-2", ExplicitHashKey: lastHashKey, Data: []byte("two"), Headers: trace},
		}},
	}
}
