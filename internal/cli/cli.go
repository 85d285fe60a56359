// Package cli is what the two programs' command lines have in common: help, versions, exit
// codes and how errors are printed. The commands themselves are in cmd.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	Failed = 1 // something did not work, or was found not to be in order
	Wrong  = 2 // the command line is wrong
)

// usageError says that a command line is wrong, and how to see what is right.
type usageError struct {
	command string // whose help tells more
	err     error
}

func (e *usageError) Error() string { return e.err.Error() + "\nsee: " + e.command + " --help" }

func (e *usageError) Unwrap() error { return e.err }

// WrongUsage returns an error that says that a command line is wrong.
func WrongUsage(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// ExitCode returns the code to exit with: Wrong for a wrong command line, Failed for all else
// that fails.
func ExitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return Wrong
	}
	return Failed
}

// Program returns the root of a program's commands. do is what happens without any.
func Program(name, short, long string, stdout, stderr io.Writer, do func(*cobra.Command) error) *cobra.Command {
	root := &cobra.Command{
		Use:           name,
		Short:         short,
		Long:          long,
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noneOf,
		RunE:          func(cmd *cobra.Command, _ []string) error { return do(cmd) },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return WrongUsage(cmd, "%w", err) })
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// Main runs a program until it ends or is told to, by SIGINT or SIGTERM, and exits with its code.
func Main(name string, run func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		PrintFatal(os.Stderr, os.Getenv, name, err)
		os.Exit(ExitCode(err))
	}
}

// Before has something done before each command of a program but those of help and completion,
// whose output a shell reads.
func Before(root *cobra.Command, do func()) {
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		for c := cmd; c != nil; c = c.Parent() {
			if c.Name() == "completion" || c.Name() == cobra.ShellCompRequestCmd || c.Name() == cobra.ShellCompNoDescRequestCmd {
				return
			}
		}
		do()
	}
}

// Execute does what one command line asks for.
func Execute(ctx context.Context, root *cobra.Command, args []string) error {
	root.SetArgs(append([]string{}, args...)) // never nil, which would stand for os.Args
	return root.ExecuteContext(ctx)
}

// noneOf refuses what is no command, with the nearest one.
func noneOf(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return WrongUsage(cmd, "there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return WrongUsage(cmd, "there is no command %q", args[0])
}

// Arguments returns a check of how many arguments a command has. what names them.
func Arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case most == 0 && len(args) > 0:
			return WrongUsage(cmd, "%s takes no argument, and %q is one", cmd.CommandPath(), args[0])
		case len(args) < least:
			return WrongUsage(cmd, "%s needs %s", cmd.CommandPath(), what)
		case most >= 0 && len(args) > most:
			return WrongUsage(cmd, "%s takes %s, and no %q besides", cmd.CommandPath(), what, args[most])
		}
		return nil
	}
}

// Any is as many arguments as there may be.
const Any = -1
