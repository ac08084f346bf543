package cli

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// namedCommand is a command to run next, as sentences and hints name it.
var namedCommand = regexp.MustCompile(`"kinetrail ([^"]+)"`)

// followUp gives the commands that a text names the flags by which cmd found its
// Kinesis and its groups: without them, who pastes one looks somewhere else.
func (a *app) followUp(cmd *cobra.Command, text string) string {
	unsaid := false
	text = namedCommand.ReplaceAllStringFunc(text, func(named string) string {
		words := namedCommand.FindStringSubmatch(named)[1]
		name, _, _ := strings.Cut(words, " ")
		if name == "serve" || strings.HasSuffix(words, "--help") {
			return named
		}
		command := strings.Join(append(append([]string{"kinetrail"}, a.connection.flags()...), words), " ")
		if name == "group" || name == "lag" {
			place := storeOf(cmd)
			if hasPassword(place) {
				unsaid = true
			} else if place != "" {
				command += " --store " + shellWord(place)
			}
		}
		return `"` + command + `"`
	})
	if unsaid {
		text += " Give it the same --store."
	}
	return text
}

// flags are the flags that lead to this connection.
func (c *connection) flags() []string {
	var flags []string
	if c.local {
		flags = append(flags, "--local")
	}
	if c.endpoint != "" {
		flags = append(flags, "--endpoint-url", shellWord(string(c.endpoint)))
	}
	if c.region != "" {
		flags = append(flags, "--region", shellWord(c.region))
	}
	return flags
}

// storeOf is the --store that a command was given, "" when it was given none.
func storeOf(cmd *cobra.Command) string {
	if flag := cmd.Flags().Lookup("store"); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// hasPassword reports whether a place names one, which is not for printing.
func hasPassword(place string) bool {
	parsed, err := url.Parse(place)
	if err != nil {
		return false
	}
	_, has := parsed.User.Password()
	return has
}

// shellWord is text as a shell takes it for one word.
func shellWord(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+=,-"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
