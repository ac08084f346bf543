package localkinesis

import (
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/state"
)

type describeAccountSettingsInput struct{}

type accountSettingsOutput struct {
	MinimumThroughputBillingCommitment billingCommitment
}

type billingCommitment struct {
	Status               string
	StartedAt            *time.Time
	EndedAt              *time.Time
	EarliestAllowedEndAt *time.Time
}

var describeAccountSettings = define("DescribeAccountSettings", func(c *call, _ *describeAccountSettingsInput) (any, error) {
	return c.accountSettings(c.region.Commitment()), nil
})

func (c *call) accountSettings(commitment state.Commitment) *accountSettingsOutput {
	b := billingCommitment{Status: "DISABLED"}
	if !commitment.Started.IsZero() {
		earliest := commitment.EarliestEnd()
		b.StartedAt, b.EarliestAllowedEndAt = &commitment.Started, &earliest
	}
	switch enabled := commitment.Enabled(c.At); {
	case enabled && commitment.Ended.IsZero():
		b.Status = "ENABLED"
	case enabled:
		b.Status = "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
	case !commitment.Ended.IsZero():
		b.EndedAt = &commitment.Ended
	}
	return &accountSettingsOutput{MinimumThroughputBillingCommitment: b}
}
