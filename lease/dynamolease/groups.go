package dynamolease

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TablesAPI is what Groups uses of DynamoDB. A *dynamodb.Client has it.
type TablesAPI interface {
	ListTables(ctx context.Context, in *dynamodb.ListTablesInput, opts ...func(*dynamodb.Options)) (*dynamodb.ListTablesOutput, error)
	DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, opts ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// Groups returns the names of the lease tables in the account and region of api,
// in the order of DynamoDB: those whose key is leaseKey, of Go and of KCL workers.
// It needs the actions ListTables and DescribeTable; each table is one call.
func Groups(ctx context.Context, api TablesAPI) ([]string, error) {
	var groups []string
	pages := dynamodb.NewListTablesPaginator(api, &dynamodb.ListTablesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for lease tables: %w", judge(err))
		}
		for _, name := range page.TableNames {
			out, err := api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
			var gone *types.ResourceNotFoundException
			if errors.As(err, &gone) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("look for lease tables: table %s: %w", name, judge(err))
			}
			if out.Table != nil && hasLeaseKey(out.Table) == nil {
				groups = append(groups, name)
			}
		}
	}
	return groups, nil
}
