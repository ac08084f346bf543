package cli

import (
	"os"
	"strings"

	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/spf13/cobra"
)

// What decode can be told to take its argument for.
const (
	asAuto     = "auto"
	asKey      = "key"
	asSequence = "sequence-number"
	asRecord   = "record"
)

func (a *app) decodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decode [KEY | NUMBER | FILE | -]",
		Short: "Explain a stored partition key, a sequence number or a record",
		Long: `decode explains what Kinesis stores:

  a partition key    the trace context it carries, and the key the producer gave
  a sequence number  when it was given out, on which shard, as which record
  a record's data    from a file, or from stdin with "-" or no argument: the user
                     records in a KPL container, with their keys and headers

It tells them apart by itself: 56 digits are a sequence number, the name of an
existing file is a record, everything else is a key. --as settles the rest.

A key or a container that is broken is an error (exit code 1).`,
		Example: `  kinetrail decode 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-k1=user-1
  kinetrail decode 49646421264737784557324905820411013094940000525450477570

  # A record as the AWS CLI prints it
  aws kinesis get-records --shard-iterator "$iterator" --query 'Records[0].Data' \
      --output text | base64 -d | kinetrail decode`,
		Args: wantArgs(0, 1, "one KEY, NUMBER or FILE"),
	}
	kind := &choice{value: asAuto, allowed: []string{asAuto, asKey, asSequence, asRecord}}
	cmd.Flags().Var(kind, "as", "what the argument is: "+oneOf(kind.allowed))
	completeWith(cmd, "as", kind.allowed...)
	form := outputFlag(cmd, asTable, asJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && isTerminal(a.stdin) {
			return usageErrorf(cmd, "%s needs a KEY, a NUMBER, a FILE, or a record on stdin", cmd.Name())
		}
		text := "-"
		if len(args) == 1 {
			text = args[0]
		}
		switch kindOf(text, kind.value) {
		case asSequence:
			return a.decodeSequence(form, text)
		case asRecord:
			return a.decodeRecord(form, text)
		}
		return a.decodeKey(form, text)
	}
	return cmd
}

// kindOf settles what an argument is.
func kindOf(text, kind string) string {
	if kind != asAuto {
		return kind
	}
	if len(text) == sequence.Digits && strings.Trim(text, "0123456789") == "" {
		return asSequence
	}
	if text == "-" {
		return asRecord
	}
	if info, err := os.Stat(text); err == nil && info.Mode().IsRegular() {
		return asRecord
	}
	return asKey
}
