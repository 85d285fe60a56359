// Command invalidator watches the described tables in PostgreSQL and removes from Redis exactly
// what each committed change makes stale. Run invalidator --help for its commands. It is
// configured by environment variables; README.md has the table.
package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
)

func main() {
	cli.Main("invalidator", func(ctx context.Context) error { return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr) })
}

// run does what one command line asks for.
func run(ctx context.Context, args []string, getenv config.Getenv, stdout, stderr io.Writer) error {
	return cli.Execute(ctx, commands(getenv, stdout, stderr), args)
}

// commands returns the program's commands.
func commands(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	root := cli.Program("invalidator", "Remove from Redis what each committed change makes stale",
		"Watches the described tables in PostgreSQL and removes from Redis exactly what each committed\n"+
			"change makes stale. Without a command: run.\n"+
			"Environment variables configure it: DATABASE_URL, REDIS_URL and those in README.md.",
		stdout, stderr, func(cmd *cobra.Command) error { return runDaemon(cmd.Context(), getenv, stderr) })
	simple := func(use, short string, do func(context.Context) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cli.Arguments(0, 0, ""),
			RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context()) },
		}
	}
	root.AddCommand(
		simple("run", "Invalidate until SIGINT or SIGTERM", func(ctx context.Context) error { return runDaemon(ctx, getenv, stderr) }),
		installCommand(getenv, stdout, stderr),
		simple("uninstall", "Remove capture and the schema freshlist; nothing is cached then", func(ctx context.Context) error { return uninstall(ctx, getenv, stdout) }),
		simple("doctor", "Check all that the guarantee rests on; exit 1 if something fails", func(ctx context.Context) error { return examine(ctx, getenv, stdout) }),
		verifyCommand(getenv, stdout),
		simple("status", "Print what the invalidator at INVALIDATOR_ADDR says of itself", func(ctx context.Context) error { return status(ctx, getenv, stdout) }),
		simple("health", "Exit 0 if the invalidator at INVALIDATOR_ADDR is ready, else 1", func(ctx context.Context) error { return health(ctx, getenv) }),
	)
	return root
}
