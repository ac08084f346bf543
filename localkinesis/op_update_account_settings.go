package localkinesis

type updateAccountSettingsInput struct {
	MinimumThroughputBillingCommitment *billingCommitmentInput `shape:"Structure,required"`
}

type billingCommitmentInput struct {
	Status *string `shape:"BillingStatus,required"`
}

var updateAccountSettings = define("UpdateAccountSettings", func(c *call, in *updateAccountSettingsInput) (any, error) {
	enable := *in.MinimumThroughputBillingCommitment.Status == "ENABLED"
	return c.accountSettings(c.region.Commit(enable)), nil
})
