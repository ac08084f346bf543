package endpoints

import (
	"context"
	"net/url"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// countingRules are the SDK's, and count how often they are asked.
type countingRules struct {
	kinesis.EndpointResolverV2
	asked int
}

func (r *countingRules) ResolveEndpoint(ctx context.Context, p kinesis.EndpointParameters) (smithyendpoints.Endpoint, error) {
	r.asked++
	return r.EndpointResolverV2.ResolveEndpoint(ctx, p)
}

func TestAnEndpointIsLookedForOnceForCallsThatAreAlike(t *testing.T) {
	t.Parallel()
	const orders, bills = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders", "arn:aws:kinesis:eu-west-1:123456789012:stream/bills"
	sdk := kinesis.NewDefaultEndpointResolverV2()
	rules := &countingRules{EndpointResolverV2: sdk}
	k := &knownEndpoints{rules: rules}
	params := func(change func(*kinesis.EndpointParameters)) kinesis.EndpointParameters {
		p := kinesis.EndpointParameters{Region: aws.String("eu-west-1"), OperationType: aws.String("data"), UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(false)}
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name   string
		change func(*kinesis.EndpointParameters)
		asks   bool
	}{
		{"the first call", func(*kinesis.EndpointParameters) {}, true},
		{"the same again", func(*kinesis.EndpointParameters) {}, false},
		{"a stream by its ARN", func(p *kinesis.EndpointParameters) { p.StreamARN = aws.String(orders) }, true},
		{"another stream", func(p *kinesis.EndpointParameters) { p.StreamARN = aws.String(bills) }, true},
		{"the one before", func(p *kinesis.EndpointParameters) { p.StreamARN = aws.String(orders) }, false},
		{"another operation", func(p *kinesis.EndpointParameters) { p.OperationType = aws.String("control") }, true},
		{"another region", func(p *kinesis.EndpointParameters) { p.Region = aws.String("us-east-1") }, true},
		{"no region", func(p *kinesis.EndpointParameters) { p.Region = nil }, true},
		{"no region again: an error is not kept", func(p *kinesis.EndpointParameters) { p.Region = nil }, true},
		{"an address", func(p *kinesis.EndpointParameters) { p.Endpoint = aws.String("http://localhost:4567") }, true},
		{"the address again", func(p *kinesis.EndpointParameters) { p.Endpoint = aws.String("http://localhost:4567") }, false},
	} {
		before, p := rules.asked, params(tt.change)
		got, err := k.ResolveEndpoint(t.Context(), p)
		want, wantErr := sdk.ResolveEndpoint(t.Context(), p)
		if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", tt.name, got, err, want, wantErr)
		}
		if asked := rules.asked > before; asked != tt.asks {
			t.Errorf("%s: the SDK's rules were asked: %t; want %t", tt.name, asked, tt.asks)
		}
	}
}

// elsewhere is a resolver of the caller's own.
type elsewhere struct{}

func (elsewhere) ResolveEndpoint(context.Context, kinesis.EndpointParameters) (smithyendpoints.Endpoint, error) {
	return smithyendpoints.Endpoint{URI: url.URL{Scheme: "http", Host: "elsewhere"}}, nil
}

func TestAResolverOfTheCallersOwnIsAskedEveryTime(t *testing.T) {
	t.Parallel()
	keep := Keep()
	for _, own := range []kinesis.EndpointResolverV2{elsewhere{}, nil} {
		o := kinesis.Options{EndpointResolverV2: own}
		if keep(&o); o.EndpointResolverV2 != own {
			t.Errorf("the resolver %T became %T; want it kept", own, o.EndpointResolverV2)
		}
	}
	o := kinesis.Options{EndpointResolverV2: kinesis.NewDefaultEndpointResolverV2()}
	keep(&o)
	if _, keeps := o.EndpointResolverV2.(*knownEndpoints); !keeps {
		t.Errorf("the SDK's resolver became %T; want the one that keeps its answers", o.EndpointResolverV2)
	}
}
