package cli

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/spf13/cobra"
)

// wantArgs checks the number of arguments; names says which, such as
// "STREAM [DATA]". most below 0 means any number.
func wantArgs(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageErrorf(cmd, "%s needs %s", cmd.Name(), names)
		case most == 0 && len(args) > 0:
			return usageErrorf(cmd, "%s takes no arguments, so %q is too much", cmd.Name(), args[0])
		case most > 0 && len(args) > most:
			return usageErrorf(cmd, "%s takes %s, so %q is too much", cmd.Name(), names, args[most])
		}
		return nil
	}
}

// oneOfFlags refuses two flags that contradict each other.
func oneOfFlags(cmd *cobra.Command, a, b string) error {
	if cmd.Flags().Changed(a) && cmd.Flags().Changed(b) {
		return usageErrorf(cmd, "--%s and --%s exclude each other", a, b)
	}
	return nil
}

// streamArg reads a STREAM argument, a name or an ARN.
func streamArg(cmd *cobra.Command, text string) (kinetrail.Stream, error) {
	stream, err := kinetrail.ParseStream(text)
	if err != nil {
		return kinetrail.Stream{}, usageErrorf(cmd, "%w", err)
	}
	return stream, nil
}

// checkPartitionKey refuses what Kinesis would.
func checkPartitionKey(key string) error {
	if key == "" {
		return errors.New("a partition key has at least 1 character")
	}
	if !utf8.ValidString(key) {
		return errors.New("a partition key is UTF-8 text")
	}
	length := 0
	for _, r := range key {
		length += utf16.RuneLen(r)
	}
	if length > kinetrail.MaxPartitionKeyLength {
		return fmt.Errorf("a partition key has at most %d characters, this one has %d", kinetrail.MaxPartitionKeyLength, length)
	}
	return nil
}

// partitionKey is a flag: a key of 1 to 256 characters, or none.
type partitionKey string

func (k *partitionKey) String() string { return string(*k) }
func (k *partitionKey) Type() string   { return "key" }
func (k *partitionKey) Set(text string) error {
	if err := checkPartitionKey(text); err != nil {
		return err
	}
	*k = partitionKey(text)
	return nil
}

// hashKeyFlag is a flag: a decimal hash key.
type hashKeyFlag string

func (k *hashKeyFlag) String() string { return string(*k) }
func (k *hashKeyFlag) Type() string   { return "number" }
func (k *hashKeyFlag) Set(text string) error {
	if _, err := shardmap.ParseHashKey(text); err != nil {
		return fmt.Errorf("it takes a decimal number from 0 to %s", shardmap.MaxHashKey)
	}
	*k = hashKeyFlag(text)
	return nil
}

// headerFlags is a repeatable flag: headers as name=value.
type headerFlags []kinetrail.Header

func (h *headerFlags) String() string { return "" }
func (h *headerFlags) Type() string   { return "name=value" }
func (h *headerFlags) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" || !utf8.ValidString(text) {
		return errors.New("it takes name=value, in UTF-8")
	}
	*h = append(*h, kinetrail.Header{Name: name, Value: value})
	return nil
}

// carrierFlag is a flag: the name of a carrier.
type carrierFlag tracecarrier.Carrier

func (c *carrierFlag) String() string { return string(*c) }
func (c *carrierFlag) Type() string   { return "carrier" }
func (c *carrierFlag) Set(text string) error {
	carrier, err := tracecarrier.ParseCarrier(text)
	if err != nil {
		return errors.New("it takes off, lossless, traceparent, headers or partition-key")
	}
	*c = carrierFlag(carrier)
	return nil
}
