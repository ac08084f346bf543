package localkinesis

import (
	"encoding/json"

	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type putResourcePolicyInput struct {
	resourceRef
	Policy *string `shape:"Policy,required"`
}

var putResourcePolicy = define("PutResourcePolicy", func(c *call, in *putResourcePolicyInput) (any, error) {
	r, err := c.resource(in.resourceRef)
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if json.Unmarshal([]byte(*in.Policy), &document) != nil || document == nil {
		return nil, wire.Refuse(state.InvalidArgument, "The policy of %s is no JSON document.", *in.ResourceARN)
	}
	return nil, r.SetPolicy(*in.Policy)
})
