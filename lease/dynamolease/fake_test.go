package dynamolease

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// fake is DynamoDB in memory, as far as the store uses it. Expressions are
// evaluated for real, by expression_test.go.
type fake struct {
	pageSize int   // of Scan
	creating int   // how often DescribeTable answers CREATING for a new table
	withhold bool  // do not send the row along with a failed condition
	err      error // of every call for a table

	mu      sync.Mutex
	tables  map[string]*fakeTable
	created []*dynamodb.CreateTableInput
	calls   map[string]int
}

type fakeTable struct {
	description types.TableDescription
	creating    int
	key         string
	rows        map[string]item
}

func newFake() *fake {
	return &fake{pageSize: 100, tables: make(map[string]*fakeTable), calls: make(map[string]int)}
}

// table calls f with a table, locked.
func (f *fake) table(ctx context.Context, op string, name *string, use func(*fakeTable) error) error {
	if err := ctx.Err(); err != nil {
		return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: op, Err: &smithy.CanceledError{Err: err}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	f.calls[op]++
	if f.err != nil {
		return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: op, Err: f.err}
	}
	t := f.tables[aws.ToString(name)]
	if t == nil || t.description.TableStatus == types.TableStatusCreating && op != "DescribeTable" {
		return &types.ResourceNotFoundException{Message: aws.String("Cannot do operations on a non-existent table")}
	}
	return use(t)
}

func invalid(err error) error {
	return &smithy.GenericAPIError{Code: "ValidationException", Message: err.Error(), Fault: smithy.FaultClient}
}

func (f *fake) DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	out := &dynamodb.DescribeTableOutput{}
	err := f.table(ctx, "DescribeTable", in.TableName, func(t *fakeTable) error {
		if t.creating--; t.creating < 0 && t.description.TableStatus == types.TableStatusCreating {
			t.description.TableStatus = types.TableStatusActive
		}
		description := t.description
		out.Table = &description
		return nil
	})
	return out, err
}

func (f *fake) CreateTable(ctx context.Context, in *dynamodb.CreateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.tables[*in.TableName] != nil {
		return nil, &types.ResourceInUseException{Message: aws.String("Table already exists: " + *in.TableName)}
	}
	f.created = append(f.created, in)
	f.add(*in.TableName, *in.KeySchema[0].AttributeName).description.TableStatus = types.TableStatusCreating
	return &dynamodb.CreateTableOutput{}, nil
}

// add makes a table that is there already.
func (f *fake) add(name, key string) *fakeTable {
	t := &fakeTable{key: key, creating: f.creating, rows: make(map[string]item), description: types.TableDescription{
		TableStatus: types.TableStatusActive,
		KeySchema:   []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
	}}
	f.tables[name] = t
	return t
}

// ListTables lists two tables at a time.
func (f *fake) ListTables(_ context.Context, in *dynamodb.ListTablesInput, _ ...func(*dynamodb.Options)) (*dynamodb.ListTablesOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	out := &dynamodb.ListTablesOutput{}
	for _, name := range slices.Sorted(maps.Keys(f.tables)) {
		if name <= aws.ToString(in.ExclusiveStartTableName) {
			continue
		}
		if len(out.TableNames) == 2 {
			out.LastEvaluatedTableName = &out.TableNames[1]
			break
		}
		out.TableNames = append(out.TableNames, name)
	}
	return out, nil
}

// row returns a copy of a row, nil when there is none.
func (t *fakeTable) row(key item) (string, item) {
	k := key[t.key].(*types.AttributeValueMemberS).Value
	return k, maps.Clone(t.rows[k])
}

func (f *fake) Scan(ctx context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	out := &dynamodb.ScanOutput{}
	err := f.table(ctx, "Scan", in.TableName, func(t *fakeTable) error {
		if !aws.ToBool(in.ConsistentRead) {
			return invalid(fmt.Errorf("the fake reads consistently only"))
		}
		after := ""
		if in.ExclusiveStartKey != nil {
			after, _ = t.row(in.ExclusiveStartKey)
		}
		for _, k := range slices.Sorted(maps.Keys(t.rows)) {
			if k <= after {
				continue
			}
			if len(out.Items) == f.pageSize {
				out.LastEvaluatedKey = item{t.key: out.Items[len(out.Items)-1][t.key]}
				return nil
			}
			out.Items = append(out.Items, sent(t.rows[k]))
		}
		return nil
	})
	return out, err
}

func (f *fake) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out := &dynamodb.GetItemOutput{}
	err := f.table(ctx, "GetItem", in.TableName, func(t *fakeTable) error {
		_, row := t.row(in.Key)
		out.Item = sent(row)
		return nil
	})
	return out, err
}

func (f *fake) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	err := f.table(ctx, "PutItem", in.TableName, func(t *fakeTable) error {
		key, row := t.row(in.Item)
		used, err := f.require(in.ConditionExpression, row, in.ExpressionAttributeValues)
		if err == nil {
			err = allUsed(in.ExpressionAttributeValues, used)
		}
		if err != nil {
			return err
		}
		t.rows[key] = sent(in.Item)
		return nil
	})
	return &dynamodb.PutItemOutput{}, err
}

func (f *fake) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	out := &dynamodb.UpdateItemOutput{}
	err := f.table(ctx, "UpdateItem", in.TableName, func(t *fakeTable) error {
		key, row := t.row(in.Key)
		changed := maps.Clone(in.Key)
		if row != nil {
			changed = row
		}
		changed, used, err := updated(aws.ToString(in.UpdateExpression), changed, in.ExpressionAttributeValues)
		if err != nil {
			return invalid(err)
		}
		alsoUsed, err := f.require(in.ConditionExpression, row, in.ExpressionAttributeValues)
		maps.Copy(used, alsoUsed)
		if wasted := allUsed(in.ExpressionAttributeValues, used); wasted != nil {
			return wasted
		}
		if err != nil {
			return err
		}
		t.rows[key] = sent(changed)
		if in.ReturnValues == types.ReturnValueAllNew {
			out.Attributes = sent(changed)
		}
		return nil
	})
	return out, err
}

func (f *fake) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	err := f.table(ctx, "DeleteItem", in.TableName, func(t *fakeTable) error {
		key, row := t.row(in.Key)
		used, err := f.require(in.ConditionExpression, row, in.ExpressionAttributeValues)
		if err == nil {
			err = allUsed(in.ExpressionAttributeValues, used)
		}
		if err == nil {
			delete(t.rows, key)
		}
		return err
	})
	return &dynamodb.DeleteItemOutput{}, err
}

// require returns an error unless the condition holds, and the values it uses.
func (f *fake) require(condition *string, row item, values values) (map[string]bool, error) {
	if condition == nil {
		return nil, nil
	}
	ok, used, err := holds(*condition, row, values)
	if err != nil {
		return used, invalid(err)
	}
	if !ok {
		failed := &types.ConditionalCheckFailedException{Message: aws.String("The conditional request failed")}
		if !f.withhold {
			failed.Item = sent(row)
		}
		return used, failed
	}
	return used, nil
}

// allUsed refuses values that no expression mentions, as DynamoDB does.
func allUsed(values values, used map[string]bool) error {
	for name := range values {
		if !used[name] {
			return invalid(fmt.Errorf("the value %s is unused in expressions", name))
		}
	}
	return nil
}

// sent is a row as it comes over the network: a copy, with the sets sorted.
func sent(row item) item {
	if row == nil {
		return nil
	}
	copied := make(item, len(row))
	for name, value := range row {
		if v, ok := value.(*types.AttributeValueMemberSS); ok {
			value = &types.AttributeValueMemberSS{Value: slices.Sorted(slices.Values(v.Value))}
		}
		copied[name] = value
	}
	return copied
}
