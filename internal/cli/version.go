package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build says which program this is.
type build struct {
	Version   string `json:"version"`
	Revision  string `json:"revision,omitempty"`
	GoVersion string `json:"go_version"`
	Platform  string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Long:    "version says which version of kinetrail this is, and what it was built with.",
		Example: "  kinetrail version\n  kinetrail version -o json",
		Args:    wantArgs(0, 0, ""),
	}
	form := outputFlag(cmd, asTable, asJSON)
	cmd.RunE = func(*cobra.Command, []string) error {
		b := version()
		if form.value == asJSON {
			return a.writeJSON(b)
		}
		_, err := fmt.Fprintf(a.stdout, "kinetrail %s (%s, %s)\n", b.Version, b.GoVersion, b.Platform)
		return err
	}
	return cmd
}

// version reads what the Go tool wrote into the binary.
func version() build {
	b := build{Version: "(devel)", GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.Revision = setting.Value
		}
	}
	return b
}
