package kinetrail_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/kinetrail/kinetrail"
)

const ordersARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"

func TestParseStreamTakesANameOrAnARN(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, name, arn string }{
		{"orders", "orders", ""},
		{"a", "a", ""},
		{"Orders_2026.v1-eu", "Orders_2026.v1-eu", ""},
		{strings.Repeat("x", 128), strings.Repeat("x", 128), ""},
		{ordersARN, "orders", ordersARN},
		{"arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders", "orders", "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders"},
		{"arn:aws-us-gov:kinesis:us-gov-west-1:000000000000:stream/a.b", "a.b", "arn:aws-us-gov:kinesis:us-gov-west-1:000000000000:stream/a.b"},
	}
	for _, tt := range tests {
		s, err := kinetrail.ParseStream(tt.text)
		if err != nil {
			t.Errorf("ParseStream(%q): %v", tt.text, err)
			continue
		}
		if s.Name() != tt.name || s.ARN() != tt.arn || s.String() != tt.text || s.IsZero() {
			t.Errorf("ParseStream(%q) has name %q, ARN %q, text %q, zero %t; want name %q, ARN %q",
				tt.text, s.Name(), s.ARN(), s, s.IsZero(), tt.name, tt.arn)
		}
		name, arn := s.APINames()
		if (name != nil) == (arn != nil) || name != nil && *name != tt.name || arn != nil && *arn != tt.arn {
			t.Errorf("ParseStream(%q).APINames() = %v, %v; want the ARN when there is one, else the name", tt.text, name, arn)
		}
	}
}

func TestParseStreamSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "invalid stream: the name is empty",
		strings.Repeat("x", 129): "invalid stream: the name has 129 characters, at most 128 are allowed",
		"or ders":                `invalid stream: the name "or ders" holds ' ', allowed are letters, digits and _.-`,
		"orders/1":               `invalid stream: the name "orders/1" holds '/', allowed are letters, digits and _.-`,
		"größe":                  `invalid stream: the name "größe" holds 'ö', allowed are letters, digits and _.-`,
		"arn:":                   `invalid stream: "arn:" is no ARN of a Kinesis stream`,
		"arn:aws:sqs:eu-west-1:123456789012:stream/orders":              `invalid stream: "arn:aws:sqs:eu-west-1:123456789012:stream/orders" is no ARN of a Kinesis stream`,
		"arn:aws:kinesis::123456789012:stream/orders":                   `invalid stream: "arn:aws:kinesis::123456789012:stream/orders" is no ARN of a Kinesis stream`,
		"arn:aws:kinesis:eu-west-1::stream/orders":                      `invalid stream: "arn:aws:kinesis:eu-west-1::stream/orders" is no ARN of a Kinesis stream`,
		"arn::kinesis:eu-west-1:123456789012:stream/orders":             `invalid stream: "arn::kinesis:eu-west-1:123456789012:stream/orders" is no ARN of a Kinesis stream`,
		"arn:aws:kinesis:eu-west-1:123456789012:table/orders":           `invalid stream: "arn:aws:kinesis:eu-west-1:123456789012:table/orders" names no stream but "table/orders"`,
		"arn:aws:kinesis:eu-west-1:123456789012:stream/":                "invalid stream: the name is empty",
		"arn:aws:kinesis:eu-west-1:123456789012:stream/o/consumer/c:17": `invalid stream: the name "o/consumer/c:17" holds '/', allowed are letters, digits and _.-`,
	} {
		s, err := kinetrail.ParseStream(text)
		if !errors.Is(err, kinetrail.ErrInvalidStream) || err.Error() != want {
			t.Errorf("ParseStream(%q): error %q; want %q", text, err, want)
		}
		if !s.IsZero() {
			t.Errorf("ParseStream(%q) = %q with an error; want the zero Stream", text, s)
		}
	}
}

func TestStreamsAreEqualWhenTheirTextsAre(t *testing.T) {
	t.Parallel()
	byName, _ := kinetrail.ParseStream("orders")
	again, _ := kinetrail.ParseStream("orders")
	byARN, _ := kinetrail.ParseStream(ordersARN)
	if byName != again || byName == byARN {
		t.Errorf("name == same name is %t, name == ARN is %t; want true, false", byName == again, byName == byARN)
	}
}

func FuzzParseStream(f *testing.F) {
	for _, text := range []string{"orders", ordersARN, "", "arn:", "arn:aws:kinesis:r:a:stream/", "a/b", "\xff", strings.Repeat("x", 129)} {
		f.Add(text)
	}
	name := regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`) // the service's own pattern
	arn := regexp.MustCompile(`(?s)^arn:[^:]+:kinesis:[^:]+:[^:]+:stream/`)
	f.Fuzz(func(t *testing.T, text string) {
		rest := text
		if prefix := arn.FindString(text); prefix != "" {
			rest = text[len(prefix):]
		}
		s, err := kinetrail.ParseStream(text)
		if want := name.MatchString(rest); (err == nil) != want {
			t.Fatalf("ParseStream(%q): error %v; want accepted %t", text, err, want)
		}
		if err != nil {
			if !errors.Is(err, kinetrail.ErrInvalidStream) || !s.IsZero() {
				t.Errorf("ParseStream(%q) = %q, %v; want the zero Stream and ErrInvalidStream", text, s, err)
			}
			return
		}
		if s.Name() != rest || s.String() != text {
			t.Errorf("ParseStream(%q) has name %q and text %q; want name %q", text, s.Name(), s, rest)
		}
		if again, err := kinetrail.ParseStream(s.String()); err != nil || again != s {
			t.Errorf("ParseStream(%q) is read again as %q, %v", text, again, err)
		}
	})
}
