package dynamolease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail/lease"
)

const (
	// inspectEvery is how often the table is inspected, which is how often KCL
	// workers look whether their fleet has changed its mode
	// (ClientVersionChangeMonitor of KCL 3.5.1).
	inspectEvery = time.Minute

	// createPause is the pause between two looks at a table that is being
	// created, which takes some seconds.
	createPause = time.Second
)

// ready makes the table usable unless it is.
func (s *Store) ready(ctx context.Context) error {
	if s.usable.Load() {
		return nil
	}
	return s.inspect(ctx)
}

// inspect makes sure that the table exists and may be used, unless that was seen
// a short while ago.
func (s *Store) inspect(ctx context.Context) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("open lease table %s: %w", s.table, context.Cause(ctx))
	}
	if s.usable.Load() && time.Since(s.checked) < inspectEvery {
		return nil
	}
	table, err := s.open(ctx)
	if err == nil {
		err = s.refuseKCL3(ctx, table)
	}
	if err != nil {
		return fmt.Errorf("open lease table %s: %w", s.table, judge(err))
	}
	s.checked = time.Now()
	s.usable.Store(true)
	return nil
}

// open returns the table when it can be used. It creates the table when there is
// none and waits for it.
func (s *Store) open(ctx context.Context) (*types.TableDescription, error) {
	for {
		out, err := s.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &s.table})
		var missing *types.ResourceNotFoundException
		switch {
		case errors.As(err, &missing):
			created, err := s.create(ctx)
			if err != nil {
				return nil, err
			}
			if created {
				continue
			}
		case err != nil:
			return nil, err
		case out.Table == nil:
			return nil, errors.New("its description is empty")
		default:
			switch status := out.Table.TableStatus; status {
			case types.TableStatusActive, types.TableStatusUpdating:
				return out.Table, hasLeaseKey(out.Table)
			case types.TableStatusCreating, types.TableStatusDeleting:
			default:
				return nil, fmt.Errorf("it is in the state %s", status)
			}
		}
		timer := time.NewTimer(createPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// create begins to create the table and reports whether no other worker has.
func (s *Store) create(ctx context.Context) (bool, error) {
	key := "leaseKey"
	_, err := s.api.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &s.table,
		KeySchema:            []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	var inUse *types.ResourceInUseException
	if errors.As(err, &inUse) {
		return false, nil
	}
	return err == nil, err
}

// judge marks the errors that asking again does not heal: the credentials are
// unknown, or lack a right. Credentials that have run out are renewed.
func judge(err error) error {
	var api interface{ ErrorCode() string }
	if !errors.As(err, &api) {
		return err
	}
	switch api.ErrorCode() {
	case "AccessDeniedException", "UnrecognizedClientException":
		return lease.Unusable(err)
	}
	return err
}

// hasLeaseKey refuses a table that is for something else.
func hasLeaseKey(table *types.TableDescription) error {
	if len(table.KeySchema) != 1 || table.KeySchema[0].AttributeName == nil || *table.KeySchema[0].AttributeName != "leaseKey" {
		return lease.Unusable(errors.New("it is no lease table: its key is not leaseKey"))
	}
	return nil
}
