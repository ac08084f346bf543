package cli

import "github.com/spf13/cobra"

func init() {
	cobra.EnableCommandSorting = false // the help tells a story, not the alphabet
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
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" tells more about a command.
{{- end}}
`
