package main

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// goSDK is the Go SDK as one of the libraries, so that what they have to show is
// tested without them.
type goSDK struct{ client *kinesis.Client }

func (g goSDK) version() string { return "aws-sdk-go-v2" }
func (g goSDK) close() error    { return nil }

func (g goSDK) has(operation string) bool {
	return reflect.ValueOf(g.client).MethodByName(operation).IsValid()
}

func (g goSDK) call(ctx context.Context, _ string, c apiCall) (apiAnswer, error) {
	method := reflect.ValueOf(g.client).MethodByName(c.Operation)
	input := reflect.New(method.Type().In(1).Elem())
	text, err := json.Marshal(c.Input)
	if err == nil {
		err = json.Unmarshal(text, input.Interface())
	}
	if err != nil {
		return apiAnswer{}, err
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(ctx), input})
	output := results[0].Interface()
	err, _ = results[1].Interface().(error)
	if subscribed, ok := output.(*kinesis.SubscribeToShardOutput); ok && err == nil {
		if c.begun != nil {
			c.begun()
		}
		output, err = eventsOf(subscribed, c.Records)
	}
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused):
		answer := apiError{Name: refused.ErrorCode(), Message: refused.ErrorMessage()}
		if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
			answer.Status = response.HTTPStatusCode()
		}
		return apiAnswer{Error: &answer}, nil
	case err != nil:
		return apiAnswer{}, err
	}
	text, err = json.Marshal(output)
	return apiAnswer{Output: text}, err
}

// eventsOf are the events until they held so many records, or to the end.
func eventsOf(subscribed *kinesis.SubscribeToShardOutput, records int) (*subscription, error) {
	stream := subscribed.GetStream()
	defer stream.Close()
	var s subscription
	for event := range stream.Events() {
		value := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		s.Events = append(s.Events, value)
		if records -= len(value.Records); records == 0 {
			return &s, nil
		}
	}
	return &s, stream.Err()
}

func noRetries(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }
