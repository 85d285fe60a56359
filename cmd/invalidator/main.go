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
	"github.com/freshlist/freshlist/internal/telemetry"
)

func main() {
	cli.Main("invalidator", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr, os.Environ()...)
	})
}

// run does what one command line asks for. environ is looked at for what looks like a variable
// of ours and is none.
func run(ctx context.Context, args []string, getenv config.Getenv, stdout, stderr io.Writer, environ ...string) error {
	root := commands(getenv, stdout, stderr)
	cli.Before(root, func() { telemetry.WarnOfUnknown(stderr, getenv, environ) })
	return cli.Execute(ctx, root, args)
}

// commands returns the program's commands.
func commands(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	root := cli.Program("invalidator", "Remove from Redis what each committed change makes stale",
		"Watches the described tables in PostgreSQL and removes from Redis exactly what each committed\n"+
			"change makes stale. Without a command: run.\n"+
			"Environment variables configure it: DATABASE_URL, REDIS_URL and those in README.md.",
		stdout, stderr, func(cmd *cobra.Command) error { return cli.Daemon(runDaemon(cmd.Context(), getenv, stderr)) })
	simple := func(use, short, example string, do func(context.Context) error) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Example: "  " + example, Args: cli.Arguments(0, 0, ""),
			RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context()) },
		}
	}
	root.AddCommand(
		simple("run", "Invalidate until SIGINT or SIGTERM", "DATABASE_URL=postgres://freshlist_invalidator@db/homes REDIS_URL=redis://cache invalidator run", func(ctx context.Context) error { return cli.Daemon(runDaemon(ctx, getenv, stderr)) }),
		installCommand(getenv, stdout, stderr),
		simple("uninstall", "Remove capture and the schema freshlist; nothing is cached then", "invalidator uninstall", func(ctx context.Context) error { return uninstall(ctx, getenv, stdout) }),
		doctorCommand(getenv, stdout),
		verifyCommand(getenv, stdout, stderr),
		statusCommand(getenv, stdout),
		explainCommand(getenv, stdout),
		purgeCommand(getenv, stdout, stderr),
		tailCommand(getenv, stdout),
		topCommand(getenv, stdout),
		simple("health", "Exit 0 if the invalidator at INVALIDATOR_ADDR is ready, else 1", "invalidator health || echo not ready", func(ctx context.Context) error { return health(ctx, getenv) }),
	)
	return root
}
