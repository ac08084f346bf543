package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/spf13/cobra"
)

// groupStore is a place where groups keep their leases.
type groupStore interface {
	// String is the place as --store takes it, without a password.
	String() string

	// groups are the names of the groups it knows, sorted.
	groups(ctx context.Context) ([]string, error)

	// exists reports whether it knows this group.
	exists(ctx context.Context, group string) (bool, error)

	// open opens a group, and makes it if it is new.
	open(ctx context.Context, group string) (lease.Store, error)

	// close ends the use of the place and of the groups that were opened.
	close() error
}

// storeVariable is where groups are kept when --store does not say.
const storeVariable = "KINETRAIL_STORE"

// storeFlag is the flag --store of a command.
type storeFlag struct{ text string }

func (f *storeFlag) String() string { return f.text }
func (f *storeFlag) Type() string   { return "place" }
func (f *storeFlag) Set(text string) error {
	if _, err := parseStore(text); err != nil {
		return err
	}
	f.text = text
	return nil
}

// addStoreFlag gives a command the flag --store.
func addStoreFlag(cmd *cobra.Command) *storeFlag {
	flag := new(storeFlag)
	cmd.Flags().Var(flag, "store", "`place` where groups are kept (default "+storeVariable+", else file:)")
	completeStore(cmd, "store")
	return flag
}

// completeStore lets the shell complete how a place begins.
func completeStore(cmd *cobra.Command, flag string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, completeStoreArg); err != nil {
		panic(err) // the only error is a flag that does not exist
	}
}

func completeStoreArg(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"file:", "redis://", "rediss://", "dynamodb:"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// reachStore makes the store that a --store text means.
type reachStore func(ctx context.Context, a *app) (groupStore, error)

// storeForms is what is said about a text that means no store.
const storeForms = "it takes file:DIR, redis://HOST:PORT, rediss://HOST:PORT or dynamodb:[TABLE]"

// parseStore reads where groups are kept. It looks at the text alone.
func parseStore(text string) (reachStore, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme {
	case "file":
		return parseFileStore(rest)
	case "redis", "rediss":
		return parseRedisStore(text)
	case "dynamodb":
		return parseDynamoStore(rest)
	case "memory", "mem":
		return nil, errors.New("what is in the memory of one process no other one can share; take file:DIR")
	}
	return nil, errors.New(storeForms)
}

// openStore opens the place that the flag, the variable or nobody names.
func (a *app) openStore(ctx context.Context, flag *storeFlag) (groupStore, error) {
	if flag.text != "" {
		return a.openPlace(ctx, flag.text)
	}
	if text, _ := a.lookupEnv(storeVariable); text != "" {
		store, err := a.openPlace(ctx, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", storeVariable, err)
		}
		return store, nil
	}
	return a.openPlace(ctx, "file:")
}

func (a *app) openPlace(ctx context.Context, text string) (groupStore, error) {
	reach, err := parseStore(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", abbreviate(text), err)
	}
	return reach(ctx, a)
}

// openGroup opens a group that is there.
func openGroup(ctx context.Context, store groupStore, group string) (lease.Store, error) {
	known, err := store.exists(ctx, group)
	if err != nil {
		return nil, &storeError{store, err}
	}
	if !known {
		return nil, &hintedError{
			err:  fmt.Errorf("there is no group %q in %s", group, store),
			hint: "\"kinetrail group list\" shows those there are; --store names another place.",
		}
	}
	return makeGroup(ctx, store, group)
}

// makeGroup opens a group, and makes it if it is new.
func makeGroup(ctx context.Context, store groupStore, group string) (lease.Store, error) {
	opened, err := store.open(ctx, group)
	if err != nil {
		return nil, &storeError{store, err}
	}
	return opened, nil
}

// storeError is what went wrong in the place where groups are kept.
type storeError struct {
	store groupStore
	err   error
}

func (e *storeError) Error() string {
	reason, _ := explain(e.err)
	return fmt.Sprintf("%s: %s", e.store, reason)
}

func (e *storeError) Unwrap() error { return e.err }

// groupName is a flag: the name of a group.
type groupName string

func (n *groupName) String() string { return string(*n) }
func (n *groupName) Type() string   { return "name" }
func (n *groupName) Set(text string) error {
	if err := checkGroup(text); err != nil {
		return err
	}
	*n = groupName(text)
	return nil
}

// groupArg reads a GROUP argument.
func groupArg(cmd *cobra.Command, text string) (string, error) {
	if err := checkGroup(text); err != nil {
		return "", usageErrorf(cmd, "group %s: %w", abbreviate(text), err)
	}
	return text, nil
}

// maxGroupName leaves room for what stores put around a name: a table's has at
// most 255 characters, and so has a file's.
const maxGroupName = 200

// checkGroup allows what can be a file, a key and a table.
func checkGroup(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	foreign := func(r rune) bool { return !strings.ContainsRune(letters+"_.-", r) }
	if name == "" || len(name) > maxGroupName || strings.ContainsFunc(name, foreign) || strings.HasPrefix(name, ".") {
		return fmt.Errorf("a group's name is 1 to %d letters, digits and _.-, and begins with no dot", maxGroupName)
	}
	return nil
}

// stateDir is where the program may keep what is to survive: that of the XDG
// base directories, or the local application data of Windows.
func (a *app) stateDir() (string, error) {
	home, inHome := "HOME", []string{".local", "state"}
	if runtime.GOOS == "windows" {
		home, inHome = "LOCALAPPDATA", nil
	}
	if dir, _ := a.lookupEnv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kinetrail"), nil
	}
	dir, _ := a.lookupEnv(home)
	if dir == "" {
		return "", &hintedError{
			err:  fmt.Errorf("there is no place for groups: %s is not set", home),
			hint: "Name one with --store file:DIR.",
		}
	}
	return filepath.Join(slices.Concat([]string{dir}, inHome, []string{"kinetrail"})...), nil
}
