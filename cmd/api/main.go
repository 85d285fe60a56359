// Command api serves property listings over HTTP, reading them through Redis.
//
//	api [serve]                    serve, until SIGINT or SIGTERM
//	api migrate up|down [N]|status bring the database's tables up to date, or back N steps (1)
//	api seed [--rows N]            load the sample listings, and more of them up to N rows
//	api describe RELATION...       print a first description of tables that exist
//	api health                     exit 0 if the API at HTTP_ADDR is ready, else 1
//
// It is configured by environment variables; README.md has the table.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(exitCode(err))
	}
}

const usage = `usage: api [serve] | migrate up | migrate down [N] | migrate status | seed [--rows N] | describe RELATION... | health`

// run does what one command line asks for.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "serve" && len(args) == 0:
		return serveAPI(ctx, getenv, stderr)
	case command == "migrate" && len(args) > 0:
		return migrate(ctx, args, getenv, stdout)
	case command == "seed":
		return seed(ctx, args, getenv, stdout, stderr)
	case command == "describe":
		return describe(ctx, args, getenv, stdout)
	case command == "health" && len(args) == 0:
		return health(ctx, getenv)
	}
	return fmt.Errorf("unknown command line\n%s", usage)
}
