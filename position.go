package kinetrail

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Position is a place in a shard: a record, or one of the named places
// TrimHorizon, Latest, AtTime and ShardEnd. It is a small comparable value.
// The zero Position is no place at all; it sorts before every other.
//
// Positions of one shard have a total order, the one the KCL uses:
//
//	AtTime < TrimHorizon < Latest < records by sequence, then sub-sequence < ShardEnd
//
// Positions of different shards can be compared but the answer means nothing.
type Position struct {
	kind     positionKind
	sequence string
	// sub is the sub-sequence number of a record, or the nanoseconds since
	// the Unix epoch of AtTime.
	sub int64
}

type positionKind uint8

const (
	positionNone positionKind = iota
	positionAtTime
	positionTrimHorizon
	positionLatest
	positionRecord
	positionShardEnd
)

// The texts of the named positions, as the Kinesis API and KCL lease tables
// spell them.
const (
	textTrimHorizon = "TRIM_HORIZON"
	textLatest      = "LATEST"
	textShardEnd    = "SHARD_END"
	textAtTime      = "AT_TIMESTAMP"
)

// maxSequenceDigits bounds a sequence number; the service's own constraint is
// the pattern 0|([1-9]\d{0,128}).
const maxSequenceDigits = 129

// TrimHorizon is the oldest record the shard still holds.
func TrimHorizon() Position { return Position{kind: positionTrimHorizon} }

// Latest is just after the newest record at the time of reading.
func Latest() Position { return Position{kind: positionLatest} }

// ShardEnd is after the last record of a closed shard.
func ShardEnd() Position { return Position{kind: positionShardEnd} }

// The instants that nanoseconds since the Unix epoch reach, in the years 1677
// and 2262.
var (
	firstInstant = time.Unix(0, math.MinInt64)
	lastInstant  = time.Unix(0, math.MaxInt64)
)

// AtTime is the first record that arrived at t or later. Kinesis compares to
// the millisecond. A time before September 1677, such as the zero Time, is
// taken for that month, one after April 2262 for that.
func AtTime(t time.Time) Position {
	if t.Before(firstInstant) {
		t = firstInstant
	} else if t.After(lastInstant) {
		t = lastInstant
	}
	return Position{kind: positionAtTime, sub: t.UnixNano()}
}

// At is the record with this decimal sequence number, and with this
// sub-sequence number inside a KPL container; a record that is no container
// has 0. It trusts its arguments, so that it costs nothing per record: text
// from elsewhere goes through ParsePosition.
func At(sequence string, sub int) Position {
	return Position{kind: positionRecord, sequence: sequence, sub: int64(sub)}
}

// IsZero reports whether p is no place at all.
func (p Position) IsZero() bool { return p.kind == positionNone }

// IsRecord reports whether p is the place of a record.
func (p Position) IsRecord() bool { return p.kind == positionRecord }

// IsTrimHorizon reports whether p is TrimHorizon.
func (p Position) IsTrimHorizon() bool { return p.kind == positionTrimHorizon }

// IsLatest reports whether p is Latest.
func (p Position) IsLatest() bool { return p.kind == positionLatest }

// IsShardEnd reports whether p is ShardEnd.
func (p Position) IsShardEnd() bool { return p.kind == positionShardEnd }

// Sequence is the decimal sequence number of a record, empty for every other
// position.
func (p Position) Sequence() string { return p.sequence }

// Sub is the sub-sequence number of a record inside its KPL container, 0 for
// every other record and position.
func (p Position) Sub() int {
	if p.kind != positionRecord {
		return 0
	}
	return int(p.sub)
}

// Time is the time of an AtTime position; ok is false for every other.
func (p Position) Time() (t time.Time, ok bool) {
	if p.kind != positionAtTime {
		return time.Time{}, false
	}
	return time.Unix(0, p.sub).UTC(), true
}

// Compare returns −1 when p is before o, 0 when they are the same place, and
// +1 when p is after o.
func (p Position) Compare(o Position) int {
	if p.kind != o.kind {
		return cmp.Compare(p.kind, o.kind)
	}
	if c := compareDecimal(p.sequence, o.sequence); c != 0 {
		return c
	}
	return cmp.Compare(p.sub, o.sub)
}

// compareDecimal compares two decimal numbers without leading zeros: the
// longer one is larger, and numbers of one length compare as text.
func compareDecimal(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// String is the text ParsePosition reads: TRIM_HORIZON, LATEST, SHARD_END,
// AT_TIMESTAMP:2006-01-02T15:04:05.999Z, 4959…, or 4959…/3 for a sub-sequence
// number above 0. The zero Position is the empty text.
func (p Position) String() string {
	switch p.kind {
	case positionAtTime:
		return textAtTime + ":" + time.Unix(0, p.sub).UTC().Format(time.RFC3339Nano)
	case positionTrimHorizon:
		return textTrimHorizon
	case positionLatest:
		return textLatest
	case positionShardEnd:
		return textShardEnd
	case positionRecord:
		if p.sub == 0 {
			return p.sequence
		}
		return p.sequence + "/" + strconv.FormatInt(p.sub, 10)
	}
	return ""
}

// ParsePosition reads the text of Position.String. The error wraps
// ErrInvalidPosition.
func ParsePosition(text string) (Position, error) {
	switch text {
	case "":
		return Position{}, nil
	case textTrimHorizon:
		return TrimHorizon(), nil
	case textLatest:
		return Latest(), nil
	case textShardEnd:
		return ShardEnd(), nil
	}
	if at, ok := strings.CutPrefix(text, textAtTime+":"); ok {
		t, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return Position{}, fmt.Errorf("%w: %q is no RFC 3339 time", ErrInvalidPosition, at)
		}
		return AtTime(t), nil
	}
	sequence, subText, hasSub := strings.Cut(text, "/")
	if !isDecimal(sequence) {
		return Position{}, fmt.Errorf("%w: %q is neither a sequence number nor a named position", ErrInvalidPosition, text)
	}
	if !hasSub {
		return At(sequence, 0), nil
	}
	sub, err := strconv.ParseUint(subText, 10, 31)
	if err != nil || !isDecimal(subText) {
		return Position{}, fmt.Errorf("%w: %q is no sub-sequence number", ErrInvalidPosition, subText)
	}
	return At(sequence, int(sub)), nil
}

// isDecimal reports whether s is a decimal number the service would accept as
// a sequence number.
func isDecimal(s string) bool {
	if s == "" || len(s) > maxSequenceDigits || (s[0] == '0' && len(s) > 1) {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// MarshalText writes the text of String, so that positions can stand in JSON.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote. The error wraps
// ErrInvalidPosition.
func (p *Position) UnmarshalText(text []byte) error {
	parsed, err := ParsePosition(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
