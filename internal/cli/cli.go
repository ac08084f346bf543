package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes of the program.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells report it
)

// Run does what args say and returns the exit code. Cancelling ctx is Ctrl-C:
// the command finishes what it has accepted, says so, and returns.
//
// lookupEnv answers for the variables that are kinetrail's own business
// (TRACEPARENT, TRACESTATE, NO_COLOR, TERM). The AWS SDK and the producer's
// KINETRAIL_PROPAGATION read the environment of the process.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: lookupEnv}
	a.paint = paint(isTerminal(stdout) && a.wantsColour())
	a.width = terminalWidth(stdout)
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(append([]string{}, args...)) // never nil, which cobra takes for os.Args
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(ctx, cmd, err)
}

// app is one run of the program: where its text goes, and what the flags of
// the root command say.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookupEnv      func(string) (string, bool)
	paint          paint
	width          int // columns of the terminal that stdout is, 0 when it is none
	connection     connection
}

// commands lists the commands; the help shows them in this order.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		inGroup(groupLocal, a.demoCommand()),
		inGroup(groupLocal, a.serveCommand()),
		inGroup(groupStreams, a.putCommand()),
		inGroup(groupStreams, a.tailCommand()),
		inGroup(groupStreams, a.listCommand()),
		inGroup(groupStreams, a.describeCommand()),
		inGroup(groupStreams, a.reshardCommand()),
		inGroup(groupStreams, a.replayCommand()),
		inGroup(groupGroups, a.groupCommand()),
		inGroup(groupGroups, a.lagCommand()),
		inGroup(groupExplain, a.hashkeyCommand()),
		inGroup(groupExplain, a.decodeCommand()),
		inGroup(groupOther, a.completionCommand()),
		inGroup(groupOther, a.versionCommand()),
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kinetrail",
		Short: "Put, read and explain records of Kinesis streams",
		Long: `kinetrail puts, reads and explains records of Amazon Kinesis data streams, and
runs a local Kinesis to try things on. Records keep their trace: put continues
the trace in TRACEPARENT, tail shows it.

It finds AWS as the AWS CLI does: profiles, AWS_* variables, roles. --local means
the server that "kinetrail serve" starts, and needs no AWS account.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.`,
		Example: `  # What this is about, in a minute and without an account
  kinetrail demo

  # In one terminal, a local Kinesis
  kinetrail serve

  # In another, a record in and out again
  echo hello | kinetrail --local put greetings -k user-1 --create
  kinetrail --local tail greetings --from trim-horizon -n 1`,
		Version:       version().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          a.unknownCommand,
	}
	root.SetVersionTemplate("kinetrail {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	root.SetUsageTemplate(usageTemplate)
	root.AddGroup(commandGroups()...)
	a.connection.addFlags(root.PersistentFlags())
	root.AddCommand(a.commands()...)
	root.InitDefaultVersionFlag()
	root.Flags().Lookup("version").Usage = "show the version"
	root.SetHelpCommand(inGroup(groupOther, a.helpCommand()))
	root.InitDefaultHelpCmd()
	arrangeHelp(root)
	return root
}

// unknownCommand runs when no command's name stands where one should.
func (a *app) unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return root.Help()
	}
	return noCommand(root, args[0])
}

// noCommand is the error of a word where one of cmd's commands should stand, with
// the one that is most like it.
func noCommand(cmd *cobra.Command, word string) error {
	under := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
	name := func(word string) string { return strings.TrimSpace(under + " " + word) }
	err := &usageError{command: cmd.CommandPath(), err: fmt.Errorf("there is no command %q", name(word))}
	for cmd.SuggestionsMinimumDistance = 1; word != "" && cmd.SuggestionsMinimumDistance <= 2; cmd.SuggestionsMinimumDistance++ {
		if similar := cmd.SuggestionsFor(word); len(similar) > 0 {
			err.hint = fmt.Sprintf("Did you mean %q?", name(similar[0]))
			break
		}
	}
	return err
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// wantsColour follows no-color.org and the oldest convention for terminals
// that know no colour.
func (a *app) wantsColour() bool {
	if value, set := a.lookupEnv("NO_COLOR"); set && value != "" {
		return false
	}
	terminal, _ := a.lookupEnv("TERM")
	return terminal != "dumb"
}
