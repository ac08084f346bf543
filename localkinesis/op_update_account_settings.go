package localkinesis

type updateAccountSettingsInput struct {
	MinimumThroughputBillingCommitment *billingCommitmentInput `shape:"Structure,required"`
}

type billingCommitmentInput struct {
	Status *string `shape:"BillingStatus,required"`
}

var updateAccountSettings = define("UpdateAccountSettings", func(c *call, in *updateAccountSettingsInput) (any, error) {
	enable := *in.MinimumThroughputBillingCommitment.Status == "ENABLED"
	commitment, err := c.region.Commit(enable)
	if err != nil {
		return nil, err
	}
	return c.accountSettings(commitment), nil
})
