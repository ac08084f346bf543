package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail/lease/dynamolease"
)

// What KCL 3 keeps about its mode.
const (
	migrationKey = "Migration3.0"
	ownerIndex   = "LeaseOwnerToLeaseKeyIndex"
	stateSuffix  = "-CoordinatorState"

	metricsSuffix = "-WorkerMetricStats"
)

// mode is what KCL 3 says of its fleet, empty when it says nothing.
func (f *fleet) mode() (string, error) {
	for _, table := range []string{f.group, f.group + stateSuffix} {
		all, err := rowsOf(f.s.ctx, f.database.tables(), table)
		if err != nil {
			return "", err
		}
		for _, r := range all {
			if textOf(r, "leaseKey") == migrationKey || textOf(r, "key") == migrationKey {
				return textOf(r, "cv"), nil
			}
		}
	}
	return "", nil
}

// refuseNative lets KCL 3 workers take a group over in their native mode: the Go
// worker that is in it ends, and so does one that comes, with the sentence of the
// documentation. When the KCL workers are gone and their traces removed, a Go
// worker goes on.
func refuseNative(f *fleet) (string, error) {
	sentence, err := documentedRefusal()
	if err != nil {
		return "", err
	}
	return f.during(goKind, func(f *fleet, first *member) error {
		second, err := f.start(javaKind)
		if err != nil {
			return err
		}
		if err := f.refused(first, sentence); err != nil {
			return err
		}
		if err := errors.Join(f.awaitNative(second), f.awaitRecords(second)); err != nil {
			return err
		}
		if err := errors.Join(f.keep("KCL 3 workers in native mode", ""), f.keep("KCL 3 workers in native mode", stateSuffix), f.keep("KCL 3 workers in native mode", metricsSuffix)); err != nil {
			return err
		}
		third, err := f.start(goKind)
		if err != nil {
			return err
		}
		if err := errors.Join(f.refused(third, sentence), f.awaitNative(second), f.awaitRecords(second)); err != nil {
			return err
		}
		if second.said("lost") || len(third.told()) > 0 {
			return fmt.Errorf("%s took a lease from %s", third.name, second.name)
		}
		if err := errors.Join(second.stop(), f.forgetKCL3()); err != nil {
			return err
		}
		last, err := f.start(goKind)
		if err != nil {
			return err
		}
		return f.left(last)
	})
}

// refused waits until a worker has ended because of the fleet's mode.
func (f *fleet) refused(m *member, sentence string) error {
	err := await(f.s.ctx, patience, m.name+" ends", func() (bool, error) { return m.isGone(), nil })
	if err != nil {
		return err
	}
	_ = m.command.Wait() // with the exit code of an error
	if says := m.complaints.String(); !strings.Contains(says, sentence) {
		return fmt.Errorf("%s has ended and not said %q", m.name, sentence)
	}
	return nil
}

// awaitNative waits until a worker has every lease of a table that the store does
// not open.
func (f *fleet) awaitNative(m *member) error {
	var owners []string
	err := await(f.s.ctx, patience, m.name+" has every lease", func() (bool, error) {
		all, err := rowsOf(f.s.ctx, f.database.tables(), f.group)
		if err != nil {
			return false, err
		}
		owners = nil
		for _, r := range all {
			if owner := textOf(r, "leaseOwner"); owner != "" {
				owners = append(owners, owner)
			}
		}
		return len(owners) == f.shards && !slices.ContainsFunc(owners, func(o string) bool { return o != m.name }), nil
	})
	if err != nil {
		err = fmt.Errorf("%w; the owners are %q", err, owners)
	}
	return err
}

// forgetKCL3 removes the index and the row of the mode, as the documentation
// says.
func (f *fleet) forgetKCL3() error {
	tables := f.database.tables()
	_, err := tables.UpdateTable(f.s.ctx, &dynamodb.UpdateTableInput{TableName: &f.group, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String(ownerIndex)}},
	}})
	if err != nil {
		return err
	}
	for table, key := range map[string]string{f.group: "leaseKey", f.group + stateSuffix: "key"} {
		_, err := tables.DeleteItem(f.s.ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: row{key: &types.AttributeValueMemberS{Value: migrationKey}}})
		var missing *types.ResourceNotFoundException
		if err != nil && !errors.As(err, &missing) {
			return err
		}
	}
	return await(f.s.ctx, patience, "the index is gone", func() (bool, error) {
		out, err := tables.DescribeTable(f.s.ctx, &dynamodb.DescribeTableInput{TableName: &f.group})
		return err == nil && len(out.Table.GlobalSecondaryIndexes) == 0, err
	})
}

// documentedRefusal is the sentence of docs/kcl-compatibility.md.
func documentedRefusal() (string, error) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "kcl-compatibility.md"))
	if err != nil {
		return "", err
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(string(page), "\n> ", " ")), " ")
	if !strings.Contains(text, dynamolease.ErrKCL3.Error()) {
		return "", fmt.Errorf("docs/kcl-compatibility.md does not say %q", dynamolease.ErrKCL3)
	}
	return dynamolease.ErrKCL3.Error(), nil
}
