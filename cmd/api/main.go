// Command api serves described tables over HTTP, reading them through Redis. Run api --help
// for its commands. It is configured by environment variables; README.md has the table.
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
	cli.Main("api", func(ctx context.Context) error {
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
	root := cli.Program("api", "Serve described tables over HTTP, through Redis",
		"Serves described tables over HTTP, reading them through Redis. Without a command: serve.\n"+
			"Environment variables configure it: DATABASE_URL, REDIS_URL and those in README.md.",
		stdout, stderr, func(cmd *cobra.Command) error { return cli.Daemon(serveAPI(cmd.Context(), getenv, stderr)) })
	root.AddCommand(
		&cobra.Command{
			Use: "serve", Short: "Serve until SIGINT or SIGTERM", Args: cli.Arguments(0, 0, ""),
			Example: "  DATABASE_URL=postgres://freshlist_api@db/homes REDIS_URL=redis://cache api serve",
			RunE:    func(cmd *cobra.Command, _ []string) error { return cli.Daemon(serveAPI(cmd.Context(), getenv, stderr)) },
		},
		migrateCommand(getenv, stdout),
		seedCommand(getenv, stdout, stderr),
		importCommand(getenv, stdout, stderr),
		describeCommand(getenv, stdout),
		&cobra.Command{
			Use: "health", Short: "Exit 0 if the API at HTTP_ADDR is ready, else 1", Args: cli.Arguments(0, 0, ""),
			RunE: func(cmd *cobra.Command, _ []string) error { return health(cmd.Context(), getenv) },
		},
	)
	return root
}
