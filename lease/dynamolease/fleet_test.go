package dynamolease

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// fleetTable is a table that KCL workers and Go workers have written together.
type fleetTable struct {
	Name    string            `json:"name"`
	Indexes []string          `json:"indexes"`
	Rows    []json.RawMessage `json:"rows"`
}

// fleetTables reads a file of testdata/fleet.
func fleetTables(t *testing.T, file string) []fleetTable {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "fleet", file))
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Tables []fleetTable `json:"tables"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return read.Tables
}

// open makes a table of it, and the store of the group that it belongs to.
func (f fleetTable) open(t *testing.T) (*Store, *fakeTable) {
	t.Helper()
	db := newFake()
	table := db.add("orders-app", "leaseKey")
	for _, name := range f.Indexes {
		table.description.GlobalSecondaryIndexes = append(table.description.GlobalSecondaryIndexes, types.GlobalSecondaryIndexDescription{IndexName: &name})
	}
	for _, text := range f.Rows {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		row := make(item)
		for name, value := range members {
			row[name] = attribute(t, value)
		}
		key, _ := table.row(row)
		table.rows[key] = row
	}
	return New(db, "orders-app"), table
}

// attribute reads a value in the JSON of the DynamoDB API.
func attribute(t *testing.T, text json.RawMessage) types.AttributeValue {
	t.Helper()
	var v struct {
		S, N, B *string
		SS      []string
		M       map[string]json.RawMessage
		L       []json.RawMessage
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("value %s: %v", text, err)
	}
	switch {
	case v.S != nil:
		return &types.AttributeValueMemberS{Value: *v.S}
	case v.N != nil:
		return &types.AttributeValueMemberN{Value: *v.N}
	case v.B != nil:
		raw, err := base64.StdEncoding.DecodeString(*v.B)
		if err != nil {
			t.Fatalf("value %s: %v", text, err)
		}
		return &types.AttributeValueMemberB{Value: raw}
	case v.SS != nil:
		return &types.AttributeValueMemberSS{Value: v.SS}
	case v.M != nil:
		members := make(item)
		for name, value := range v.M {
			members[name] = attribute(t, value)
		}
		return &types.AttributeValueMemberM{Value: members}
	case v.L != nil:
		list := make([]types.AttributeValue, len(v.L))
		for i := range v.L {
			list[i] = attribute(t, v.L[i])
		}
		return &types.AttributeValueMemberL{Value: list}
	}
	t.Fatalf("value %s is of no type that the tables have", text)
	return nil
}

func TestTablesOfMixedFleetsAreReadAndGoneOnWith(t *testing.T) {
	t.Parallel()
	const native = "KCL 3 workers in native mode"
	read := make(map[string]int)
	for _, file := range []string{"kcl-2.json", "kcl-3.json"} {
		for _, kept := range fleetTables(t, file) {
			if kept.Name == native {
				continue
			}
			store, table := kept.open(t)
			leases, err := store.List(t.Context())
			if err != nil {
				t.Errorf("%s, %s: List: %v", file, kept.Name, err)
			}
			for _, l := range leases {
				read[kept.Name]++
				row := maps.Clone(table.rows[l.Key])
				switch {
				case l.Successor != "" || l.Owner != textIn(row, "leaseOwner"):
					t.Errorf("%s, %s: %s has owner %q and successor %q; want leaseOwner alone", file, kept.Name, l.Key, l.Owner, l.Successor)
				case l.Finished() != (len(l.Children) > 0):
					t.Errorf("%s, %s: %s is at %v and has the children %v", file, kept.Name, l.Key, l.Checkpoint, l.Children)
				case strings.HasSuffix(kept.Name, "within a container") && l.Checkpoint.Sub() == 0:
					t.Errorf("%s, %s: %s is at %v; want a place within a container", file, kept.Name, l.Key, l.Checkpoint)
				}
				goesOn(t, store, table, l)
			}
		}
	}
	for name, least := range map[string]int{"a Go worker is within a container": 2, "a Java worker is within a container": 2, "after a split and a merge": 10} {
		if read[name] < least {
			t.Errorf("%d leases of %q; want at least %d", read[name], name, least)
		}
	}
}

// goesOn lets a Go worker take a lease of a fleet, write its position and give
// it up: what only the KCL knows of stays.
func goesOn(t *testing.T, store *Store, table *fakeTable, l lease.Lease) {
	t.Helper()
	before := maps.Clone(table.rows[l.Key])
	held, err := store.Take(t.Context(), l, "go-next")
	if err == nil && l.Checkpoint.IsRecord() {
		next := kinetrail.At(l.Checkpoint.Sequence(), l.Checkpoint.Sub()+1)
		if held, err = store.Checkpoint(t.Context(), held, next); err == nil && held.Checkpoint != next {
			t.Errorf("%s is at %v after a checkpoint at %v", l.Key, held.Checkpoint, next)
		}
	}
	if err == nil {
		held, err = store.Release(t.Context(), held)
	}
	if err != nil || held.Owner != "" || held.Counter <= l.Counter {
		t.Errorf("%s, taken and released: %+v, %v; want a free lease with a higher counter", l.Key, held, err)
	}
	after := maps.Clone(table.rows[l.Key])
	for _, row := range []item{before, after} {
		for _, ours := range []string{"leaseOwner", "kinetrailOwner", "leaseCounter", "ownerSwitchesSinceCheckpoint", "checkpoint", "checkpointSubSequenceNumber", "checkpointOwner"} {
			delete(row, ours)
		}
	}
	if !equalRows(after, before) {
		t.Errorf("%s, what was not the Go worker's to change:\n got %v\nwant %v", l.Key, after, before)
	}
}

func TestTheTableOfANativeFleetIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	tables := fleetTables(t, "kcl-3.json")
	native := tables[len(tables)-1]
	if native.Name != "KCL 3 workers in native mode" {
		t.Fatalf("the last table of kcl-3.json is %q", native.Name)
	}
	store, table := native.open(t)
	before := maps.Clone(table.rows)
	seen, err := parse(before["shardId-000000000000"])
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"List":       func() error { _, err := store.List(t.Context()); return err },
		"Create":     func() error { return store.Create(t.Context(), merged()) },
		"Take":       func() error { _, err := store.Take(t.Context(), seen, "go-1"); return err },
		"Request":    func() error { _, err := store.Request(t.Context(), seen, "go-1"); return err },
		"Renew":      func() error { _, err := store.Renew(t.Context(), seen); return err },
		"Checkpoint": func() error { _, err := store.Checkpoint(t.Context(), seen, kinetrail.ShardEnd()); return err },
		"Release":    func() error { _, err := store.Release(t.Context(), seen); return err },
		"Delete":     func() error { return store.Delete(t.Context(), seen) },
	} {
		if err := call(); !errors.Is(err, ErrKCL3) || !errors.Is(err, lease.ErrUnusable) {
			t.Errorf("%s: %v; want ErrKCL3, which is ErrUnusable", name, err)
		}
	}
	if !maps.EqualFunc(table.rows, before, equalRows) {
		t.Errorf("the rows are %v; want them as they were, %v", table.rows, before)
	}
}

func textIn(row item, name string) string {
	s, _ := row[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}
