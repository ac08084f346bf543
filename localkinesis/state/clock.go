package state

import (
	"sync"
	"time"
)

// Clock is the time of a server. It runs with the machine's until it is set,
// advanced or frozen. Its zero value runs and is ready to use.
type Clock struct {
	mu     sync.Mutex
	offset time.Duration // of the machine's clock, while running
	frozen bool
	at     time.Time // while frozen
	alarms map[*Alarm]struct{}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if c.frozen {
		return c.at
	}
	return time.Now().Add(c.offset)
}

// Set moves the clock to t, forwards or backwards. It goes on running, or
// standing still, from there.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(t)
}

func (c *Clock) set(t time.Time) {
	c.at = t
	c.offset = time.Until(t)
	c.rearm()
}

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(c.now().Add(d))
}

// Freeze stops the clock where it is.
func (c *Clock) Freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.frozen = c.now(), true
	c.rearm()
}

// Run lets a frozen clock run on from where it stands.
func (c *Clock) Run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.frozen {
		c.frozen = false
		c.offset = time.Until(c.at)
		c.rearm()
	}
}

// Alarm is closed once when its clock reaches a time.
type Alarm struct {
	C <-chan struct{} // closed when the alarm goes off

	clock *Clock
	at    time.Time
	ring  chan struct{}
	timer *time.Timer // nil while the clock is frozen
}

// Alarm goes off once d has passed on the clock. Stop it when it is no longer
// needed.
func (c *Clock) Alarm(d time.Duration) *Alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	ring := make(chan struct{})
	a := &Alarm{C: ring, clock: c, at: c.now().Add(d), ring: ring}
	if c.alarms == nil {
		c.alarms = make(map[*Alarm]struct{})
	}
	c.alarms[a] = struct{}{}
	c.arm(a)
	return a
}

// Stop forgets the alarm. It may have gone off already.
func (a *Alarm) Stop() {
	a.clock.mu.Lock()
	defer a.clock.mu.Unlock()
	a.clock.forget(a)
}

// rearm looks at every alarm anew after the clock was moved.
func (c *Clock) rearm() {
	for a := range c.alarms {
		c.arm(a)
	}
}

// arm lets a due alarm go off and gives the others a timer of the machine's
// when the clock runs.
func (c *Clock) arm(a *Alarm) {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	wait := a.at.Sub(c.now())
	switch {
	case wait <= 0:
		c.forget(a)
		close(a.ring)
	case !c.frozen:
		a.timer = time.AfterFunc(wait, a.check)
	}
}

// check is called by the alarm's timer. The clock may have been moved since
// the timer was set.
func (a *Alarm) check() {
	a.clock.mu.Lock()
	defer a.clock.mu.Unlock()
	if _, waiting := a.clock.alarms[a]; waiting {
		a.clock.arm(a)
	}
}

func (c *Clock) forget(a *Alarm) {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	delete(c.alarms, a)
}
