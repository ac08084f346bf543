package dynamolease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// Expressions and what DynamoDB makes of them. The rows are evaluated in memory,
// and by a real server where there is one.
func TestExpressionsAreEvaluatedAsDynamoDBDoes(t *testing.T) {
	t.Parallel()
	row := item{"leaseKey": text("row"), "a": text("x"), "b": text("x"), "c": text("y"), "n": number(7), "s": set([]string{"q", "p"})}
	given := values{":x": text("x"), ":seven": number(7), ":set": set([]string{"p", "q"})}
	const wrong = "ValidationException"
	conditions := []struct {
		condition string
		use       []string
		missing   bool // the row does not exist
		want      string
	}{
		{"a = :x", []string{":x"}, false, "true"},
		{"a = b", nil, false, "true"},
		{"a = c", nil, false, "false"},
		{"a = gone", nil, false, "false"},
		{"gone = away", nil, false, "false"},
		{"NOT a = gone", nil, false, "true"},
		{"NOT gone = away", nil, false, "true"},
		{"n = :seven", []string{":seven"}, false, "true"},
		{"a = :seven", []string{":seven"}, false, "false"},
		{"s = :set", []string{":set"}, false, "true"},
		{"attribute_exists(a) AND attribute_not_exists(gone)", nil, false, "true"},
		{"a = c OR a = b AND NOT a = gone", nil, false, "true"},
		{"NOT a = b OR a = c", nil, false, "false"},
		{"NOT (a = c AND a = b)", nil, false, "true"},
		{"a = b AND (a = c OR (attribute_exists(n)))", nil, false, "true"},
		{"attribute_not_exists(leaseKey)", nil, true, "true"},
		{"a = :x", []string{":x"}, true, "false"},
		{"NOT a = :x", []string{":x"}, true, "true"},
		{"a = :x", nil, false, wrong},
		{"a = b", []string{":x"}, false, wrong},
		{"a = ", nil, false, wrong},
		{"(a = b", nil, false, wrong},
		{"a = b b = c", nil, false, wrong},
	}
	updates := []struct {
		update string
		use    []string
		want   string
	}{
		{"SET a = :x, d = :seven", []string{":x", ":seven"}, "ok"},
		{"SET d = a REMOVE a", nil, "ok"},
		{"REMOVE gone, a ADD n :seven", []string{":seven"}, "ok"},
		{"ADD fresh :seven", []string{":seven"}, "ok"},
		{"SET d = gone", nil, wrong},
		{"SET a = :x REMOVE a", []string{":x"}, wrong},
		{"SET a = :x, a = :x", []string{":x"}, wrong},
		{"ADD a :seven", []string{":seven"}, wrong},
		{"SET a = :nothing", nil, wrong},
		{"SET a = :x", []string{":x", ":seven"}, wrong},
	}
	for name, db := range servers(t) {
		table := difference(t, db)
		pick := func(names []string) values {
			var picked values
			for _, n := range names {
				if picked == nil {
					picked = make(values)
				}
				picked[n] = given[n]
			}
			return picked
		}
		put := func() {
			t.Helper()
			if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for _, tt := range conditions {
			put()
			key := itemKey("row")
			if tt.missing {
				key = itemKey("nowhere")
			}
			_, err := db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key,
				ConditionExpression: &tt.condition, ExpressionAttributeValues: pick(tt.use)})
			got := map[string]string{"": "true", "ConditionalCheckFailedException": "false"}[code(err)]
			if got == "" {
				got = code(err)
			}
			if got != tt.want {
				t.Errorf("%s: %q with %v, missing %t: %s (%v); want %s", name, tt.condition, tt.use, tt.missing, got, err, tt.want)
			}
		}
		for _, tt := range updates {
			put()
			_, err := db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: itemKey("row"),
				UpdateExpression: &tt.update, ExpressionAttributeValues: pick(tt.use)})
			if got := code(err); got != tt.want && (got != "" || tt.want != "ok") {
				t.Errorf("%s: %q with %v: %s (%v); want %s", name, tt.update, tt.use, got, err, tt.want)
			}
		}
	}
}

// servers are the fake and, where KINETRAIL_DYNAMODB_URL names one, a server.
func servers(t *testing.T) map[string]API {
	t.Helper()
	all := map[string]API{"in memory": newFake()}
	if client := realDynamoDB(); client != nil {
		all["DynamoDB"] = client
	}
	return all
}

// difference makes a lease table and returns its name.
func difference(t *testing.T, db API) string {
	t.Helper()
	name := fmt.Sprintf("%s-difference-%08x", runID, rand.Uint32())
	if _, err := New(db, name).List(t.Context()); err != nil {
		t.Fatal(err)
	}
	return name
}

// code is the error's code as the API names it, empty for none.
func code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

// pair sends every write to the fake and to a server and compares what they
// answer.
type pair struct {
	API
	*testing.T
	fake *fake
}

func (p *pair) compare(op string, ours, theirs error) {
	p.Helper()
	if code(ours) != code(theirs) {
		p.Fatalf("%s: the fake answers %v, DynamoDB %v", op, ours, theirs)
	}
	var failed, failedToo *types.ConditionalCheckFailedException
	if errors.As(ours, &failed) && errors.As(theirs, &failedToo) && !equalRows(failed.Item, failedToo.Item) {
		p.Fatalf("%s: the condition fails with the row\n %v in the fake\n %v in DynamoDB", op, failed.Item, failedToo.Item)
	}
}

func (p *pair) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	out, theirs := p.API.PutItem(ctx, in)
	_, ours := p.fake.PutItem(ctx, in)
	p.compare("PutItem", ours, theirs)
	return out, theirs
}

func (p *pair) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	out, theirs := p.API.UpdateItem(ctx, in)
	same, ours := p.fake.UpdateItem(ctx, in)
	p.compare("UpdateItem "+*in.UpdateExpression, ours, theirs)
	if theirs == nil && !equalRows(same.Attributes, out.Attributes) {
		p.Fatalf("UpdateItem %s if %s: the row is\n %v in the fake\n %v in DynamoDB", *in.UpdateExpression, *in.ConditionExpression, same.Attributes, out.Attributes)
	}
	return out, theirs
}

func (p *pair) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	out, theirs := p.API.DeleteItem(ctx, in)
	_, ours := p.fake.DeleteItem(ctx, in)
	p.compare("DeleteItem", ours, theirs)
	return out, theirs
}

// What the store sends in random programs of Go and KCL workers, over rows in
// every state these can leave behind, is answered alike, and as lease.Change
// says.
func TestRandomProgramsOnRowsOfTwoLibraries(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		var db API = newFake()
		if client := realDynamoDB(); client != nil {
			both := &pair{API: client, T: t, fake: newFake()}
			both.fake.add(runID+"-pair", "leaseKey")
			db = both
		}
		program{T: t, rng: rand.New(rand.NewPCG(seed, 5)), db: db, seed: seed}.run()
	}
}

type program struct {
	*testing.T
	rng  *rand.Rand
	db   API
	seed uint64
}

func (p program) run() {
	table := runID + "-pair"
	store := New(p.db, table)
	l := merged()
	l.Key = fmt.Sprintf("shardId-%012d", p.seed)
	l.ShardID = l.Key
	if err := store.Create(p.Context(), l); err != nil {
		p.Fatalf("seed %d: %v", p.seed, err)
	}
	workers := []string{"go-1", "go-2", "go-3", "java-1"}
	pick := func() string { return workers[p.rng.IntN(len(workers))] }
	past := []lease.Lease{l}
	for step := range 60 {
		row, exists, err := store.read(p.Context(), l.Key)
		if err != nil || !exists {
			p.Fatalf("seed %d, step %d: the row exists %t, %v", p.seed, step, exists, err)
		}
		past = append(past, row)
		seen := row
		if p.rng.IntN(4) == 0 {
			seen = past[p.rng.IntN(len(past))] // somebody who looked earlier
		}
		if p.rng.IntN(6) == 0 {
			seen.Owner = pick() // or who is not the owner
		}
		var change lease.Change
		var got lease.Lease
		op := ""
		switch p.rng.IntN(7) {
		case 0:
			owner := pick()
			op, change = "take by "+owner, lease.Taking(row, owner)
			got, err = store.Take(p.Context(), row, owner)
		case 1:
			successor := pick()
			op, change = "request by "+successor, lease.Requesting(seen, successor)
			if p.foreign(store.table, l.Key) && row.Owner == seen.Owner && row.Owner != "" && row.Successor == "" {
				op, change = op+", at once", lease.Taking(row, successor)
			}
			got, err = store.Request(p.Context(), seen, successor)
		case 2:
			op, change = "renew", lease.Renewing(seen)
			got, err = store.Renew(p.Context(), seen)
		case 3:
			done := kinetrail.At("4963"+fmt.Sprintf("%052d", step+1), p.rng.IntN(3))
			op, change = "checkpoint", lease.Checkpointing(seen, done)
			got, err = store.Checkpoint(p.Context(), seen, done)
		case 4:
			op, change = "release", lease.Releasing(seen)
			got, err = store.Release(p.Context(), seen)
		case 5:
			p.kcl(store.table, row, ", leaseOwner = :owner", values{":owner": text("java-1")}) // takeLease
			continue
		case 6:
			p.kcl(store.table, row, " REMOVE leaseOwner", nil) // evictLease
			continue
		}
		want, wantErr := change(row, true)
		if (err == nil) != (wantErr == nil) || err != nil && !errors.Is(err, lease.ErrConflict) {
			p.Fatalf("seed %d, step %d: %s of %+v on %+v: %v; want %v", p.seed, step, op, seen, row, err, wantErr)
		}
		if err == nil && !equalRows(newItem(got), newItem(want)) || err == nil && (got.Owner != want.Owner || got.Successor != want.Successor || got.Counter != want.Counter || got.Switches != want.Switches) {
			p.Fatalf("seed %d, step %d: %s of %+v on %+v\n got %+v\nwant %+v", p.seed, step, op, seen, row, got, want)
		}
	}
}

// foreign reports whether a KCL worker holds the row.
func (p program) foreign(table, key string) bool {
	out, err := p.db.GetItem(p.Context(), &dynamodb.GetItemInput{TableName: &table, Key: itemKey(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		p.Fatal(err)
	}
	r := reader{row: out.Item}
	return r.text("leaseOwner") != r.text("kinetrailOwner")
}

// kcl is a write of a KCL worker.
func (p program) kcl(table string, row lease.Lease, expression string, with values) {
	if err := kclWrite(p.Context(), p.db, table, row.Key, row.Counter, expression, with); err != nil {
		p.Fatalf("seed %d: the KCL worker: %v", p.seed, err)
	}
}

func TestTheFakeListsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	for name, db := range servers(t) {
		table := difference(t, db)
		row := newItem(merged())
		if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
			t.Fatal(err)
		}
		out, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
		if err != nil || len(out.Items) != 1 || !equalRows(out.Items[0], row) {
			t.Errorf("%s: Scan = %v, %v; want %v", name, out, err, slices.Sorted(maps.Keys(row)))
		}
	}
}
