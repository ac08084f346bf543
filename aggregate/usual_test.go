package aggregate_test

import (
	"testing"

	"github.com/kinetrail/kinetrail/aggregate"
	"pgregory.net/rapid"
)

// message is what a container holds between magic and checksum.
func message(container []byte) []byte { return container[len(magic) : len(container)-16] }

func TestContainersOfABuilderAreSplitInOneWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords().Draw(t, "records")
		var b aggregate.Builder
		for i := range records {
			b.Add(&records[i])
		}
		if b.Len() == 0 {
			return
		}
		got, usual := aggregate.SplitUsual(message(b.AppendTo(nil)))
		want, err := aggregate.SplitAny(message(b.AppendTo(nil)))
		if !usual || err != nil || !sameRecords(got, want) {
			t.Errorf("in one walk %s, usual %t; in several%s, error %v", describe(got), usual, describe(want), err)
		}
	})
}

func TestUnusualMessagesAreLeftToTheOtherWay(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a key behind the records":        "0a('a') 1a( 0800 1a('x') ) 0a('b')",
		"an unknown field":                "0a('a') 1a( 0800 1a('x') ) 2a('?')",
		"an unknown field in a record":    "0a('a') 1a( 0800 1a('x') 2a('?') )",
		"fields of a record in disorder":  "0a('a') 1a( 1a('x') 0800 )",
		"data that stands there twice":    "0a('a') 1a( 0800 1a('x') 1a('y') )",
		"a key index that stands twice":   "0a('a') 1a( 0800 0800 1a('x') )",
		"fields of a tag in disorder":     "0a('a') 1a( 0800 1a('x') 22( 12('v') 0a('n') ) )",
		"an unknown field in a tag":       "0a('a') 1a( 0800 1a('x') 22( 0a('n') 12('v') 1a('?') ) )",
		"tags before the data":            "0a('a') 1a( 0800 22( 0a('n') ) 1a('x') )",
		"a record without data":           "0a('a') 1a( 0800 )",
		"a record without a key":          "0a('a') 1a( 1a('x') )",
		"a tag without a name":            "0a('a') 1a( 0800 1a('x') 22( 12('v') ) )",
		"an index outside the keys":       "0a('a') 1a( 0801 1a('x') )",
		"an index outside the hash keys":  "0a('a') 1a( 0800 1000 1a('x') )",
		"a good record before a bad one":  "0a('a') 1a( 0800 1a('x') ) 1a( 0807 1a('y') )",
		"a value that runs past the end":  "0a('a') 1a( 0800 1a('x') ) 1a7f",
		"a table that runs past the end":  "0a7f",
		"a varint that runs past the end": "0a('a') 1a( 0800 1aff )",
	} {
		text := protobuf(t, text)
		got, usual := aggregate.SplitUsual(text)
		if usual || len(got) != 0 {
			t.Errorf("%s (%x): %d records, usual %t; want none", name, text, len(got), usual)
		}
	}
}

// FuzzSplitUsual compares the two ways of Split: what one walk takes, several take,
// with the same records.
func FuzzSplitUsual(f *testing.F) {
	f.Add(protobuf(f, "0a('a') 12('7') 1a( 0800 1000 1a('x') 22( 0a('n') 12('v') ) ) 1a( 0800 1a() )"))
	f.Add(protobuf(f, "0a('a') 0a('b') 1a( 0801 1a('x') 22( 0a('n') ) 22( 0a('m') ) ) 1a( 0800 1a('y') 22( 0a('n') ) )"))
	f.Fuzz(func(t *testing.T, message []byte) {
		got, usual := aggregate.SplitUsual(message)
		if !usual {
			if len(got) != 0 {
				t.Errorf("SplitUsual(%x) takes %d records of an unusual message; want none", message, len(got))
			}
			return
		}
		want, err := aggregate.SplitAny(message)
		if err != nil || !sameRecords(got, want) {
			t.Errorf("SplitUsual(%x) = %s\nwant%s, error %v", message, describe(got), describe(want), err)
		}
	})
}
