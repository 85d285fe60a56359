package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

func health(ctx context.Context, getenv config.Getenv) error {
	addr, err := config.LoadAPIAddr(getenv)
	if err != nil {
		return err
	}
	return probe.Ready(ctx, addr)
}

func migrate(ctx context.Context, args []string, getenv config.Getenv, stdout io.Writer) error {
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return err
	}
	switch {
	case args[0] == "up" && len(args) == 1:
		if err := schema.Up(ctx, c.URL.Reveal()); err != nil {
			return err
		}
	case args[0] == "down" && len(args) <= 2:
		steps := 1
		if len(args) == 2 {
			if steps, err = strconv.Atoi(args[1]); err != nil {
				return fmt.Errorf("migrate down %q: N must be a number of steps", args[1])
			}
		}
		if err := schema.Down(ctx, c.URL.Reveal(), steps); err != nil {
			return err
		}
	case args[0] == "status" && len(args) == 1:
	default:
		return fmt.Errorf("unknown command line\n%s", usage)
	}
	v, err := schema.Status(c.URL.Reveal())
	if err != nil {
		return err
	}
	note := ""
	if v.Dirty {
		note = ", which failed halfway: mend the table by hand, then set schema_migrations"
	}
	_, err = fmt.Fprintf(stdout, "migrations: %d of %d applied%s\n", v.Applied, v.Latest, note)
	return err
}

func seed(ctx context.Context, args []string, getenv config.Getenv, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("api seed", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rows := flags.Int("rows", 0, "top the table up to this many `rows`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *rows < 0 {
		return fmt.Errorf("unknown command line\n%s", usage)
	}
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return err
	}
	owner := session.For("freshlist-seed").With("search_path", session.TriggerPath)
	conn, err := owner.Connect(ctx, c.URL.Reveal())
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	added, err := schema.Seed(ctx, conn, *rows)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d listings added\n", added)
	return err
}
