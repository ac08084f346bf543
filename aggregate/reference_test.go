package aggregate_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// This file is a second implementation of the format on Google's protobuf
// library. It shares no code with the package.

const magic = "\xF3\x89\x9A\xC2"

// aggregatedRecord is the message of the KPL's messages.proto.
var aggregatedRecord = sync.OnceValue(func() protoreflect.MessageDescriptor {
	const (
		optional = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
		required = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED
		repeated = descriptorpb.FieldDescriptorProto_LABEL_REPEATED

		text    = descriptorpb.FieldDescriptorProto_TYPE_STRING
		data    = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		integer = descriptorpb.FieldDescriptorProto_TYPE_UINT64
		message = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	)
	field := func(name string, number int32, label descriptorpb.FieldDescriptorProto_Label, kind descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Label: &label, Type: &kind}
		if of != "" {
			f.TypeName = &of
		}
		return f
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:   proto.String("messages.proto"),
		Syntax: proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("AggregatedRecord"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("partition_key_table", 1, repeated, text, ""),
				field("explicit_hash_key_table", 2, repeated, text, ""),
				field("records", 3, repeated, message, ".Record"),
			},
		}, {
			Name: proto.String("Record"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("partition_key_index", 1, required, integer, ""),
				field("explicit_hash_key_index", 2, optional, integer, ""),
				field("data", 3, required, data, ""),
				field("tags", 4, repeated, message, ".Tag"),
			},
		}, {
			Name: proto.String("Tag"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("key", 1, required, text, ""),
				field("value", 2, optional, text, ""),
			},
		}},
	}, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().ByName("AggregatedRecord")
})

// wrap puts a message between magic and MD5.
func wrap(message []byte) []byte {
	sum := md5.Sum(message)
	return slices.Concat([]byte(magic), message, sum[:])
}

// protobuf reads the notation in which the tests write messages: hex digits,
// 'text', and brackets for a length and as many bytes. Blanks mean nothing.
//
//	0a('key') 1a( 0800 1a('data') )  =  0a 03 6b6579 1a 08 0800 1a 04 64617461
func protobuf(t testing.TB, notation string) []byte {
	t.Helper()
	open := [][]byte{nil}
	rest := strings.Join(strings.Fields(notation), "")
	for rest != "" {
		last := len(open) - 1
		var piece []byte
		switch rest[0] {
		case '(':
			open = append(open, nil)
			rest = rest[1:]
			continue
		case ')':
			piece = protowire.AppendBytes(nil, open[last])
			open, last = open[:last], last-1
			rest = rest[1:]
		case '\'':
			text, after, _ := strings.Cut(rest[1:], "'")
			piece, rest = []byte(text), after
		default:
			var err error
			if piece, err = hex.DecodeString(rest[:2]); err != nil {
				t.Fatalf("notation %q: %v", notation, err)
			}
			rest = rest[2:]
		}
		open[last] = append(open[last], piece...)
	}
	return open[0]
}

// referenceContainer builds a container as the KPL does.
func referenceContainer(records []aggregate.UserRecord) []byte {
	m := dynamicpb.NewMessage(aggregatedRecord())
	get := func(name protoreflect.Name) protoreflect.List {
		return m.Mutable(aggregatedRecord().Fields().ByName(name)).List()
	}
	entry := func(table protoreflect.List, text string) protoreflect.Value {
		for i := range table.Len() {
			if table.Get(i).String() == text {
				return protoreflect.ValueOfUint64(uint64(i))
			}
		}
		table.Append(protoreflect.ValueOfString(text))
		return protoreflect.ValueOfUint64(uint64(table.Len() - 1))
	}
	for _, r := range records {
		record := get("records").AppendMutable().Message()
		fields := record.Descriptor().Fields()
		record.Set(fields.ByName("partition_key_index"), entry(get("partition_key_table"), r.PartitionKey))
		if r.ExplicitHashKey != "" {
			record.Set(fields.ByName("explicit_hash_key_index"), entry(get("explicit_hash_key_table"), r.ExplicitHashKey))
		}
		record.Set(fields.ByName("data"), protoreflect.ValueOfBytes(slices.Clone(r.Data)))
		for _, h := range r.Headers {
			tag := record.Mutable(fields.ByName("tags")).List().AppendMutable().Message()
			tag.Set(tag.Descriptor().Fields().ByName("key"), protoreflect.ValueOfString(h.Name))
			tag.Set(tag.Descriptor().Fields().ByName("value"), protoreflect.ValueOfString(h.Value))
		}
	}
	message, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return wrap(message)
}

// referenceSplit reads a message as a proto2 reader does.
func referenceSplit(message []byte) ([]aggregate.UserRecord, error) {
	m := dynamicpb.NewMessage(aggregatedRecord())
	if err := proto.Unmarshal(message, m); err != nil {
		return nil, err
	}
	get := func(name protoreflect.Name) protoreflect.List {
		return m.Get(aggregatedRecord().Fields().ByName(name)).List()
	}
	look := func(table protoreflect.List, index uint64) (string, error) {
		if index >= uint64(table.Len()) {
			return "", fmt.Errorf("index %d, table of %d", index, table.Len())
		}
		return table.Get(int(index)).String(), nil
	}
	var records []aggregate.UserRecord
	for i := range get("records").Len() {
		record := get("records").Get(i).Message()
		fields := record.Descriptor().Fields()
		var r aggregate.UserRecord
		var err error
		if r.PartitionKey, err = look(get("partition_key_table"), record.Get(fields.ByName("partition_key_index")).Uint()); err != nil {
			return nil, err
		}
		if index := fields.ByName("explicit_hash_key_index"); record.Has(index) {
			if r.ExplicitHashKey, err = look(get("explicit_hash_key_table"), record.Get(index).Uint()); err != nil {
				return nil, err
			}
		}
		r.Data = record.Get(fields.ByName("data")).Bytes()
		tags := record.Get(fields.ByName("tags")).List()
		for j := range tags.Len() {
			tag := tags.Get(j).Message()
			r.Headers = append(r.Headers, kinetrail.Header{
				Name:  tag.Get(tag.Descriptor().Fields().ByName("key")).String(),
				Value: tag.Get(tag.Descriptor().Fields().ByName("value")).String(),
			})
		}
		records = append(records, r)
	}
	return records, nil
}

// sameRecords compares two lists; nil and empty are the same.
func sameRecords(a, b []aggregate.UserRecord) bool {
	return slices.EqualFunc(a, b, func(a, b aggregate.UserRecord) bool {
		return a.PartitionKey == b.PartitionKey && a.ExplicitHashKey == b.ExplicitHashKey &&
			bytes.Equal(a.Data, b.Data) && slices.Equal(a.Headers, b.Headers)
	})
}

// describe writes records one a line, for failures.
func describe(records []aggregate.UserRecord) string {
	var s strings.Builder
	for i, r := range records {
		fmt.Fprintf(&s, "\n\t%d: key %q, hash key %q, data %q, headers %q", i, r.PartitionKey, r.ExplicitHashKey, r.Data, r.Headers)
	}
	return s.String()
}
