package producer

import (
	"context"

	_ "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	_ "github.com/kinetrail/kinetrail/consumer"
	_ "github.com/kinetrail/kinetrail/localkinesis"
	_ "github.com/kinetrail/kinetrail/shardmap"
	_ "go.opentelemetry.io/otel/sdk/trace"
	_ "go.opentelemetry.io/otel/trace"
)

func Put(context.Context) {}
