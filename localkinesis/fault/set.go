package fault

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Set holds the rules of a server. Its zero value has none. It may be changed
// while the server runs, by several goroutines at once.
type Set struct {
	armed atomic.Bool // there is a rule; read without the lock

	mu    sync.Mutex
	rules []*armedRule
}

// armedRule is a rule with what it has seen.
type armedRule struct {
	rule    Rule
	chance  *rand.Rand
	matched int
	hits    int
}

// Add adds rules behind those that are there. It adds none when one is
// invalid; the error wraps ErrInvalidRule.
func (s *Set) Add(rules ...Rule) error {
	armed, err := arm(rules)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(append(s.rules, armed...))
	return nil
}

// Replace puts rules in the place of all that are there, which begin to count
// anew. It changes nothing when one is invalid; the error wraps ErrInvalidRule.
func (s *Set) Replace(rules ...Rule) error {
	armed, err := arm(rules)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(armed)
	return nil
}

func arm(rules []Rule) ([]*armedRule, error) {
	armed := make([]*armedRule, len(rules))
	for i, r := range rules {
		if err := r.check(); err != nil {
			return nil, err
		}
		armed[i] = &armedRule{rule: r, chance: rand.New(rand.NewPCG(r.Seed, 0))}
	}
	return armed, nil
}

// set is called with s.mu held.
func (s *Set) set(rules []*armedRule) {
	s.rules = rules
	s.armed.Store(len(rules) > 0)
}

// Clear removes every rule, and with it what Hits tells.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(nil)
}

// Hit tells what a rule has done.
type Hit struct {
	Rule    Rule
	Matched int // calls that fit its operation, stream and shard
	Hits    int // calls it struck
}

// Hits returns what every rule has done, in the order they were added.
func (s *Set) Hits() []Hit {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := make([]Hit, len(s.rules))
	for i, r := range s.rules {
		hits[i] = Hit{Rule: r.rule, Matched: r.matched, Hits: r.hits}
	}
	return hits
}

// Armed reports whether there is a rule. It costs next to nothing.
func (s *Set) Armed() bool { return s.armed.Load() }

// Call is what rules look at.
type Call struct {
	Operation string
	Stream    string
	Shards    []string // of each record of a PutRecords, of the one shard otherwise
}

// Effects is what happens to a call: that of every rule that struck it.
type Effects struct {
	Delay   time.Duration
	Clock   time.Duration
	Error   string // empty: the call is served
	Message string // empty: what the service would say
	Drop    Drop
	Stale   bool
	Cut     int
	Failed  map[int]Failure // records of a PutRecords, by index
}

// Failure is the error of a record.
type Failure struct {
	Error   string
	Message string // empty: what the service would say
}

// Meet counts a call and returns what happens to it.
func (s *Set) Meet(c Call) Effects {
	s.mu.Lock()
	defer s.mu.Unlock()
	var e Effects
	for _, r := range s.rules {
		if r.strikes(c) {
			r.add(&e, c)
		}
	}
	return e
}

// strikes counts a call that matches and decides about it.
func (r *armedRule) strikes(c Call) bool {
	rule := &r.rule
	switch {
	case rule.Operation != "" && rule.Operation != c.Operation,
		rule.Stream != "" && rule.Stream != c.Stream,
		rule.Shard != "" && !slices.Contains(c.Shards, rule.Shard):
		return false
	}
	r.matched++
	times := rule.Times
	if times == 0 && rule.Nth > 0 {
		times = 1
	}
	switch {
	case r.matched < rule.Nth,
		times > 0 && r.hits >= times,
		rule.Probability > 0 && r.chance.Float64() >= rule.Probability:
		return false
	}
	r.hits++
	return true
}

// add adds what the rule does. The first rule with an error decides on it.
func (r *armedRule) add(e *Effects, c Call) {
	rule := &r.rule
	e.Delay += rule.Delay
	e.Clock += rule.Clock
	e.Stale = e.Stale || rule.Stale
	if e.Drop == "" {
		e.Drop = rule.Drop
	}
	if e.Cut == 0 {
		e.Cut = rule.Cut
	}
	switch {
	case rule.Records > 0:
		r.failRecords(e, c)
	case e.Error == "":
		e.Error, e.Message = rule.Error, rule.Message
	}
}

// failRecords picks the records that fail.
func (r *armedRule) failRecords(e *Effects, c Call) {
	var candidates []int
	for i, shard := range c.Shards {
		if r.rule.Shard == "" || r.rule.Shard == shard {
			candidates = append(candidates, i)
		}
	}
	if r.rule.Seed != 0 {
		r.chance.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	}
	if e.Failed == nil {
		e.Failed = make(map[int]Failure)
	}
	failure := Failure{Error: r.rule.Error, Message: r.rule.Message}
	if failure.Error == "" {
		failure.Error = "ProvisionedThroughputExceededException"
	}
	for _, i := range candidates[:min(r.rule.Records, len(candidates))] {
		if _, decided := e.Failed[i]; !decided {
			e.Failed[i] = failure
		}
	}
}
