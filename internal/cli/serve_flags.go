package cli

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
)

// address is a flag: host:port.
type address string

func (a *address) String() string { return string(*a) }
func (a *address) Type() string   { return "host:port" }
func (a *address) Set(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("it takes host:port, such as " + localAddr)
	}
	*a = address(text)
	return nil
}

// streamSpec is a stream to begin with.
type streamSpec struct {
	name   string
	shards int
}

// streamSpecs is a repeatable flag: name:shards.
type streamSpecs []streamSpec

func (s *streamSpecs) String() string { return "" }
func (s *streamSpecs) Type() string   { return "name:shards" }
func (s *streamSpecs) Set(text string) error {
	name, number, ok := strings.Cut(text, ":")
	if !ok {
		return errors.New("it takes name:shards, such as orders:4")
	}
	if _, err := kinetrail.ParseStream(name); err != nil {
		return err
	}
	var shards shardCount
	if err := shards.Set(number); err != nil {
		return fmt.Errorf("shards: %w", err)
	}
	if slices.ContainsFunc(*s, func(other streamSpec) bool { return other.name == name }) {
		return fmt.Errorf("there are two streams %q", name)
	}
	*s = append(*s, streamSpec{name, int(shards)})
	return nil
}

// faultRules is a repeatable flag: a rule of package fault.
type faultRules []fault.Rule

func (f *faultRules) String() string { return "" }
func (f *faultRules) Type() string   { return "rule" }
func (f *faultRules) Set(text string) error {
	rule, err := fault.Parse(text)
	if err != nil {
		return err
	}
	*f = append(*f, rule)
	return nil
}

// pause is a flag: a duration that is not below zero.
type pause struct{ duration time.Duration }

func (p *pause) String() string { return "" }
func (p *pause) Type() string   { return "duration" }
func (p *pause) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("it takes a duration such as 500ms")
	}
	p.duration = d
	return nil
}

// accessKeys is a repeatable flag: id:secret.
type accessKeys map[string]string

func (k *accessKeys) String() string { return "" }
func (k *accessKeys) Type() string   { return "id:secret" }
func (k *accessKeys) Set(text string) error {
	id, secret, _ := strings.Cut(text, ":")
	if id == "" || secret == "" {
		return errors.New("it takes id:secret, such as AKIDEXAMPLE:secret")
	}
	if *k == nil {
		*k = make(accessKeys)
	}
	(*k)[id] = secret
	return nil
}
