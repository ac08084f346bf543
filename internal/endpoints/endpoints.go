package endpoints

import (
	"context"
	"reflect"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// knownEndpoints are the endpoints of calls like those before. The SDK goes
// through all of its rules for every call, and for the calls of one stream they
// always say the same.
type knownEndpoints struct {
	rules kinesis.EndpointResolverV2
	known sync.Map // *knownEndpoint by the stream's ARN, empty when it is not given
}

type knownEndpoint struct {
	of       kinesis.EndpointParameters
	endpoint smithyendpoints.Endpoint // to be read only
}

// Keep is an option that makes calls use endpoints that are known. A resolver that is not
// the SDK's own stays: it may answer differently from one call to the next.
func Keep() func(*kinesis.Options) {
	rules := kinesis.NewDefaultEndpointResolverV2()
	sdk, known := reflect.TypeOf(rules), &knownEndpoints{rules: rules}
	return func(o *kinesis.Options) {
		if reflect.TypeOf(o.EndpointResolverV2) == sdk {
			o.EndpointResolverV2 = known
		}
	}
}

// ResolveEndpoint is the SDK's, or its answer to the same parameters.
func (k *knownEndpoints) ResolveEndpoint(ctx context.Context, params kinesis.EndpointParameters) (smithyendpoints.Endpoint, error) {
	stream := aws.ToString(params.StreamARN)
	if last, ok := k.known.Load(stream); ok {
		if last := last.(*knownEndpoint); reflect.DeepEqual(last.of, params) {
			return last.endpoint, nil
		}
	}
	endpoint, err := k.rules.ResolveEndpoint(ctx, params)
	if err == nil {
		k.known.Store(stream, &knownEndpoint{of: params, endpoint: endpoint})
	}
	return endpoint, err
}
