package lease

import (
	"fmt"
	"slices"

	"github.com/kinetrail/kinetrail"
)

// Change is what one operation of a Store does to a row: its condition and its
// effect. A store that changes rows in Go reads a row, applies the Change and
// writes what it returns, all in one atomic step; a store in front of a database
// does the same in the language of the database.
//
// row is the zero Lease when exists is false. The error is a *ConflictError when
// the condition does not hold.
type Change func(row Lease, exists bool) (Lease, error)

// Creating is the Change of Store.Create.
func Creating(l Lease) Change {
	return func(row Lease, exists bool) (Lease, error) {
		if exists {
			return row, refuse("create", l.Key, row, exists)
		}
		row = l.Clone()
		row.Owner, row.Successor, row.Counter, row.Switches = "", "", 0, 0
		return row, nil
	}
}

// Taking is the Change of Store.Take.
func Taking(seen Lease, owner string) Change {
	return func(row Lease, exists bool) (Lease, error) {
		if !exists || row.Counter != seen.Counter {
			return row, refuse("take", seen.Key, row, exists)
		}
		return passTo(row, owner), nil
	}
}

// Requesting is the Change of Store.Request.
func Requesting(seen Lease, successor string) Change {
	return func(row Lease, exists bool) (Lease, error) {
		if !exists || row.Owner == "" || row.Owner != seen.Owner || row.Successor != "" {
			return row, refuse("request", seen.Key, row, exists)
		}
		row.Successor = successor
		return row, nil
	}
}

// Renewing is the Change of Store.Renew.
func Renewing(held Lease) Change {
	return func(row Lease, exists bool) (Lease, error) {
		if !isHeld(row, exists, held) {
			return row, refuse("renew", held.Key, row, exists)
		}
		row.Counter++
		return row, nil
	}
}

// Checkpointing is the Change of Store.Checkpoint.
func Checkpointing(held Lease, done kinetrail.Position) Change {
	return func(row Lease, exists bool) (Lease, error) {
		if !isHeld(row, exists, held) {
			return row, refuse("checkpoint", held.Key, row, exists)
		}
		if done.Compare(row.Checkpoint) < 0 {
			return row, fmt.Errorf("checkpoint lease %s at %s behind %s: %w", row.Key, done, row.Checkpoint, ErrMovesBack)
		}
		row.Checkpoint, row.Switches = done, 0
		row.Counter++
		if done.IsShardEnd() {
			row.Children = slices.Clone(held.Children)
		}
		return row, nil
	}
}

// Releasing is the Change of Store.Release.
func Releasing(held Lease) Change {
	return func(row Lease, exists bool) (Lease, error) {
		if !isHeld(row, exists, held) {
			return row, refuse("release", held.Key, row, exists)
		}
		return passTo(row, row.Successor), nil
	}
}

// Deleting is the condition of Store.Delete for a row that exists.
func Deleting(seen, row Lease) error {
	if row.Counter != seen.Counter {
		return refuse("delete", seen.Key, row, true)
	}
	return nil
}

// isHeld reports whether the row is as its owner last saw it.
func isHeld(row Lease, exists bool, held Lease) bool {
	return exists && held.Owner != "" && row.Owner == held.Owner && row.Counter == held.Counter
}

// passTo gives the row to owner, whose request is thereby answered.
func passTo(row Lease, owner string) Lease {
	if row.Owner != "" && owner != "" && row.Owner != owner {
		row.Switches++
	}
	row.Owner, row.Successor = owner, ""
	row.Counter++
	return row
}

func refuse(op, key string, row Lease, exists bool) error {
	return &ConflictError{Op: op, Key: key, Exists: exists, Current: row.Clone()}
}
