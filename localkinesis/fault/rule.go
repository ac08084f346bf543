package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rule picks calls and says what happens to them. Its first six fields pick,
// the others say; at least one of those must be set. A call must pass the
// server's validation before a rule can meet it.
type Rule struct {
	// Operation is the name of one of the service's operations, such as
	// PutRecords. Empty is every operation.
	Operation string

	// Stream is the name of the stream. Empty is every stream, and calls that
	// have none.
	Stream string

	// Shard is the ID of the shard. A PutRecord has the shard its record would
	// go to, a PutRecords those of all its records. Empty is every shard, and
	// calls that have none.
	Shard string

	// Nth begins with the n-th call that fits the fields above, the first is 1.
	// Zero is as 1, but without a limit on Times.
	Nth int

	// Times is how many calls the rule strikes. Zero is one when Nth is set,
	// and every one otherwise.
	Times int

	// Probability, above 0 and at most 1, lets chance decide about each call.
	// Zero strikes always.
	Probability float64

	// Seed is where chance comes from.
	Seed uint64

	// Delay holds the call back, by the server's clock, before anything else
	// happens.
	Delay time.Duration

	// Clock moves the server's clock by so much before the call is served.
	Clock time.Duration

	// Error is the error the call is answered with, without having an effect:
	// ProvisionedThroughputExceededException, ExpiredIteratorException,
	// InternalFailure, or any other name. With Records it is the error of the
	// records.
	Error string

	// Message is the error's message. Empty is what the service would say.
	Message string

	// Records is how many records of a PutRecords call fail, while the others
	// are stored: the first ones on the rule's shard, or with a Seed ones that
	// are drawn. Their error is Error, by default
	// ProvisionedThroughputExceededException.
	Records int

	// Drop cuts the connection instead of answering.
	Drop Drop

	// Stale answers ListShards and DescribeStream as before the latest reshard.
	Stale bool

	// Cut ends the connection of a SubscribeToShard call after this many
	// events. Zero does not cut it.
	Cut int
}

// Drop is when a connection is cut.
type Drop string

const (
	// DropBefore cuts the connection before the call has an effect.
	DropBefore Drop = "before"

	// DropAfter cuts it after the effect: the client does not learn of it.
	DropAfter Drop = "after"
)

// ErrInvalidRule is wrapped by the errors of Parse and Set.Add.
var ErrInvalidRule = errors.New("invalid fault rule")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidRule, fmt.Sprintf(format, args...))
}

// check refuses a rule that cannot be meant.
func (r *Rule) check() error {
	switch {
	case r.Operation != "" && !isOperation(r.Operation):
		return invalid("%s: Kinesis has no operation %q; one is PutRecords, and * is all of them", r, r.Operation)
	case r.Nth < 0 || r.Times < 0 || r.Records < 0 || r.Cut < 0 || r.Delay < 0:
		return invalid("%s: a count or a delay is below zero", r)
	case !(r.Probability >= 0 && r.Probability <= 1): // nor is NaN
		return invalid("%s: p is %v, not between 0 and 1", r, r.Probability)
	case r.Drop != "" && r.Drop != DropBefore && r.Drop != DropAfter:
		return invalid("%s: drop is %q, not before or after", r, r.Drop)
	case r.Records > 0 && r.Operation != "PutRecords":
		return invalid("%s: records fail in PutRecords only", r)
	case r.Cut > 0 && r.Operation != "SubscribeToShard":
		return invalid("%s: only a SubscribeToShard can be cut", r)
	case r.Delay == 0 && r.Clock == 0 && r.Error == "" && r.Records == 0 && r.Drop == "" && !r.Stale && r.Cut == 0:
		return invalid("%s: it says which calls, but not what happens to them", r)
	}
	return nil
}

// Parse reads the text form: the operation, if any, then words such as nth=3
// in any order. The error wraps ErrInvalidRule and says what is wrong.
func Parse(text string) (Rule, error) {
	var r Rule
	for i, word := range strings.Fields(text) {
		name, value, has := strings.Cut(word, "=")
		switch {
		case !has && name == "stale":
			r.Stale = true
		case !has && i == 0:
			r.Operation = name
		case !has:
			return Rule{}, invalid("%q: %q is no name=value", text, word)
		default:
			if err := r.set(name, value); err != nil {
				return Rule{}, invalid("%q: %v", text, err)
			}
		}
	}
	if r.Operation == "*" {
		r.Operation = ""
	}
	return r, r.check()
}

// set fills in one word of the text form.
func (r *Rule) set(name, value string) (err error) {
	switch name {
	case "stream":
		r.Stream = value
	case "shard":
		r.Shard = value
	case "nth":
		r.Nth, err = positive(name, value)
	case "times":
		r.Times, err = positive(name, value)
	case "p":
		r.Probability, err = strconv.ParseFloat(value, 64)
		if err != nil || !(r.Probability > 0 && r.Probability <= 1) {
			err = fmt.Errorf("p is %q, not a number above 0 and at most 1", value)
		}
	case "seed":
		if r.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = fmt.Errorf("seed is %q, not a whole number", value)
		}
	case "delay":
		r.Delay, err = duration(name, value)
	case "clock":
		r.Clock, err = duration(name, value)
	case "error":
		r.Error = value
	case "records":
		r.Records, err = positive(name, value)
	case "drop":
		r.Drop = Drop(value)
	case "cut":
		r.Cut, err = positive(name, value)
	default:
		err = fmt.Errorf("%q is none of stream, shard, nth, times, p, seed, delay, clock, error, records, drop, stale, cut", name)
	}
	return err
}

func positive(name, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is %q, not a whole number above zero", name, value)
	}
	return n, nil
}

func duration(name, value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, fmt.Errorf("%s is %q, not a duration such as 300ms", name, value)
	}
	return d, nil
}

// String is the text form. It leaves Message out.
func (r *Rule) String() string {
	words := []string{r.Operation}
	if r.Operation == "" {
		words[0] = "*"
	}
	add := func(given bool, format string, value any) {
		if given {
			words = append(words, fmt.Sprintf(format, value))
		}
	}
	add(r.Stream != "", "stream=%s", r.Stream)
	add(r.Shard != "", "shard=%s", r.Shard)
	add(r.Nth != 0, "nth=%d", r.Nth)
	add(r.Times != 0, "times=%d", r.Times)
	add(r.Probability != 0, "p=%v", r.Probability)
	add(r.Seed != 0, "seed=%d", r.Seed)
	add(r.Delay != 0, "delay=%v", r.Delay)
	add(r.Clock != 0, "clock=%v", r.Clock)
	add(r.Error != "", "error=%s", r.Error)
	add(r.Records != 0, "records=%d", r.Records)
	add(r.Drop != "", "drop=%s", r.Drop)
	add(r.Stale, "%s", "stale")
	add(r.Cut != 0, "cut=%d", r.Cut)
	return strings.Join(words, " ")
}
