package dynamolease

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail/lease"
)

// ErrKCL3 is wrapped by every call while KCL 3 workers use the table in their
// native mode. A worker that took leases there would take them from under the
// leader that assigns them. It is a lease.ErrUnusable, so that Consumer.Run ends
// with it.
var ErrKCL3 = lease.Unusable(errors.New("dynamolease: the leases of this application are assigned by the leader of KCL 3 workers in their native mode; " +
	"kinetrail shares a lease table only with KCL workers of version 2, or of version 3 in the mode compatible with version 2"))

// How KCL 3 workers show their mode, from KCL 3.5.1. All native workers find
// their leases by the index, so that without it there is nothing else to look at.
// Workers in the mode compatible with version 2 create the index, too, but then
// the migration row says so. Up to 3.4 that row is in a table of its own, since
// 3.5 it may be in the lease table.
const (
	ownerIndex       = "LeaseOwnerToLeaseKeyIndex"
	migrationKey     = "Migration3.0"
	migrationVersion = "cv"
	stateTableSuffix = "-CoordinatorState"
)

// compatibleVersions are the states of a fleet in which every worker takes leases
// by itself, as those of KCL 2 do (ClientVersion of KCL 3.5.1).
var compatibleVersions = []string{"CLIENT_VERSION_INIT", "CLIENT_VERSION_UPGRADE_FROM_2X", "CLIENT_VERSION_2X"}

// refuseKCL3 returns an error when a fleet in native KCL 3 mode uses the table,
// or may.
func (s *Store) refuseKCL3(ctx context.Context, table *types.TableDescription) error {
	indexed := slices.ContainsFunc(table.GlobalSecondaryIndexes, func(index types.GlobalSecondaryIndexDescription) bool {
		return aws.ToString(index.IndexName) == ownerIndex
	})
	if !indexed {
		return nil
	}
	found := false
	for _, place := range []struct{ table, key string }{{s.table, "leaseKey"}, {s.group + stateTableSuffix, "key"}} {
		row, err := s.migrationRow(ctx, place.table, place.key)
		if err != nil {
			return fmt.Errorf("find out the mode of the KCL 3 workers that have used it: %w", err)
		}
		if row == nil {
			continue
		}
		found = true
		if err := s.refuseNative(row); err != nil {
			return err
		}
	}
	if !found {
		s.usable.Store(false)
		return fmt.Errorf("%w (it has the index %s, and no row %s says that the mode is another)", ErrKCL3, ownerIndex, migrationKey)
	}
	return nil
}

// migrationRow returns the row that says in which mode a fleet is, nil when there
// is none.
func (s *Store) migrationRow(ctx context.Context, table, key string) (item, error) {
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: item{key: text(migrationKey)}, ConsistentRead: aws.Bool(true)})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read row %s of table %s: %w", migrationKey, table, err)
	}
	if len(out.Item) == 0 {
		return nil, nil
	}
	return out.Item, nil
}

// refuseNative returns an error when the migration row says that the fleet is in
// native mode, or something this package does not know.
func (s *Store) refuseNative(migration item) error {
	r := reader{row: migration}
	version := r.text(migrationVersion)
	if slices.Contains(compatibleVersions, version) {
		return nil
	}
	s.usable.Store(false)
	return fmt.Errorf("%w (row %s says %s)", ErrKCL3, migrationKey, version)
}

// refuseEntity returns an error when a row of the lease table that is no lease is
// the migration row of a fleet in native mode.
func (s *Store) refuseEntity(row item) error {
	if r := (reader{row: row}); r.text("leaseKey") == migrationKey {
		return s.refuseNative(row)
	}
	return nil
}
