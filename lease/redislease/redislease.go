package redislease

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/internal/rowjson"
)

// Store is a lease.Store in Redis. It is safe for concurrent use.
type Store struct {
	client redis.Scripter
	group  string
	key    string
}

// New makes the store of a group. A *redis.Client and a *redis.ClusterClient are
// a redis.Scripter; addresses, TLS, passwords and time-outs are theirs. Nothing is
// sent before the first call.
func New(client redis.Scripter, group string) *Store {
	return &Store{client: client, group: group, key: keyPrefix + group + keySuffix}
}

// Group is the group's name.
func (s *Store) Group() string { return s.group }

// ListInterval is half a second. A listing sends every row, about 350 bytes each.
func (s *Store) ListInterval() time.Duration { return 500 * time.Millisecond }

// list reads all rows. It is a script because scripts run on the primary, whatever
// the client reads from replicas.
var list = redis.NewScript(`return redis.call('HGETALL', KEYS[1])`)

// List returns the leases in any order.
func (s *Store) List(ctx context.Context) ([]lease.Lease, error) {
	fields, err := list.Run(ctx, s.client, []string{s.key}).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("list the leases of group %s: %w", s.group, judge(err))
	}
	leases := make([]lease.Lease, 0, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		l, err := decode(fields[i], fields[i+1])
		if err != nil {
			return nil, fmt.Errorf("list the leases of group %s: %w", s.group, err)
		}
		leases = append(leases, l)
	}
	return leases, nil
}

// Create adds a free lease.
func (s *Store) Create(ctx context.Context, l lease.Lease) error {
	_, err := s.change(ctx, "create", lease.Lease{Key: l.Key}, false, lease.Creating(l))
	return err
}

// Take makes owner the owner.
func (s *Store) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	return s.change(ctx, "take", seen, true, lease.Taking(seen, owner))
}

// Request asks the owner to hand over to successor.
func (s *Store) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	return s.change(ctx, "request", seen, true, lease.Requesting(seen, successor))
}

// Renew moves the counter.
func (s *Store) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, "renew", held, true, lease.Renewing(held))
}

// Checkpoint moves the checkpoint forward.
func (s *Store) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return s.change(ctx, "checkpoint", held, true, lease.Checkpointing(held, done))
}

// Release hands the lease to its successor or frees it.
func (s *Store) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, "release", held, true, lease.Releasing(held))
}

// Delete removes a lease.
func (s *Store) Delete(ctx context.Context, seen lease.Lease) error {
	return s.replace(ctx, "delete", seen.Key, encode(seen), func(row string) (string, error) {
		if row == none {
			return none, nil
		}
		l, err := decode(seen.Key, row)
		if err != nil {
			return none, err
		}
		return none, lease.Deleting(seen, l)
	})
}

// change applies one operation to the row of seen, which exists as far as the
// caller knows.
func (s *Store) change(ctx context.Context, op string, seen lease.Lease, exists bool, change lease.Change) (lease.Lease, error) {
	guess := none
	if exists {
		guess = encode(seen)
	}
	var changed lease.Lease
	err := s.replace(ctx, op, seen.Key, guess, func(row string) (string, error) {
		l := lease.Lease{}
		if row != none {
			var err error
			if l, err = decode(seen.Key, row); err != nil {
				return none, err
			}
		}
		l, err := change(l, row != none)
		if err != nil {
			return none, err
		}
		changed = l.Clone()
		return encode(l), nil
	})
	if err != nil {
		return lease.Lease{}, err
	}
	return changed, nil
}

// swap replaces the row in field ARGV[1] by ARGV[3] if it is ARGV[2]; no row is
// the empty text. It returns the number 1, or the row as it is when that is
// another.
var swap = redis.NewScript(`
local row = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if row ~= ARGV[2] then
	return row
end
if ARGV[3] == '' then
	redis.call('HDEL', KEYS[1], ARGV[1])
else
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
`)

// replace changes a row. It tries with the row as the caller knows it, which is
// right most of the time, and again with the row as it is until nobody else was
// quicker. An error of change counts when the row is known.
func (s *Store) replace(ctx context.Context, op, key, guess string, change func(row string) (string, error)) error {
	row, known := guess, false
	for {
		next, err := change(row)
		if err != nil && known {
			return err
		}
		if err != nil {
			next = row // to learn the row without changing it
		}
		answer, runErr := swap.Run(ctx, s.client, []string{s.key}, key, row, next).Result()
		if runErr != nil {
			return fmt.Errorf("%s lease %s of group %s: %w", op, key, s.group, judge(runErr))
		}
		current, other := answer.(string)
		if !other {
			return err // of the guess, which was right
		}
		row, known = current, true
	}
}

// judge marks the errors that asking again does not heal: the password is wrong,
// the user lacks a right, the key holds something else.
func judge(err error) error {
	for _, code := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"} {
		if redis.HasErrorPrefix(err, code) {
			return lease.Unusable(err)
		}
	}
	return err
}

// none is the text of a row that does not exist.
const none = ""

// encode is the text of a row in its field, whose name is the key.
func encode(l lease.Lease) string {
	text, _ := json.Marshal(rowjson.Of(l)) // no field of a row can fail
	return string(text)
}

func decode(key, text string) (lease.Lease, error) {
	var r rowjson.Row
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return lease.Lease{}, fmt.Errorf("read lease %s: %w", key, err)
	}
	return r.Lease(key), nil
}
