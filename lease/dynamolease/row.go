package dynamolease

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// item is a row of the table.
type item = map[string]types.AttributeValue

// atTimestamp is what the KCL writes for a checkpoint that is a time.
const atTimestamp = "AT_TIMESTAMP"

func text(s string) types.AttributeValue  { return &types.AttributeValueMemberS{Value: s} }
func set(s []string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
func itemKey(key string) map[string]types.AttributeValue { return item{"leaseKey": text(key)} }

// newItem is the row of a new lease, as the KCL writes it. An attribute without a
// value is left out: DynamoDB knows no empty set, and to the KCL an empty owner
// would be an owner.
func newItem(l lease.Lease) item {
	row := item{
		"leaseKey":                     text(l.Key),
		"leaseCounter":                 number(0),
		"ownerSwitchesSinceCheckpoint": number(0),
	}
	if !l.Checkpoint.IsZero() {
		row["checkpoint"] = text(checkpointText(l.Checkpoint))
		row["checkpointSubSequenceNumber"] = number(int64(l.Checkpoint.Sub()))
	}
	if _, isTime := l.Checkpoint.Time(); isTime {
		row["kinetrailCheckpoint"] = text(l.Checkpoint.String())
	}
	if !l.Start.IsZero() {
		row["kinetrailStart"] = text(l.Start.String())
	}
	if len(l.Parents) > 0 {
		row["parentShardId"] = set(l.Parents)
	}
	if len(l.Children) > 0 {
		row["childShardIds"] = set(l.Children)
	}
	if l.StartingHashKey != l.EndingHashKey { // the KCL refuses to read a range of one key
		row["startingHashKey"] = text(l.StartingHashKey)
		row["endingHashKey"] = text(l.EndingHashKey)
	}
	if l.Stream != "" {
		row["streamName"] = text(l.Stream)
	}
	if l.Stream != "" || l.ShardID != l.Key {
		row["shardId"] = text(l.ShardID)
	}
	return row
}

// checkpointText is the checkpoint as the KCL spells it, without sub-sequence
// number and time.
func checkpointText(p kinetrail.Position) string {
	if p.IsRecord() {
		return p.Sequence()
	}
	if _, isTime := p.Time(); isTime {
		return atTimestamp
	}
	return p.String()
}

// isLease reports whether a row is a lease. Since 3.5 the KCL keeps other things
// in the table as well and says so in entityType.
func isLease(row item) bool {
	entity, typed := row["entityType"].(*types.AttributeValueMemberS)
	return !typed || entity.Value == "LEASE"
}

// parse reads a row that a Go worker or a KCL worker wrote.
func parse(row item) (lease.Lease, error) {
	r := reader{row: row}
	l := lease.Lease{
		Key:             r.text("leaseKey"),
		Stream:          r.text("streamName"),
		ShardID:         r.text("shardId"),
		StartingHashKey: r.text("startingHashKey"),
		EndingHashKey:   r.text("endingHashKey"),
		Parents:         r.set("parentShardId"),
		Children:        r.set("childShardIds"),
		Owner:           r.text("leaseOwner"),
		Counter:         r.number("leaseCounter"),
		Switches:        r.number("ownerSwitchesSinceCheckpoint"),
		Checkpoint:      r.checkpoint(),
		Start:           r.position("kinetrailStart"),
	}
	if l.ShardID == "" {
		l.ShardID = l.Key
	}
	if present := r.text("checkpointOwner"); present != "" && l.Owner != "" && l.Owner == r.text("kinetrailOwner") {
		l.Owner, l.Successor = present, l.Owner
	}
	if _, counted := row["leaseCounter"]; !counted {
		r.fail("leaseCounter", "is missing")
	}
	if r.err != nil {
		return lease.Lease{}, fmt.Errorf("read lease %s: %w", l.Key, r.err)
	}
	return l, nil
}

// reader reads the attributes of a row and keeps the first error.
type reader struct {
	row item
	err error
}

func (r *reader) fail(name, why string) {
	if r.err == nil {
		r.err = fmt.Errorf("the attribute %s %s", name, why)
	}
}

func (r *reader) text(name string) string {
	switch v := r.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		r.fail(name, "is no string")
	}
	return ""
}

func (r *reader) set(name string) []string {
	switch v := r.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberSS:
		return v.Value
	default:
		r.fail(name, "is no set of strings")
	}
	return nil
}

func (r *reader) number(name string) int64 {
	switch v := r.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.fail(name, fmt.Sprintf("is %s, which is no 64-bit integer", v.Value))
		}
		return n
	default:
		r.fail(name, "is no number")
	}
	return 0
}

func (r *reader) position(name string) kinetrail.Position {
	p, err := kinetrail.ParsePosition(r.text(name))
	if err != nil {
		r.fail(name, fmt.Sprintf("is %q, which is no position", r.text(name)))
	}
	return p
}

// checkpoint joins the attributes a checkpoint consists of.
func (r *reader) checkpoint() kinetrail.Position {
	if r.text("checkpoint") != atTimestamp {
		p := r.position("checkpoint")
		if p.IsRecord() {
			return kinetrail.At(p.Sequence(), int(r.number("checkpointSubSequenceNumber")))
		}
		return p
	}
	if _, known := r.row["kinetrailCheckpoint"]; known {
		return r.position("kinetrailCheckpoint")
	}
	// The KCL keeps the time in its configuration. Every record is after this
	// one, so that none is left out.
	return kinetrail.AtTime(time.Unix(0, 0))
}
