package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Write a script that lets a shell complete commands",
		Long: `completion writes a script that lets a shell complete the names of commands, flags,
their values and groups. In bash it needs the package bash-completion.`,
		Example: `  # For this session
  source <(kinetrail completion bash)
  source <(kinetrail completion zsh)
  kinetrail completion fish | source
  kinetrail completion powershell | Out-String | Invoke-Expression

  # For every session to come
  kinetrail completion bash > ~/.local/share/bash-completion/completions/kinetrail
  kinetrail completion zsh > "${fpath[1]}/_kinetrail"
  kinetrail completion fish > ~/.config/fish/completions/kinetrail.fish`,
		Args:      wantArgs(1, 1, "one of bash, zsh, fish and powershell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.stdout, true)
		case "zsh":
			return root.GenZshCompletion(a.stdout)
		case "fish":
			return root.GenFishCompletion(a.stdout, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(a.stdout)
		}
		return usageErrorf(cmd, "%s: it takes bash, zsh, fish or powershell", abbreviate(args[0]))
	}
	return cmd
}
