package dynamolease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// API is what the store uses of DynamoDB. A *dynamodb.Client has it.
type API interface {
	DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, opts ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	CreateTable(ctx context.Context, in *dynamodb.CreateTableInput, opts ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	Scan(ctx context.Context, in *dynamodb.ScanInput, opts ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
}

// Options tunes a Store.
type Options struct {
	// Table is the name of the lease table. The default is the name of the
	// group, as the KCL names the table after its application.
	Table string
}

// Store is a lease.Store in a DynamoDB table. It is safe for concurrent use.
type Store struct {
	api   API
	group string
	table string

	usable atomic.Bool // the table exists and no fleet in native KCL 3 mode uses it

	turn    chan struct{} // holds one token; who has it may inspect the table
	checked time.Time     // when the table was last inspected and found usable
}

// New makes the store of a group. A KCL application of this name is the same
// group. Nothing is sent before the first call, which creates the table when
// there is none and waits for it as long as its ctx allows.
//
// The credentials need these actions on the table: DescribeTable, Scan, GetItem,
// PutItem, UpdateItem and DeleteItem; CreateTable when it has to be created; and,
// where KCL 3 workers have used it, GetItem on the table named after the group
// with the suffix -CoordinatorState.
func New(api API, group string, opts ...func(*Options)) *Store {
	o := Options{Table: group}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Store{api: api, group: group, table: o.Table, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// Group is the group's name.
func (s *Store) Group() string { return s.group }

// ListInterval is 2 s, so that a lease is handed over within a renewal interval
// and a second by default. A listing reads the whole table consistently, at one
// read unit for each 4 KiB, which is about ten rows: with a thousand leases 50
// units a second and worker, where renewing takes 300 write units in the group.
func (s *Store) ListInterval() time.Duration { return 2 * time.Second }

// List returns the leases in the order of the table. Rows of the table that are
// not leases are left out.
func (s *Store) List(ctx context.Context) ([]lease.Lease, error) {
	if err := s.inspect(ctx); err != nil {
		return nil, err
	}
	var leases []lease.Lease
	pages := dynamodb.NewScanPaginator(s.api, &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list leases in table %s: %w", s.table, judge(err))
		}
		for _, item := range page.Items {
			if !isLease(item) {
				if err := s.refuseEntity(item); err != nil {
					return nil, fmt.Errorf("list leases in table %s: %w", s.table, err)
				}
				continue
			}
			l, err := parse(item)
			if err != nil {
				return nil, fmt.Errorf("list leases in table %s: %w", s.table, err)
			}
			leases = append(leases, l)
		}
	}
	return leases, nil
}

// Create adds a free lease.
func (s *Store) Create(ctx context.Context, l lease.Lease) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	_, err := s.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.table,
		Item:                                newItem(l),
		ConditionExpression:                 aws.String("attribute_not_exists(leaseKey)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return s.outcome(ctx, "create", l.Key, err)
}

// Take makes owner the owner, on the condition of the KCL: that the counter is
// as it was seen.
func (s *Store) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	u := passTo(seen, owner)
	u.op, u.condition = "take", "leaseCounter = :counter"
	return s.update(ctx, u)
}

// Request asks the owner to hand over to successor when it is a Go worker. A KCL
// worker cannot be asked: the lease is taken from it at once, as KCL workers do
// among themselves, and the row that is returned has successor as its owner.
func (s *Store) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	asked, err := s.update(ctx, update{
		op: "request", key: seen.Key,
		condition: "leaseOwner = :owner AND kinetrailOwner = :owner AND attribute_not_exists(checkpointOwner)",
		set:       []string{"leaseOwner = :successor", "kinetrailOwner = :successor", "checkpointOwner = :owner"},
		values:    values{":owner": text(seen.Owner), ":successor": text(successor)},
	})
	var conflict *lease.ConflictError
	if !errors.As(err, &conflict) || !conflict.Exists {
		return asked, err
	}
	row := conflict.Current
	if row.Owner == "" || row.Owner != seen.Owner || row.Successor != "" {
		return asked, err
	}
	u := passTo(row, successor)
	u.op, u.condition = "request", "leaseCounter = :counter AND leaseOwner = :held"
	u.values[":held"] = text(row.Owner)
	return s.update(ctx, u)
}

// Renew moves the counter.
func (s *Store) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.update(ctx, update{
		op: "renew", key: held.Key,
		condition: isHeld,
		set:       []string{"leaseCounter = :next"},
		values:    values{":counter": number(held.Counter), ":next": number(held.Counter + 1), ":held": text(held.Owner)},
	})
}

// Checkpoint moves the checkpoint forward. A checkpoint that a KCL worker has
// prepared and not completed is removed, as the KCL does.
func (s *Store) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	if done.Compare(held.Checkpoint) < 0 {
		// DynamoDB cannot compare sequence numbers. Nobody moves a checkpoint
		// without moving the counter, so that held is what stands in the row, or
		// is out of date.
		row, exists, err := s.read(ctx, held.Key)
		if err == nil {
			_, err = lease.Checkpointing(held, done)(row, exists)
		}
		if err != nil {
			return lease.Lease{}, err
		}
	}
	u := update{
		op: "checkpoint", key: held.Key,
		condition: isHeld,
		set: []string{"leaseCounter = :next", "ownerSwitchesSinceCheckpoint = :zero",
			"checkpoint = :checkpoint", "checkpointSubSequenceNumber = :sub"},
		remove: []string{"pendingCheckpoint", "pendingCheckpointSubSequenceNumber", "pendingCheckpointState"},
		values: values{":counter": number(held.Counter), ":next": number(held.Counter + 1), ":held": text(held.Owner),
			":zero": number(0), ":checkpoint": text(checkpointText(done)), ":sub": number(int64(done.Sub()))},
	}
	if _, isTime := done.Time(); isTime {
		u.set = append(u.set, "kinetrailCheckpoint = :time")
		u.values[":time"] = text(done.String())
	} else {
		u.remove = append(u.remove, "kinetrailCheckpoint")
	}
	if done.IsShardEnd() {
		if len(held.Children) > 0 {
			u.set = append(u.set, "childShardIds = :children")
			u.values[":children"] = set(held.Children)
		} else {
			u.remove = append(u.remove, "childShardIds")
		}
	}
	return s.update(ctx, u)
}

// Release hands the lease to its successor or frees it.
func (s *Store) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	released, err := s.release(ctx, held)
	var conflict *lease.ConflictError
	if !errors.As(err, &conflict) || !conflict.Exists {
		return released, err
	}
	row := conflict.Current
	if held.Owner == "" || row.Owner != held.Owner || row.Counter != held.Counter || row.Successor == held.Successor {
		return released, err
	}
	// It was asked for since the owner last saw the row. It is not asked for
	// twice, so that a second try is enough.
	return s.release(ctx, row)
}

func (s *Store) release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	u := passTo(held, held.Successor)
	u.op, u.condition = "release", "leaseCounter = :counter AND "+isUnasked
	if held.Successor != "" {
		u.condition = "leaseCounter = :counter AND checkpointOwner = :held AND leaseOwner = :owner AND kinetrailOwner = :owner"
	}
	u.values[":held"] = text(held.Owner)
	return s.update(ctx, u)
}

// Delete removes a lease.
func (s *Store) Delete(ctx context.Context, seen lease.Lease) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	_, err := s.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                           &s.table,
		Key:                                 itemKey(seen.Key),
		ConditionExpression:                 aws.String("attribute_not_exists(leaseKey) OR leaseCounter = :counter"),
		ExpressionAttributeValues:           values{":counter": number(seen.Counter)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return s.outcome(ctx, "delete", seen.Key, err)
}

// Conditions on who holds a lease. It is the worker in checkpointOwner while the
// lease is being handed over, else the one in leaseOwner. It is being handed over
// when leaseOwner is as the request wrote it: a worker of KCL 2.x that takes the
// lease meanwhile writes leaseOwner and leaves checkpointOwner behind.
const (
	isAsked   = "(checkpointOwner = :held AND leaseOwner = kinetrailOwner)"
	isUnasked = "(leaseOwner = :held AND (attribute_not_exists(checkpointOwner) OR NOT leaseOwner = kinetrailOwner))"
	isHeld    = "leaseCounter = :counter AND (" + isUnasked + " OR " + isAsked + ")"
)

type values = map[string]types.AttributeValue

// update is one conditional UpdateItem.
type update struct {
	op, key          string
	condition        string
	set, remove, add []string
	values           values
}

// passTo gives the lease as row shows it to owner, and frees it when there is
// none.
func passTo(row lease.Lease, owner string) update {
	u := update{
		key: row.Key, set: []string{"leaseCounter = :next"}, remove: []string{"checkpointOwner"},
		values: values{":counter": number(row.Counter), ":next": number(row.Counter + 1)},
	}
	if owner == "" {
		u.remove = append(u.remove, "leaseOwner", "kinetrailOwner")
		return u
	}
	u.set = append(u.set, "leaseOwner = :owner", "kinetrailOwner = :owner")
	u.values[":owner"] = text(owner)
	if row.Owner != "" && row.Owner != owner {
		u.add = []string{"ownerSwitchesSinceCheckpoint :one"}
		u.values[":one"] = number(1)
	}
	return u
}

// expression is the update in DynamoDB's language.
func (u update) expression() string {
	var clauses []string
	for _, clause := range []struct {
		word  string
		parts []string
	}{{"SET ", u.set}, {"REMOVE ", u.remove}, {"ADD ", u.add}} {
		if len(clause.parts) > 0 {
			clauses = append(clauses, clause.word+strings.Join(clause.parts, ", "))
		}
	}
	return strings.Join(clauses, " ")
}

// update changes a row and returns it as it is then.
func (s *Store) update(ctx context.Context, u update) (lease.Lease, error) {
	if err := s.ready(ctx); err != nil {
		return lease.Lease{}, err
	}
	out, err := s.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           &s.table,
		Key:                                 itemKey(u.key),
		ConditionExpression:                 &u.condition,
		UpdateExpression:                    aws.String(u.expression()),
		ExpressionAttributeValues:           u.values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return lease.Lease{}, s.outcome(ctx, u.op, u.key, err)
	}
	row, err := parse(out.Attributes)
	if err != nil {
		return lease.Lease{}, fmt.Errorf("%s lease in table %s: %w", u.op, s.table, err)
	}
	return row, nil
}

// outcome makes the error of a write one of lease.Store.
func (s *Store) outcome(ctx context.Context, op, key string, err error) error {
	var failed *types.ConditionalCheckFailedException
	if err == nil {
		return nil
	}
	if !errors.As(err, &failed) {
		return fmt.Errorf("%s lease %s in table %s: %w", op, key, s.table, judge(err))
	}
	conflict := &lease.ConflictError{Op: op, Key: key, Exists: len(failed.Item) > 0}
	if conflict.Exists {
		conflict.Current, err = parse(failed.Item)
	} else {
		// The row is gone, or it is one of the servers that do not send it along.
		conflict.Current, conflict.Exists, err = s.read(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("%s lease %s in table %s: %w", op, key, s.table, err)
	}
	return conflict
}

// read returns a row as it is.
func (s *Store) read(ctx context.Context, key string) (row lease.Lease, exists bool, err error) {
	if err := s.ready(ctx); err != nil {
		return lease.Lease{}, false, err
	}
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: itemKey(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return lease.Lease{}, false, fmt.Errorf("read lease %s in table %s: %w", key, s.table, judge(err))
	}
	if len(out.Item) == 0 {
		return lease.Lease{}, false, nil
	}
	row, err = parse(out.Item)
	return row, err == nil, err
}
