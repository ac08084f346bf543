package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/dynamolease"
)

// dynamoStore is the DynamoDB of an account in a region. Each group has a table
// of its name, or one group has the table named.
type dynamoStore struct {
	text   string
	table  string // empty for a table for each group
	client *dynamodb.Client
}

// parseDynamoStore reads [TABLE][?region=REGION][&endpoint=URL].
func parseDynamoStore(rest string) (reachStore, error) {
	table, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("behind the ? stand region=REGION and endpoint=URL, joined by &")
	}
	var endpoint endpointURL
	for name := range values {
		switch name {
		case "region":
		case "endpoint":
			if err := endpoint.Set(values.Get(name)); err != nil {
				return nil, fmt.Errorf("endpoint: %w", err)
			}
		default:
			return nil, fmt.Errorf("there is no %q, only region and endpoint", name)
		}
	}
	if table != "" && checkGroup(table) != nil {
		return nil, fmt.Errorf("%s is no name of a table", abbreviate(table))
	}
	return func(ctx context.Context, a *app) (groupStore, error) {
		cfg, err := a.connection.dynamoConfig(ctx, values.Get("region"), endpoint)
		if err != nil {
			return nil, err
		}
		return &dynamoStore{text: "dynamodb:" + rest, table: table, client: dynamodb.NewFromConfig(cfg)}, nil
	}, nil
}

// dynamoConfig is the AWS configuration for DynamoDB: --endpoint-url and --local
// are about Kinesis. Only where --local stands beside an endpoint it is a
// database on this machine, which takes any credentials.
func (c *connection) dynamoConfig(ctx context.Context, region string, endpoint endpointURL) (aws.Config, error) {
	own := connection{region: c.region, endpoint: endpoint}
	if region != "" {
		own.region = region
	}
	if c.local && endpoint != "" {
		own.local = true
	} else if c.local && own.region == "" {
		own.region = localRegion
	}
	cfg, err := own.awsConfig(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	if own.local {
		cfg.Credentials = credentials.NewStaticCredentialsProvider("local", "local", "")
	}
	base, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	cfg.HTTPClient = newHTTPClient(base, dialTimeout, answerTimeout)
	cfg.Retryer = newRetryer
	return cfg, nil
}

func (s *dynamoStore) String() string { return s.text }

// groups are the tables that hold leases; which group the one table named
// belongs to it does not say, so that it counts as one of its own name.
func (s *dynamoStore) groups(ctx context.Context) ([]string, error) {
	if s.table != "" {
		known, err := s.exists(ctx, s.table)
		if !known || err != nil {
			return nil, err
		}
		return []string{s.table}, nil
	}
	return dynamolease.Groups(ctx, s.client)
}

// leaseKey is the hash key of a lease table, the KCL's.
const leaseKey = "leaseKey"

func (s *dynamoStore) exists(ctx context.Context, group string) (bool, error) {
	table := s.tableOf(group)
	answer, err := s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	var gone *types.ResourceNotFoundException
	if errors.As(err, &gone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if answer.Table == nil {
		return false, errors.New("DescribeTable: the answer is empty")
	}
	for _, key := range answer.Table.KeySchema {
		if key.KeyType == types.KeyTypeHash && aws.ToString(key.AttributeName) == leaseKey {
			return true, nil
		}
	}
	return false, nil
}

func (s *dynamoStore) tableOf(group string) string {
	if s.table != "" {
		return s.table
	}
	return group
}

func (s *dynamoStore) open(_ context.Context, group string) (lease.Store, error) {
	return dynamolease.New(s.client, group, func(o *dynamolease.Options) { o.Table = s.tableOf(group) }), nil
}

func (s *dynamoStore) close() error { return nil }
