package state

import (
	"maps"
	"sync"
)

// maxTags is how many tags a resource can have (TagResource).
const maxTags = 50

// resource is what can be tagged and given a policy: a stream, a consumer, a
// channel.
type resource struct {
	label sync.Mutex

	tags   map[string]string
	policy string

	saved func() error // writes the document of what this is a part of
}

// checkTags refuses more tags than a resource can have.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return refuse(InvalidArgument, "Failed to add tags because a given resource cannot have more than %d tags associated with it.", maxTags)
	}
	return nil
}

// Tags returns a copy of the tags.
func (r *resource) Tags() map[string]string {
	r.label.Lock()
	defer r.label.Unlock()
	return maps.Clone(r.tags)
}

// AddTags sets tags; a tag that exists gets the new value.
func (r *resource) AddTags(tags map[string]string) error {
	if err := r.mergeTags(tags); err != nil {
		return err
	}
	return r.saved()
}

func (r *resource) mergeTags(tags map[string]string) error {
	r.label.Lock()
	defer r.label.Unlock()
	merged := make(map[string]string, len(r.tags)+len(tags))
	maps.Copy(merged, r.tags)
	maps.Copy(merged, tags)
	if err := checkTags(merged); err != nil {
		return err
	}
	r.tags = merged
	return nil
}

// RemoveTags removes tags; one that does not exist is no error.
func (r *resource) RemoveTags(keys []string) error {
	r.label.Lock()
	for _, key := range keys {
		delete(r.tags, key)
	}
	r.label.Unlock()
	return r.saved()
}

// Policy is the resource's policy, empty when it has none.
func (r *resource) Policy() string {
	r.label.Lock()
	defer r.label.Unlock()
	return r.policy
}

// SetPolicy replaces the policy; empty removes it.
func (r *resource) SetPolicy(policy string) error {
	r.label.Lock()
	r.policy = policy
	r.label.Unlock()
	return r.saved()
}
