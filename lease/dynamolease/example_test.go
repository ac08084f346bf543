package dynamolease_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/kinetrail/kinetrail/lease/dynamolease"
)

// The leases of the KCL application orders-app. The example is not run, because
// it needs DynamoDB.
func ExampleNew() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := dynamolease.New(dynamodb.NewFromConfig(cfg), "orders-app")
	leases, err := store.List(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range leases {
		fmt.Println(l.ShardID, l.Owner, l.Checkpoint)
	}
}
