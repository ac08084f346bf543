package localkinesis

import (
	"fmt"
	"net/http"
	"time"

	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/localkinesis/state"
	"github.com/kinetrail/kinetrail/localkinesis/wire"
)

// aim is what a call is about, for the rules of faults and the limits of a
// strict server.
type aim struct {
	stream   string
	shards   []string
	consumer string // ARN
}

// String is what a call is about, in messages.
func (a aim) String() string {
	switch {
	case a.stream == "":
		return "operation"
	case len(a.shards) == 0:
		return "stream " + a.stream
	}
	return "shard " + a.shards[0] + " in stream " + a.stream
}

// aimed is an input that knows what it is about.
type aimed interface{ aim(c *call) aim }

func (ref *streamRef) aim(*call) aim {
	switch {
	case ref.StreamName != nil:
		return aim{stream: *ref.StreamName}
	case ref.StreamARN != nil:
		return aim{stream: streamNameIn(*ref.StreamARN)}
	}
	return aim{}
}

// perform runs an operation whose input is valid, with what the limits of a
// strict server and the rules of faults do to it.
func (c *call) perform(in any, run func() (any, error)) (any, error) {
	faults := &c.server.faults
	if !faults.Armed() && !c.server.options.Strict {
		return run()
	}
	var target aim
	if a, ok := in.(aimed); ok {
		target = a.aim(c)
	}
	if c.server.options.Strict && !c.server.rates.allow(c, target) {
		return nil, wire.Refuse(state.LimitExceeded, "Rate exceeded for %s under account %s.", target, c.server.options.Account)
	}
	c.effects = faults.Meet(fault.Call{Operation: c.Operation, Stream: target.stream, Shards: target.shards})
	if err := c.wait(); err != nil {
		return nil, err
	}
	if c.effects.Drop == fault.DropBefore {
		panic(http.ErrAbortHandler)
	}
	if c.effects.Error != "" {
		return nil, c.faultError(target)
	}
	out, err := run()
	if c.effects.Drop == fault.DropAfter {
		panic(http.ErrAbortHandler)
	}
	return out, err
}

// wait lets the time of the effects pass.
func (c *call) wait() error {
	if c.effects.Clock != 0 {
		c.server.clock.Advance(c.effects.Clock)
	}
	if c.effects.Delay > 0 {
		if err := c.delay(); err != nil {
			return err
		}
	}
	c.At = c.server.clock.Now()
	return nil
}

// delay holds the call back.
func (c *call) delay() error {
	c.delayed = true
	c.setWriteDeadline(time.Time{})
	alarm := c.server.clock.Alarm(c.effects.Delay)
	defer alarm.Stop()
	select {
	case <-alarm.C:
		return nil
	case <-c.request.Context().Done():
		return fmt.Errorf("wait for a delay: %w", c.request.Context().Err())
	}
}

// faultError is the error a rule asks for.
func (c *call) faultError(target aim) error {
	e := &wire.Error{Status: http.StatusBadRequest, Code: c.effects.Error, Message: c.effects.Message}
	switch e.Code {
	case "InternalFailure", "InternalFailureException":
		e.Status = http.StatusInternalServerError
	case "ServiceUnavailable", "ServiceUnavailableException":
		e.Status = http.StatusServiceUnavailable
	}
	if e.Message == "" {
		e.Message = c.usualMessage(e.Code, target)
	}
	return e
}

// usualMessage is what the service says with an error.
func (c *call) usualMessage(code string, target aim) string {
	switch code {
	case state.ProvisionedThroughputExceeded, state.LimitExceeded:
		return fmt.Sprintf("Rate exceeded for %s under account %s.", target, c.server.options.Account)
	case state.ExpiredIterator:
		return "Iterator expired: a fault rule says so."
	case "InternalFailure":
		return "Internal service failure."
	}
	return code + " by a fault rule."
}
