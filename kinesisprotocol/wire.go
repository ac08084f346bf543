package kinesisprotocol

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// Wire is the form in which PutRecords and GetRecords calls are made. All other
// calls, and calls of clients that speak any other protocol than the SDK's JSON,
// stay as they are.
type Wire uint8

const (
	// Auto is CBOR at the service's own endpoints, those below amazonaws.com and
	// api.aws, and JSON at all others. It is what the producer and the consumer
	// do unless told otherwise.
	Auto Wire = iota

	// CBOR is a quarter fewer bytes to sign and send than JSON, and no base64.
	// The service speaks it, as the AWS SDK for Java and the KCL do. Of local
	// servers some do not, and one, kinesalite, gives records that were put in
	// CBOR back wrong in JSON.
	CBOR

	// JSON is what the SDK speaks, written and read by this package.
	JSON

	// SDK leaves calls to the SDK.
	SDK
)

var wires = [...]string{Auto: "auto", CBOR: "cbor", JSON: "json", SDK: "sdk"}

// Valid reports whether w is one of the above.
func (w Wire) Valid() bool { return int(w) < len(wires) }

// String is the name of w in lower case.
func (w Wire) String() string {
	if !w.Valid() {
		return fmt.Sprintf("Wire(%d)", uint8(w))
	}
	return wires[w]
}

// With returns an option like Install for calls in the form w. With(JSON) is
// Install; with SDK and what is not Valid, the option does nothing.
//
// In CBOR the first calls find out whether the endpoint speaks it. Until one has
// succeeded, an answer that is not CBOR, or one that finds fault with the form of
// a request, ends the attempt: the call fails with ErrNotCBOR, as do those
// that were under way in CBOR and are answered alike, and all further ones of this
// option go as JSON. So who makes calls in CBOR has to be ready to make one again,
// as kinetrail's producer and consumer are.
//
// What was found out belongs to the option: make one for each endpoint and pass
// the same one to all its calls. It is safe for concurrent use.
func With(w Wire) func(*kinesis.Options) {
	if w == SDK || !w.Valid() {
		return func(*kinesis.Options) {}
	}
	dialect := new(dialect)
	return func(o *kinesis.Options) {
		sdk, ok := o.Protocol.(*awsjson.Protocol)
		if !ok {
			return
		}
		if w == CBOR || w == Auto && ofTheService(o) {
			o.Protocol = &protocol{Protocol: sdk, dialect: dialect}
		} else {
			o.Protocol = &protocol{Protocol: sdk}
		}
	}
}

// sdkResolver finds the service's endpoints.
var sdkResolver = reflect.TypeOf(kinesis.NewDefaultEndpointResolverV2())

// ofTheService reports whether calls go to an endpoint of the service, as far as
// the options tell.
func ofTheService(o *kinesis.Options) bool {
	//lint:ignore SA1019 who still sets it decides where calls go
	if o.EndpointResolver != nil || o.EndpointResolverV2 != nil && reflect.TypeOf(o.EndpointResolverV2) != sdkResolver {
		return false
	}
	if o.BaseEndpoint == nil {
		return true
	}
	endpoint, err := url.Parse(*o.BaseEndpoint)
	if err != nil {
		return false
	}
	host := "." + strings.ToLower(endpoint.Hostname())
	for _, domain := range [...]string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}
