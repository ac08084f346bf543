package state

import "time"

// Allowance is what may be spent in a second. It fills up evenly, to one
// second's worth. Its zero value allows nothing.
type Allowance struct {
	perSecond float64
	left      float64 // below zero after something large was spent
	at        int64   // when left was true, in Unix milliseconds
}

// NewAllowance is a full allowance.
func NewAllowance(perSecond float64) Allowance {
	return Allowance{perSecond: perSecond, left: perSecond}
}

func (a *Allowance) fill(now int64) {
	// A clock that was moved back gives and takes nothing.
	if passed := now - a.at; passed > 0 {
		a.left = min(a.perSecond, a.left+a.perSecond*float64(passed)/1000)
	}
	a.at = now
}

// covers reports whether n can be spent. What exceeds a second's worth can be
// when nothing else was: the debt is paid off by the time that follows.
func (a *Allowance) covers(now int64, n float64) bool {
	a.fill(now)
	return a.left >= min(n, a.perSecond)
}

// Spend takes n, if there is enough.
func (a *Allowance) Spend(now time.Time, n float64) bool {
	ok := a.covers(now.UnixMilli(), n)
	if ok {
		a.left -= n
	}
	return ok
}

// Full reports whether nothing is spent that time has not given back.
func (a *Allowance) Full(now time.Time) bool { return a.covers(now.UnixMilli(), a.perSecond) }

// Owe takes n, whether there is enough or not, and returns how long it takes
// until what was spent is given back.
func (a *Allowance) Owe(now time.Time, n float64) time.Duration {
	a.fill(now.UnixMilli())
	a.left -= n
	return time.Duration(max(-a.left, 0) / a.perSecond * float64(time.Second))
}

// traffic is what a shard may take in and hand out in a second (developer
// guide, "Quotas and limits"). It is asked in strict accounts only.
type traffic struct {
	recordsIn, bytesIn, reads, bytesOut Allowance
}
