// Command invalidator watches the listings in PostgreSQL and removes from Redis
// exactly what each committed change makes stale.
//
//	invalidator [run]      invalidate, until SIGINT or SIGTERM
//	invalidator install    install or repair the capture triggers, as the table's owner
//	invalidator uninstall  remove the triggers and the schema freshlist
//	invalidator doctor     check all that the guarantee rests on; exit 1 if something fails
//	invalidator verify [--sample N]
//	                       hold all cached queries, or N of them, against the database;
//	                       exit 1 if one differs
//	invalidator status     print what the invalidator at INVALIDATOR_ADDR says of itself
//	invalidator health     exit 0 if the invalidator at INVALIDATOR_ADDR is ready, else 1
//
// It is configured by environment variables; README.md has the table.
package main

import (
	"context"
	"errors"
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
		fmt.Fprintln(os.Stderr, "invalidator:", err)
		os.Exit(1)
	}
}

const usage = `usage: invalidator [run] | install | uninstall | doctor | verify [--sample N] | status | health`

var errUsage = errors.New("unknown command line\n" + usage)

// run does what one command line asks for.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	command := "run"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if command == "verify" {
		return verify(ctx, args, getenv, stdout, stderr)
	}
	if len(args) > 0 {
		return errUsage
	}
	switch command {
	case "run":
		return runDaemon(ctx, getenv, stderr)
	case "install":
		return install(ctx, getenv, stdout)
	case "uninstall":
		return uninstall(ctx, getenv, stdout)
	case "doctor":
		return examine(ctx, getenv, stdout)
	case "status":
		return status(ctx, getenv, stdout)
	case "health":
		return health(ctx, getenv)
	}
	return errUsage
}
