package cli

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func init() {
	cobra.EnableCommandSorting = false // the help tells a story, not the alphabet
	cobra.AddTemplateFuncs(map[string]any{"ownFlags": ownFlags, "asksKinesis": asksKinesis, "usages": flagUsages})
}

// helpWidth is how many columns the help takes.
const helpWidth = 80

func flagUsages(flags *pflag.FlagSet) string { return flags.FlagUsagesWrapped(helpWidth) }

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		Short:             "Show the help of a command",
		Long:              "help shows the help of a command, as the flag --help of the command does.",
		Example:           "  kinetrail help put\n  kinetrail help group reset",
		ValidArgsFunction: completeCommands,
		RunE: func(help *cobra.Command, words []string) error {
			cmd, rest, err := help.Root().Find(words)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noCommand(cmd, rest[0])
			}
			return cmd.Help()
		},
	}
}

// completeCommands lets the shell complete the names of commands.
func completeCommands(help *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if cmd, rest, err := help.Root().Find(words); err == nil && len(rest) == 0 {
		for _, part := range cmd.Commands() {
			names = append(names, part.Name())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// ownFlags are the flags of a command that its parents do not have, in the order
// in which it has them.
func ownFlags(cmd *cobra.Command) *pflag.FlagSet {
	own := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	own.SortFlags = false
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if cmd.PersistentFlags().Lookup(flag.Name) == nil {
			own.AddFlag(flag)
		}
	})
	return own
}

// alone are the commands that ask no Kinesis but their own, so that their help
// need not say how one is found.
var alone = []string{"demo", "serve", "decode", "completion", "version", "help"}

func asksKinesis(cmd *cobra.Command) bool { return !slices.Contains(alone, cmd.Name()) }

// arrangeHelp lets the help of a command and of those below it show flags in the
// order in which the command has them, and --help last.
func arrangeHelp(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.PersistentFlags().SortFlags = false
	cmd.InitDefaultHelpFlag()
	cmd.Flags().Lookup("help").Usage = "show this help"
	for _, part := range cmd.Commands() {
		arrangeHelp(part)
	}
}

// Groups of commands in the help.
const (
	groupLocal   = "local"
	groupStreams = "streams"
	groupGroups  = "groups"
	groupExplain = "explain"
	groupOther   = "other"
)

func commandGroups() []*cobra.Group {
	return []*cobra.Group{
		{ID: groupLocal, Title: "Try it on this machine:"},
		{ID: groupStreams, Title: "Work with streams:"},
		{ID: groupGroups, Title: "Work with consumer groups:"},
		{ID: groupExplain, Title: "Explain keys, numbers and records (no connection needed):"},
		{ID: groupOther, Title: "Other:"},
	}
}

func inGroup(group string, cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = group
	return cmd
}

// usageTemplate is what follows a command's description in its help.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [flags]{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- $commands := .Commands}}
{{- range $group := .Groups}}

{{.Title}}
{{- range $commands}}{{if and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}
{{- end}}
{{- if and .HasAvailableSubCommands (not .Groups)}}

Commands:
{{- range $commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}
{{- end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{ownFlags . | usages | trimTrailingWhitespaces}}
{{- end}}
{{- if asksKinesis .}}

Which Kinesis (AWS, found as the AWS CLI does, unless these say otherwise):
{{.Root.PersistentFlags | usages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" tells more about a command.
{{- end}}
`
