package state

import "time"

// Commitment is an account's commitment to be billed for a minimum throughput
// in a region, which on-demand streams need for warm throughput.
type Commitment struct {
	Started time.Time // zero: never
	Ended   time.Time // zero: not yet; may lie ahead
}

// leastCommitment is how long a commitment lasts at least.
const leastCommitment = 24 * time.Hour

// maxWarmMiBps is the most an on-demand stream can be made ready for
// (UpdateStreamWarmThroughput, 10 GiB/s).
const maxWarmMiBps = 10 << 10

// Enabled reports whether the commitment holds.
func (c Commitment) Enabled(now time.Time) bool {
	return !c.Started.IsZero() && (c.Ended.IsZero() || now.Before(c.Ended))
}

// EarliestEnd is when it can end.
func (c Commitment) EarliestEnd() time.Time { return c.Started.Add(leastCommitment) }

// Commitment is the region's commitment.
func (r *Region) Commitment() Commitment {
	r.committed.Lock()
	defer r.committed.Unlock()
	return r.billing
}

// Commit begins a commitment, or ends it as soon as it can.
func (r *Region) Commit(enable bool) (Commitment, error) {
	now := r.account.Clock.Now().Truncate(time.Second)
	r.committed.Lock()
	defer r.committed.Unlock()
	switch held := r.billing.Enabled(now); {
	case enable && held:
		r.billing.Ended = time.Time{}
	case enable:
		r.billing = Commitment{Started: now}
	case held && r.billing.Ended.IsZero():
		r.billing.Ended = now
		if earliest := r.billing.EarliestEnd(); earliest.After(now) {
			r.billing.Ended = earliest
		}
	}
	return r.billing, r.save()
}

// allowWarmThroughput refuses a warm throughput a stream cannot have.
func (r *Region) allowWarmThroughput(stream string, onDemand bool, warmMiBps int) error {
	switch {
	case warmMiBps == 0:
		return nil
	case !onDemand:
		return refuse(Validation, "WarmThroughputMiBps can only be specified for stream %s when its StreamMode is ON_DEMAND.", stream)
	case !r.Commitment().Enabled(r.account.Clock.Now()):
		return refuse(Validation, "WarmThroughputMiBps for stream %s under account %s requires MinimumThroughputBillingCommitment to be enabled.", stream, r.account.ID)
	case warmMiBps > maxWarmMiBps:
		return refuse(LimitExceeded, "WarmThroughputMiBps %d for stream %s under account %s exceeds the limit of %d.", warmMiBps, stream, r.account.ID, maxWarmMiBps)
	}
	return nil
}
