package kinetrail

import (
	"fmt"
	"strings"
)

// Stream names a data stream, by name or by ARN. It is a small comparable
// value; its zero value names none. ParseStream makes one.
type Stream struct {
	name string
	arn  string
}

// ParseStream reads a stream's name or its ARN,
// arn:aws:kinesis:eu-west-1:123456789012:stream/orders in any partition. The
// error wraps ErrInvalidStream and says what is wrong.
func ParseStream(nameOrARN string) (Stream, error) {
	if !strings.HasPrefix(nameOrARN, "arn:") {
		if err := checkStreamName(nameOrARN); err != nil {
			return Stream{}, err
		}
		return Stream{name: nameOrARN}, nil
	}
	// arn:partition:kinesis:region:account:stream/name
	parts := strings.SplitN(nameOrARN, ":", 6)
	if len(parts) != 6 || parts[2] != "kinesis" || parts[1] == "" || parts[3] == "" || parts[4] == "" {
		return Stream{}, fmt.Errorf("%w: %q is no ARN of a Kinesis stream", ErrInvalidStream, nameOrARN)
	}
	name, ok := strings.CutPrefix(parts[5], "stream/")
	if !ok {
		return Stream{}, fmt.Errorf("%w: %q names no stream but %q", ErrInvalidStream, nameOrARN, parts[5])
	}
	if err := checkStreamName(name); err != nil {
		return Stream{}, err
	}
	return Stream{name: name, arn: nameOrARN}, nil
}

// checkStreamName applies the service's constraint: 1 to 128 of
// [a-zA-Z0-9_.-].
func checkStreamName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: the name is empty", ErrInvalidStream)
	}
	if len(name) > MaxStreamNameLength {
		return fmt.Errorf("%w: the name has %d characters, at most %d are allowed", ErrInvalidStream, len(name), MaxStreamNameLength)
	}
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return fmt.Errorf("%w: the name %q holds %q, allowed are letters, digits and _.-", ErrInvalidStream, name, c)
		}
	}
	return nil
}

// clone returns a Stream that shares no memory with s. The name is the end of
// the ARN, as ParseStream cuts it.
func (s Stream) clone() Stream {
	if s.arn == "" {
		return Stream{name: strings.Clone(s.name)}
	}
	arn := strings.Clone(s.arn)
	return Stream{name: arn[len(arn)-len(s.name):], arn: arn}
}

// Name is the stream's name, also when it was given by ARN.
func (s Stream) Name() string { return s.name }

// ARN is the stream's ARN, empty when it was given by name.
func (s Stream) ARN() string { return s.arn }

// IsZero reports whether s names no stream.
func (s Stream) IsZero() bool { return s == Stream{} }

// String is what ParseStream was given.
func (s Stream) String() string {
	if s.arn != "" {
		return s.arn
	}
	return s.name
}

// APINames returns the two members that name a stream in a Kinesis request:
// either the name or the ARN is set, the other is nil.
func (s Stream) APINames() (streamName, streamARN *string) {
	if s.arn != "" {
		return nil, &s.arn
	}
	return &s.name, nil
}
