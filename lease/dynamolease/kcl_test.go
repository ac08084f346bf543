package dynamolease

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

var kclVersions = []string{"2.7.2", "3.5.1"}

// kclRows reads the rows of testdata/kcl by the name of the step that wrote them.
func kclRows(t *testing.T, version string) map[string]item {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "kcl", "rows-"+version+".tsv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]item)
	for line := range strings.Lines(string(data)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		rows[name] = fromJSON(t, text)
	}
	return rows
}

// fromJSON reads a row in the JSON of the DynamoDB API.
func fromJSON(t *testing.T, text string) item {
	t.Helper()
	var attributes map[string]struct {
		S, N, B *string
		SS      []string
	}
	if err := json.Unmarshal([]byte(text), &attributes); err != nil {
		t.Fatalf("row %s: %v", text, err)
	}
	row := make(item)
	for name, a := range attributes {
		switch {
		case a.S != nil:
			row[name] = &types.AttributeValueMemberS{Value: *a.S}
		case a.N != nil:
			row[name] = &types.AttributeValueMemberN{Value: *a.N}
		case a.B != nil:
			raw, err := base64.StdEncoding.DecodeString(*a.B)
			if err != nil {
				t.Fatalf("attribute %s: %v", name, err)
			}
			row[name] = &types.AttributeValueMemberB{Value: raw}
		default:
			row[name] = &types.AttributeValueMemberSS{Value: a.SS}
		}
	}
	return row
}

// merged is the row that the steps of the KCL changed.
func merged() lease.Lease {
	return lease.Lease{
		Key: "shardId-000000000002", ShardID: "shardId-000000000002",
		Parents:         []string{"shardId-000000000000", "shardId-000000000001"},
		StartingHashKey: "0", EndingHashKey: "170141183460469231731687303715884105727",
		Checkpoint: kinetrail.TrimHorizon(),
	}
}

const firstSequence = "49630000000000000000000000000000000000000000000000000001"

func TestRowsOfTheKCLAreReadAsItMeansThem(t *testing.T) {
	t.Parallel()
	change := func(f func(*lease.Lease)) lease.Lease {
		l := merged()
		f(&l)
		return l
	}
	want := map[string]lease.Lease{
		"created": merged(),
		"taken":   change(func(l *lease.Lease) { l.Owner, l.Counter = "worker-a", 1 }),
		"checkpointed": change(func(l *lease.Lease) {
			l.Owner, l.Counter, l.Checkpoint = "worker-a", 2, kinetrail.At(firstSequence, 3)
		}),
		"stolen": change(func(l *lease.Lease) {
			l.Owner, l.Counter, l.Switches, l.Checkpoint = "worker-b", 3, 1, kinetrail.At(firstSequence, 3)
		}),
		"prepared": change(func(l *lease.Lease) {
			l.Owner, l.Counter, l.Switches, l.Checkpoint = "worker-b", 4, 1, kinetrail.At(firstSequence, 3)
		}),
		"renewed": change(func(l *lease.Lease) {
			l.Owner, l.Counter, l.Switches, l.Checkpoint = "worker-b", 5, 1, kinetrail.At(firstSequence, 3)
		}),
		"finished": change(func(l *lease.Lease) {
			l.Owner, l.Counter, l.Switches, l.Checkpoint = "worker-b", 6, 1, kinetrail.ShardEnd()
			l.Children = []string{"shardId-000000000003", "shardId-000000000004"}
		}),
		"evicted": change(func(l *lease.Lease) {
			l.Counter, l.Switches, l.Checkpoint = 7, 1, kinetrail.ShardEnd()
			l.Children = []string{"shardId-000000000003", "shardId-000000000004"}
		}),
		"LATEST": {Key: "shardId-LATEST", ShardID: "shardId-LATEST", Checkpoint: kinetrail.Latest()},
		"AT_TIMESTAMP": {Key: "shardId-AT_TIMESTAMP", ShardID: "shardId-AT_TIMESTAMP",
			Checkpoint: kinetrail.AtTime(time.Unix(0, 0))},
		"multi-stream": {Key: "123456789012:orders:1700000000:shardId-000000000000", Stream: "123456789012:orders:1700000000",
			ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()},
	}
	for _, version := range kclVersions {
		rows := kclRows(t, version)
		if len(rows) != len(want) {
			t.Errorf("KCL %s: %d rows; want %d", version, len(rows), len(want))
		}
		for step, row := range rows {
			got, err := parse(row)
			if err != nil || !reflect.DeepEqual(got, want[step]) {
				t.Errorf("KCL %s, %s: parse(%v)\n got %+v, %v\nwant %+v", version, step, row, got, err, want[step])
			}
			if !isLease(row) {
				t.Errorf("KCL %s, %s: the row counts as no lease", version, step)
			}
		}
	}
}

func TestNewRowsAreThoseOfTheKCL(t *testing.T) {
	t.Parallel()
	for _, version := range kclVersions {
		rows := kclRows(t, version)
		for _, step := range []string{"created", "LATEST", "multi-stream"} {
			l, err := parse(rows[step])
			if err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(rows[step])
			delete(want, "entityType") // optional to the KCL since 3.5, unknown to it before
			if got := newItem(l); !equalRows(got, want) {
				t.Errorf("KCL %s, %s: newItem(%+v)\n got %v\nwant %v", version, step, l, got, want)
			}
		}
	}
}

func TestARowThatTheKCLCouldNotReadIsNeverWritten(t *testing.T) {
	t.Parallel()
	l := lease.Lease{Key: "shardId-000000000009", ShardID: "shardId-000000000009", StartingHashKey: "7", EndingHashKey: "7",
		Parents: []string{}, Children: []string{}, Checkpoint: kinetrail.TrimHorizon()}
	for _, name := range []string{"startingHashKey", "endingHashKey", "parentShardId", "childShardIds", "leaseOwner", "checkpointOwner"} {
		if value, there := newItem(l)[name]; there {
			t.Errorf("newItem(%+v) has %s = %v; want it left out", l, name, value)
		}
	}
}

// shared is a table with one row, and a group that works on it.
type shared struct {
	*testing.T
	table *fakeTable
	db    *fake
	store *Store
}

func share(t *testing.T, row item) *shared {
	db := newFake()
	s := &shared{T: t, db: db, table: db.add("orders-app", "leaseKey"), store: New(db, "orders-app")}
	s.table.rows["shardId-000000000002"] = row
	return s
}

func (s *shared) row() item { return s.table.rows["shardId-000000000002"] }

func (s *shared) lease() lease.Lease {
	s.Helper()
	leases, err := s.store.List(s.Context())
	if err != nil || len(leases) != 1 {
		s.Fatalf("List = %+v, %v; want one lease", leases, err)
	}
	return leases[0]
}

func (s *shared) must(l lease.Lease, err error) lease.Lease {
	s.Helper()
	if err != nil {
		s.Fatalf("%v; want no error", err)
	}
	return l
}

// kcl does what a worker of KCL 2.x does: an update of these attributes on the
// condition that the counter is as it was seen.
func (s *shared) kcl(seen int64, set item, remove ...string) {
	s.Helper()
	expression, with := "", values{}
	for name, value := range set {
		expression += ", " + name + " = :" + name
		with[":"+name] = value
	}
	if len(remove) > 0 {
		expression += " REMOVE " + strings.Join(remove, ", ")
	}
	if err := kclWrite(s.Context(), s.db, "orders-app", "shardId-000000000002", seen, expression, with); err != nil {
		s.Fatalf("the KCL worker's update: %v", err)
	}
}

// kclWrite is an update as KCL 2.x sends it: it moves the counter if it is as it
// was seen, and does what else the expression says.
func kclWrite(ctx context.Context, db API, table, key string, seen int64, expression string, with values) error {
	all := values{":seen": number(seen), ":next": number(seen + 1)}
	maps.Copy(all, with)
	_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &table, Key: itemKey(key), ConditionExpression: aws.String("leaseCounter = :seen"),
		UpdateExpression: aws.String("SET leaseCounter = :next" + expression), ExpressionAttributeValues: all,
		ReturnValues: types.ReturnValueAllNew,
	})
	return err
}

func TestAttributesOfOthersSurviveEveryWrite(t *testing.T) {
	t.Parallel()
	foreign := item{"throughputKBps": &types.AttributeValueMemberN{Value: "1.5"}, "somebodys": text("own"),
		"nested": &types.AttributeValueMemberM{Value: item{"a": text("b")}}}
	for _, version := range kclVersions {
		s := share(t, maps.Clone(kclRows(t, version)["renewed"]))
		maps.Copy(s.row(), foreign)
		before := maps.Clone(s.row())
		rest := func(row item) item {
			row = maps.Clone(row)
			for _, name := range []string{"leaseOwner", "leaseCounter", "ownerSwitchesSinceCheckpoint", "checkpoint",
				"checkpointSubSequenceNumber", "kinetrailOwner", "checkpointOwner"} {
				delete(row, name)
			}
			return row
		}
		unchanged := func(after string, without ...string) {
			t.Helper()
			want := rest(before)
			for _, name := range without {
				delete(want, name)
			}
			if got := rest(s.row()); !equalRows(got, want) {
				t.Errorf("KCL %s, after %s\n got %v\nwant %v", version, after, got, want)
			}
		}
		held := s.must(s.store.Take(t.Context(), s.lease(), "go-1"))
		unchanged("Take")
		s.must(s.store.Request(t.Context(), held, "go-2"))
		unchanged("Request")
		held = s.must(s.store.Renew(t.Context(), held))
		unchanged("Renew")
		held = s.must(s.store.Checkpoint(t.Context(), held, kinetrail.At("5"+firstSequence[1:], 0)))
		pending := []string{"pendingCheckpoint", "pendingCheckpointSubSequenceNumber", "pendingCheckpointState"}
		unchanged("Checkpoint, which completes what was pending", pending...)
		s.must(s.store.Release(t.Context(), held))
		unchanged("Release", pending...)
	}
}

func TestAHandoverIsMarkedAsTheKCLMarksIt(t *testing.T) {
	t.Parallel()
	s := share(t, kclRows(t, "2.7.2")["created"])
	held := s.must(s.store.Take(t.Context(), s.lease(), "go-1"))
	s.must(s.store.Request(t.Context(), held, "go-2"))
	if !equal(s.row()["leaseOwner"], text("go-2")) || !equal(s.row()["checkpointOwner"], text("go-1")) || !equal(s.row()["leaseCounter"], number(held.Counter)) {
		t.Errorf("the row asked for: %v; want leaseOwner go-2, checkpointOwner go-1 and the counter as it was", s.row())
	}
	given := s.must(s.store.Release(t.Context(), held))
	if _, left := s.row()["checkpointOwner"]; left || given.Owner != "go-2" || given.Counter != held.Counter+1 {
		t.Errorf("the row handed over: %v; want no checkpointOwner, owner go-2 and the next counter", s.row())
	}
	free := s.must(s.store.Release(t.Context(), given))
	for _, name := range []string{"leaseOwner", "kinetrailOwner", "checkpointOwner"} {
		if value, there := s.row()[name]; there {
			t.Errorf("the free row has %s = %v; want none", name, value)
		}
	}
	if free.Owner != "" {
		t.Errorf("Release returned owner %q; want none", free.Owner)
	}
}

func TestALeaseOfAKCLWorkerIsTakenAtOnceWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	s := share(t, kclRows(t, "2.7.2")["stolen"])
	seen := s.lease()
	taken := s.must(s.store.Request(t.Context(), seen, "go-1"))
	want := seen
	want.Owner, want.Counter, want.Switches = "go-1", seen.Counter+1, seen.Switches+1
	if !reflect.DeepEqual(taken, want) || !reflect.DeepEqual(s.lease(), want) {
		t.Errorf("Request of a lease of a KCL worker returned %+v, the row is %+v; want %+v", taken, s.lease(), want)
	}
	// A second request finds a Go worker, which can be asked.
	if asked := s.must(s.store.Request(t.Context(), taken, "go-2")); asked.Owner != "go-1" || asked.Successor != "go-2" || asked.Counter != taken.Counter {
		t.Errorf("Request of a lease of a Go worker returned %+v; want owner go-1, successor go-2 and counter %d", asked, taken.Counter)
	}
}

func TestAKCLWorkerThatTakesALeaseEndsAHandover(t *testing.T) {
	t.Parallel()
	s := share(t, kclRows(t, "2.7.2")["created"])
	held := s.must(s.store.Take(t.Context(), s.lease(), "go-1"))
	s.must(s.store.Request(t.Context(), held, "go-2"))
	s.kcl(held.Counter, item{"leaseOwner": text("java-1")}) // and leaves checkpointOwner, which it does not know

	if now := s.lease(); now.Owner != "java-1" || now.Successor != "" {
		t.Fatalf("the row is owned by %q with successor %q; want java-1 and none", now.Owner, now.Successor)
	}
	var conflict *lease.ConflictError
	for name, write := range map[string]func() error{
		"Renew":      func() error { _, err := s.store.Renew(t.Context(), held); return err },
		"Checkpoint": func() error { _, err := s.store.Checkpoint(t.Context(), held, kinetrail.ShardEnd()); return err },
		"Release":    func() error { _, err := s.store.Release(t.Context(), held); return err },
		"Release with its successor": func() error {
			asked := held
			asked.Successor = "go-2"
			_, err := s.store.Release(t.Context(), asked)
			return err
		},
		"Release with the new counter": func() error {
			impostor := held
			impostor.Counter++
			_, err := s.store.Release(t.Context(), impostor)
			return err
		},
	} {
		if err := write(); !errors.As(err, &conflict) || conflict.Current.Owner != "java-1" {
			t.Errorf("%s of the old owner: %v; want a conflict that shows java-1", name, err)
		}
	}

	// The KCL worker's row is as good as any other: it renews, frees and is taken.
	s.kcl(held.Counter+1, nil)
	again := s.must(s.store.Take(t.Context(), s.lease(), "go-3"))
	if _, left := s.row()["checkpointOwner"]; left || again.Owner != "go-3" || again.Successor != "" {
		t.Errorf("taken from the KCL worker: %v; want owner go-3 and no trace of the hand-over", s.row())
	}
	s.kcl(again.Counter, item{"leaseOwner": text("java-2")})
	s.kcl(again.Counter+1, nil, "leaseOwner")
	if free := s.lease(); free.Owner != "" || free.Successor != "" {
		t.Errorf("evicted by the KCL worker: owner %q, successor %q; want a free lease", free.Owner, free.Successor)
	}
}

func TestALeaseOfAKCLWorkerCanBeReleasedForIt(t *testing.T) {
	t.Parallel()
	s := share(t, kclRows(t, "2.7.2")["stolen"])
	s.row()["checkpointOwner"] = text("go-1") // left behind by a hand-over it ended
	s.row()["kinetrailOwner"] = text("go-2")
	freed := s.must(s.store.Release(t.Context(), s.lease()))
	if freed.Owner != "" || freed.Successor != "" {
		t.Errorf("Release returned owner %q and successor %q; want a free lease", freed.Owner, freed.Successor)
	}
}

func TestACheckpointThatMovesBackIsAConflictWhenTheLeaseIsLost(t *testing.T) {
	t.Parallel()
	s := share(t, kclRows(t, "2.7.2")["checkpointed"])
	held := s.must(s.store.Take(t.Context(), s.lease(), "go-1"))
	if _, err := s.store.Checkpoint(t.Context(), held, kinetrail.At(firstSequence, 2)); !errors.Is(err, lease.ErrMovesBack) {
		t.Errorf("Checkpoint behind the row's: %v; want ErrMovesBack", err)
	}
	s.kcl(held.Counter, item{"leaseOwner": text("java-1")})
	var conflict *lease.ConflictError
	if _, err := s.store.Checkpoint(t.Context(), held, kinetrail.At(firstSequence, 2)); !errors.As(err, &conflict) || conflict.Current.Owner != "java-1" {
		t.Errorf("the same after the lease was lost: %v; want a conflict that shows java-1", err)
	}
}

func TestABrokenRowIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]types.AttributeValue{
		"leaseCounter":    text("1"),
		"leaseOwner":      number(1),
		"checkpoint":      text("no position"),
		"parentShardId":   text("shardId-000000000000"),
		"kinetrailStart":  text("AT_TIMESTAMP:yesterday"),
		"checkpointOwner": number(3),
	} {
		row := maps.Clone(kclRows(t, "2.7.2")["taken"])
		row[name] = value
		_, err := share(t, row).store.List(t.Context())
		if err == nil || !strings.Contains(err.Error(), "shardId-000000000002") || !strings.Contains(err.Error(), name) {
			t.Errorf("List with %s = %v: %v; want an error that names the lease and the attribute", name, value, err)
		}
	}
	row := maps.Clone(kclRows(t, "2.7.2")["taken"])
	delete(row, "leaseCounter")
	if _, err := share(t, row).store.List(t.Context()); err == nil {
		t.Error("List of a row without a counter succeeds; want an error")
	}
}
