package dynamolease

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

func TestTheFirstUseCreatesTheTableAndWaitsForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFake()
		db.creating = 7
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				if leases, err := New(db, "orders-app").List(t.Context()); err != nil || len(leases) != 0 {
					t.Errorf("List = %v, %v; want no leases and no error", leases, err)
				}
			})
		}
		workers.Wait()
		if len(db.created) != 1 {
			t.Fatalf("%d tables were created; want 1", len(db.created))
		}
		table := db.created[0]
		if *table.TableName != "orders-app" || table.BillingMode != types.BillingModePayPerRequest ||
			len(table.KeySchema) != 1 || *table.KeySchema[0].AttributeName != "leaseKey" || table.AttributeDefinitions[0].AttributeType != types.ScalarAttributeTypeS {
			t.Errorf("created %+v; want table orders-app with on-demand capacity and the string leaseKey as its key", table)
		}
	})
}

func TestWaitingForTheTableEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newFake()
		db.creating = 1 << 30
		store := New(db, "orders-app")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// A second call waits for the first, no longer than its own context lasts.
		var second sync.WaitGroup
		second.Go(func() {
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := store.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the second List: %v; want context.DeadlineExceeded", err)
			}
		})
		if err := store.Create(ctx, merged()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Create while the table is being created: %v; want context.DeadlineExceeded", err)
		}
		second.Wait()
	})
}

func TestATableForSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	db := newFake()
	db.add("orders-app", "id")
	if _, err := New(db, "orders-app").List(t.Context()); err == nil || !strings.Contains(err.Error(), "no lease table") {
		t.Errorf("List of a table whose key is id: %v; want an error that says it is no lease table", err)
	}
	db.add("archived", "leaseKey").description.TableStatus = types.TableStatusArchived
	if _, err := New(db, "archived").List(t.Context()); err == nil || !strings.Contains(err.Error(), "ARCHIVED") {
		t.Errorf("List of an archived table: %v; want an error that names its state", err)
	}
}

func TestTheTableCanHaveAnotherNameThanTheGroup(t *testing.T) {
	t.Parallel()
	db := newFake()
	db.add("leases-of-orders", "leaseKey")
	store := New(db, "orders-app", func(o *Options) { o.Table = "leases-of-orders" })
	if err := store.Create(t.Context(), merged()); err != nil || len(db.tables["leases-of-orders"].rows) != 1 {
		t.Errorf("Create: %v, the table has %d rows; want no error and 1", err, len(db.tables["leases-of-orders"].rows))
	}
	if got := store.Group(); got != "orders-app" {
		t.Errorf("Group() = %q; want orders-app", got)
	}
}

// kcl3 is a database in which a KCL 3 fleet has worked.
func kcl3(index bool, inTable, ownTable item) *fake {
	db := newFake()
	table := db.add("orders-app", "leaseKey")
	if index {
		table.description.GlobalSecondaryIndexes = []types.GlobalSecondaryIndexDescription{{IndexName: aws.String("LeaseOwnerToLeaseKeyIndex")}}
	}
	if inTable != nil {
		row := item{"leaseKey": text("Migration3.0"), "entityType": text("CLIENT_VERSION_MIGRATION")}
		row["cv"] = inTable["cv"]
		table.rows["Migration3.0"] = row
		table.rows["Leader"] = item{"leaseKey": text("Leader"), "entityType": text("LEADER"), "ownerName": text("java-1")}
	}
	if ownTable != nil {
		state := db.add("orders-app-CoordinatorState", "key")
		if cv, ok := ownTable["cv"]; ok {
			state.rows["Migration3.0"] = item{"key": text("Migration3.0"), "cv": cv, "mb": text("java-1"), "mts": number(1_700_000_000_000)}
		}
		state.rows["Leader"] = item{"key": text("Leader"), "ownerName": text("java-1")}
	}
	return db
}

func TestAFleetInNativeKCL3ModeIsRefused(t *testing.T) {
	t.Parallel()
	cv := func(version string) item { return item{"cv": text(version)} }
	for _, tt := range []struct {
		name    string
		db      *fake
		refused bool
	}{
		{"no trace of KCL 3", kcl3(false, nil, nil), false},
		{"a state table without the index", kcl3(false, nil, cv("CLIENT_VERSION_UPGRADE_FROM_2X")), false},
		{"the index alone", kcl3(true, nil, nil), true},
		{"a leader alone", kcl3(true, nil, item{}), true},
		{"3.0 to 3.4, native", kcl3(true, nil, cv("CLIENT_VERSION_3X")), true},
		{"3.0 to 3.4, native with a way back", kcl3(true, nil, cv("CLIENT_VERSION_3X_WITH_ROLLBACK")), true},
		{"3.0 to 3.4, upgrading", kcl3(true, nil, cv("CLIENT_VERSION_UPGRADE_FROM_2X")), false},
		{"3.0 to 3.4, rolled back", kcl3(true, nil, cv("CLIENT_VERSION_2X")), false},
		{"3.5, native", kcl3(true, cv("CLIENT_VERSION_3X"), nil), true},
		{"3.5, native, its index not yet made", kcl3(false, cv("CLIENT_VERSION_3X"), nil), true},
		{"3.5, upgrading", kcl3(true, cv("CLIENT_VERSION_UPGRADE_FROM_2X"), nil), false},
		{"3.5, its migration not begun", kcl3(true, cv("CLIENT_VERSION_INIT"), nil), false},
		{"a version of the future", kcl3(true, cv("CLIENT_VERSION_4X"), nil), true},
		{"two places, one of them native", kcl3(true, cv("CLIENT_VERSION_2X"), cv("CLIENT_VERSION_3X")), true},
	} {
		store := New(tt.db, "orders-app")
		leases, err := store.List(t.Context())
		if errors.Is(err, ErrKCL3) != tt.refused || !tt.refused && err != nil {
			t.Errorf("%s: List = %v; want refused %t", tt.name, err, tt.refused)
		}
		if len(leases) != 0 {
			t.Errorf("%s: List returned %+v; want rows that are no leases left out", tt.name, leases)
		}
		if err := store.Create(t.Context(), merged()); errors.Is(err, ErrKCL3) != (tt.refused && tt.db.tables["orders-app"].description.GlobalSecondaryIndexes != nil) {
			t.Errorf("%s: Create = %v; want refused %t", tt.name, err, tt.refused)
		}
	}
}

func TestAFleetThatGoesOnToNativeKCL3ModeIsLeftWithinAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := kcl3(true, nil, item{"cv": text("CLIENT_VERSION_UPGRADE_FROM_2X")})
		store := New(db, "orders-app")
		if err := store.Create(t.Context(), merged()); err != nil {
			t.Fatal(err)
		}
		leases, err := store.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held, err := store.Take(t.Context(), leases[0], "go-1")
		if err != nil {
			t.Fatal(err)
		}
		db.tables["orders-app-CoordinatorState"].rows["Migration3.0"]["cv"] = text("CLIENT_VERSION_3X_WITH_ROLLBACK")
		time.Sleep(inspectEvery)
		if _, err := store.List(t.Context()); !errors.Is(err, ErrKCL3) {
			t.Errorf("List a minute later: %v; want ErrKCL3", err)
		}
		if _, err := store.Renew(t.Context(), held); !errors.Is(err, ErrKCL3) || errors.Is(err, lease.ErrConflict) {
			t.Errorf("Renew afterwards: %v; want ErrKCL3", err)
		}
		db.tables["orders-app-CoordinatorState"].rows["Migration3.0"]["cv"] = text("CLIENT_VERSION_2X")
		if _, err := store.Renew(t.Context(), held); err != nil {
			t.Errorf("Renew after the fleet was rolled back: %v; want no error", err)
		}
	})
}

func TestAStateThatCannotBeReadIsNoLeaveToGoOn(t *testing.T) {
	t.Parallel()
	db := kcl3(true, nil, nil)
	denied := errors.New("AccessDeniedException")
	if _, err := New(denying{db, denied}, "orders-app").List(t.Context()); !errors.Is(err, denied) {
		t.Errorf("List where GetItem is denied: %v; want that error", err)
	}
}

// denying answers every GetItem with an error.
type denying struct {
	*fake
	err error
}

func (d denying) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return nil, d.err
}

func TestTheDocsRepeatWhyAFleetIsRefused(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kcl-compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(strings.ReplaceAll(string(page), "\n> ", " ")), " ")
	if !strings.Contains(words, ErrKCL3.Error()) {
		t.Errorf("docs/kcl-compatibility.md does not hold the sentence %q", ErrKCL3)
	}
}

// retrying is an SDK whose first attempt of every write takes effect while its
// reply is lost; the second is what the caller sees.
type retrying struct{ *fake }

func (r retrying) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	_, _ = r.fake.UpdateItem(ctx, in, opts...)
	return r.fake.UpdateItem(ctx, in, opts...)
}

func TestRepliesThatWereLostInsideTheSDKAreNoLostLease(t *testing.T) {
	t.Parallel()
	for _, withhold := range []bool{false, true} {
		db := newFake()
		db.withhold = withhold // as servers do that know nothing of ReturnValuesOnConditionCheckFailure
		store := New(retrying{db}, "orders-app")
		if err := store.Create(t.Context(), merged()); err != nil {
			t.Fatal(err)
		}
		leases, err := store.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held, err := lease.Take(t.Context(), store, leases[0], "go-1", time.Hour)
		if err != nil {
			t.Fatalf("row withheld %t: Take: %v; want the lease held", withhold, err)
		}
		// Each write below happens twice; what it says is seen in the row.
		done := kinetrail.At(firstSequence, 2)
		if err := held.Checkpoint(t.Context(), done); err != nil {
			t.Errorf("row withheld %t: Checkpoint: %v; want no error", withhold, err)
		}
		if got := held.Lease().Checkpoint; got != done {
			t.Errorf("row withheld %t: the checkpoint is %v; want %v", withhold, got, done)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Errorf("row withheld %t: Release: %v; want no error", withhold, err)
		}
		leases, err = store.List(t.Context())
		if err != nil || leases[0].Owner != "" || leases[0].Checkpoint != done {
			t.Errorf("row withheld %t: List = %+v, %v; want a free lease at %v", withhold, leases, err, done)
		}
	}
}

func TestAListingAsksForEveryPage(t *testing.T) {
	t.Parallel()
	db := newFake()
	db.pageSize = 1
	store := New(db, "orders-app")
	for _, key := range []string{"shardId-000000000000", "shardId-000000000001", "shardId-000000000002"} {
		if err := store.Create(t.Context(), lease.Lease{Key: key, ShardID: key, Checkpoint: kinetrail.Latest()}); err != nil {
			t.Fatal(err)
		}
	}
	leases, err := store.List(t.Context())
	if err != nil || len(leases) != 3 || db.calls["Scan"] < 3 {
		t.Errorf("List = %d leases, %v after %d calls; want 3 leases of 3 pages", len(leases), err, db.calls["Scan"])
	}
}
