package localkinesis

import (
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

type getResourcePolicyInput struct {
	resourceRef
}

type getResourcePolicyOutput struct {
	Policy string
}

var getResourcePolicy = define("GetResourcePolicy", func(c *call, in *getResourcePolicyInput) (any, error) {
	r, err := c.resource(in.resourceRef)
	if err != nil {
		return nil, err
	}
	policy := r.Policy()
	if policy == "" {
		return nil, noPolicy(*in.ResourceARN)
	}
	return &getResourcePolicyOutput{Policy: policy}, nil
})

func noPolicy(arn string) error {
	return wire.Refuse(state.ResourceNotFound, "No resource policy found for resource ARN %s", arn)
}
