package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// row is an item of a table.
type row = map[string]types.AttributeValue

// rowsOf reads a table as it is, be its rows leases or not. A table that does not
// exist has none.
func rowsOf(ctx context.Context, tables *dynamodb.Client, table string) ([]row, error) {
	var all []row
	pages := dynamodb.NewScanPaginator(tables, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
	}
	return all, nil
}

func textOf(r row, name string) string {
	s, _ := r[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// tables are tables that workers have written, as testdata folders keep them.
type tables struct {
	MadeBy string      `json:"made_by"`
	Tables []keptTable `json:"tables"`
}

// keptTable is a table as it was at one moment.
type keptTable struct {
	Name    string           `json:"name"`
	Suffix  string           `json:"suffix,omitempty"` // of a table beside that of the leases
	Indexes []string         `json:"indexes,omitempty"`
	Rows    []map[string]any `json:"rows"` // in the JSON of the DynamoDB API
}

// keep keeps the table of the fleet, or one beside it.
func (f *fleet) keep(name, suffix string) error {
	client, table := f.database.tables(), f.group+suffix
	out, err := client.DescribeTable(f.s.ctx, &dynamodb.DescribeTableInput{TableName: &table})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	kept := keptTable{Name: name, Suffix: suffix}
	for _, index := range out.Table.GlobalSecondaryIndexes {
		kept.Indexes = append(kept.Indexes, aws.ToString(index.IndexName))
	}
	rows, err := rowsOf(f.s.ctx, client, table)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b row) int {
		return strings.Compare(textOf(a, "leaseKey")+textOf(a, "key"), textOf(b, "leaseKey")+textOf(b, "key"))
	})
	for _, r := range rows {
		kept.Rows = append(kept.Rows, rowJSON(r))
	}
	f.kept = append(f.kept, kept)
	return nil
}

// rowJSON is a row in the JSON of the DynamoDB API.
func rowJSON(r row) map[string]any {
	members := make(map[string]any)
	for name, value := range r {
		members[name] = valueJSON(value)
	}
	return members
}

func valueJSON(value types.AttributeValue) map[string]any {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": base64.StdEncoding.EncodeToString(v.Value)}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": slices.Sorted(slices.Values(v.Value))}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": rowJSON(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for i := range v.Value {
			list[i] = valueJSON(v.Value[i])
		}
		return map[string]any{"L": list}
	}
	return map[string]any{"NULL": true}
}

// goldenTables holds tables against those of a testdata folder, which the
// packages' own tests read: they have the same names and indexes, and no
// attribute that is not known there, or of another type. With --update it writes
// the file.
func (s *session) goldenTables(file string, made tables) error {
	if s.update {
		return s.golden(file, made)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; --update writes it", err)
	}
	var kept tables
	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return sameTables(made, kept)
}

func sameTables(made, kept tables) error {
	known := attributes(kept.Tables)
	for name := range attributes(made.Tables) {
		if !known[name] {
			return fmt.Errorf("the attribute %s is not known; --update writes it down", name)
		}
	}
	outline := func(t keptTable) string { return fmt.Sprint(t.Name, t.Suffix, t.Indexes) }
	if !slices.EqualFunc(made.Tables, kept.Tables, func(a, b keptTable) bool { return outline(a) == outline(b) }) {
		return errors.New("the tables have other names or indexes; --update writes them down")
	}
	return nil
}

// attributes are the names and types of all attributes.
func attributes(all []keptTable) map[string]bool {
	known := make(map[string]bool)
	for _, table := range all {
		for _, r := range table.Rows {
			for name, value := range r {
				typed, _ := value.(map[string]any)
				for kind := range typed {
					known[name+" "+kind] = true
				}
			}
		}
	}
	return known
}
