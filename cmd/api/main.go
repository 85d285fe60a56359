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
)

func main() {
	cli.Main("api", func(ctx context.Context) error { return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr) })
}

// run does what one command line asks for.
func run(ctx context.Context, args []string, getenv config.Getenv, stdout, stderr io.Writer) error {
	return cli.Execute(ctx, commands(getenv, stdout, stderr), args)
}

// commands returns the program's commands.
func commands(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	root := cli.Program("api", "Serve described tables over HTTP, through Redis",
		"Serves described tables over HTTP, reading them through Redis. Without a command: serve.\n"+
			"Environment variables configure it: DATABASE_URL, REDIS_URL and those in README.md.",
		stdout, stderr, func(cmd *cobra.Command) error { return serveAPI(cmd.Context(), getenv, stderr) })
	root.AddCommand(
		&cobra.Command{
			Use: "serve", Short: "Serve until SIGINT or SIGTERM", Args: cli.Arguments(0, 0, ""),
			Example: "  DATABASE_URL=postgres://freshlist_api@db/homes REDIS_URL=redis://cache api serve",
			RunE:    func(cmd *cobra.Command, _ []string) error { return serveAPI(cmd.Context(), getenv, stderr) },
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
