package codec

import (
	"errors"
	"iter"

	"github.com/kinetrail/kinetrail/aggregate"
)

// KPLString is the codec of texts in a KPL container, many in a record. See
// KPLJSON.
func KPLString() Packing[string] { return packing[string]{textValues, containerFrame} }

// KPLJSON is the codec of JSON texts in a KPL container, many in a record. Data
// that is no container is read as one value, because readers that deaggregate,
// such as package consumer, have taken the containers apart already.
//
// It is for talking to async-kinesis, whose containers give the partition key
// "a" to every record in them. The KCL throws such records away on shards that
// "a" does not belong to. A producer that aggregates by itself, with JSON or
// String as its codec, keeps every record's key and is what the KCL needs.
func KPLJSON[T any](options ...func(*Options)) Packing[T] {
	return packing[T]{jsonValues[T](optionsOf(options)), containerFrame}
}

var containerFrame = frame{func() box { return &container{} }, containerItems}

// container is a KPL container whose records are the items.
type container struct{ builder aggregate.Builder }

// userRecord is what async-kinesis makes of an item.
func userRecord(item []byte) *aggregate.UserRecord {
	return &aggregate.UserRecord{PartitionKey: "a", Data: item}
}

func (b *container) sizeWith(item []byte) int   { return b.builder.SizeWith(userRecord(item)) }
func (b *container) add(item []byte)            { b.builder.Add(userRecord(item)) }
func (b *container) size() int                  { return b.builder.Size() }
func (b *container) count() int                 { return b.builder.Len() }
func (b *container) appendTo(dst []byte) []byte { return b.builder.AppendTo(dst) }
func (b *container) reset()                     { b.builder.Reset() }

func containerItems(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		records, err := aggregate.Split(data, nil)
		switch {
		case errors.Is(err, aggregate.ErrNotContainer):
			yield(data, nil)
			return
		case err != nil:
			yield(nil, err)
			return
		}
		for _, r := range records {
			if !yield(r.Data, nil) {
				return
			}
		}
	}
}
