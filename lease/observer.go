package lease

import "time"

// Observer judges which leases nobody renews any more, by the monotonic clock
// of one worker: a lease has expired when its owner and counter stood still for
// longer than the lease duration while the worker was looking. A lease seen for
// the first time counts as just renewed.
//
// The caller passes the time, which must come from time.Now so that it carries
// a monotonic reading. An Observer is not safe for concurrent use.
type Observer struct {
	duration time.Duration
	seen     map[string]sighting
	spare    map[string]sighting // the one before seen, to be used again
}

// sighting is the state of a row since a moment.
type sighting struct {
	owner   string
	counter int64
	since   time.Time
}

// NewObserver makes an Observer for a group whose leases expire after duration.
func NewObserver(duration time.Duration) *Observer {
	return &Observer{duration: duration, seen: make(map[string]sighting), spare: make(map[string]sighting)}
}

// Observe notes what a List that was called at now returned. Rows that are no
// longer in it are forgotten.
func (o *Observer) Observe(leases []Lease, now time.Time) {
	present := o.spare
	clear(present)
	for i := range leases {
		l := &leases[i]
		s, ok := o.seen[l.Key]
		if !ok || s.owner != l.Owner || s.counter != l.Counter {
			s = sighting{owner: l.Owner, counter: l.Counter, since: now}
		}
		present[l.Key] = s
	}
	o.seen, o.spare = present, o.seen
}

// Available reports whether a worker may take l at now without asking: it is
// free, or its owner has let it expire.
func (o *Observer) Available(l Lease, now time.Time) bool {
	return l.Owner == "" || o.Still(l, now) > o.duration
}

// NextExpiry is when the next of the leases of others than me will have expired,
// if it is not written to until then, as far as they were observed: a worker that
// looks just after it loses no time. It is zero when there is none.
func (o *Observer) NextExpiry(me string, now time.Time) time.Time {
	var next time.Time
	for _, s := range o.seen {
		expiry := s.since.Add(o.duration)
		if s.owner != "" && s.owner != me && !expiry.Before(now) && (next.IsZero() || expiry.Before(next)) {
			next = expiry
		}
	}
	return next
}

// Still is for how long the owner and counter of l have not changed at now, as
// far as they were observed.
func (o *Observer) Still(l Lease, now time.Time) time.Duration {
	s, ok := o.seen[l.Key]
	if !ok || s.owner != l.Owner || s.counter != l.Counter {
		return 0
	}
	return now.Sub(s.since)
}
