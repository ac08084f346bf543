package dynamolease

import (
	"crypto/rand"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
)

// realDynamoDB is the server that KINETRAIL_DYNAMODB_URL names, nil when it names
// none.
func realDynamoDB() *dynamodb.Client {
	url := os.Getenv("KINETRAIL_DYNAMODB_URL")
	if url == "" {
		return nil
	}
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &url, Region: "us-east-1",
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("local", "local", "")),
	})
}

func TestStoreKeepsEveryPromiseOfALeaseStore(t *testing.T) {
	t.Parallel()
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		db := newFake()
		leasetest.Run(t, leasetest.Harness{Open: func(_ *testing.T, group string) lease.Store { return New(db, group) }})
	})
	if client := realDynamoDB(); client != nil {
		t.Run("DynamoDB", func(t *testing.T) {
			t.Parallel()
			leasetest.Run(t, leasetest.Harness{Open: func(t *testing.T, group string) lease.Store {
				// The database outlives the run, so that names must not return.
				return New(client, group, func(o *Options) { o.Table = runID + "-" + group })
			}})
		})
	}
}

var runID = rand.Text()[:8]
