package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/audit"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/doctor"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
)

func health(ctx context.Context, getenv config.Getenv) error {
	addr, err := config.LoadInvalidatorAddr(getenv)
	if err != nil {
		return err
	}
	return probe.Ready(ctx, addr)
}

func status(ctx context.Context, getenv config.Getenv, stdout io.Writer) error {
	addr, err := config.LoadInvalidatorAddr(getenv)
	if err != nil {
		return err
	}
	report, err := probe.Get(ctx, addr, "/status")
	if err != nil {
		return err
	}
	_, err = stdout.Write(report)
	return err
}

func install(ctx context.Context, getenv config.Getenv, stdout io.Writer) error {
	return onDatabase(ctx, getenv, func(conn *pgx.Conn) error {
		changed, err := schema.Install(ctx, conn)
		if err != nil {
			return err
		}
		said := "capture was in order, nothing changed"
		if changed {
			said = "capture installed"
		}
		_, err = fmt.Fprintln(stdout, said)
		return err
	})
}

func uninstall(ctx context.Context, getenv config.Getenv, stdout io.Writer) error {
	return onDatabase(ctx, getenv, func(conn *pgx.Conn) error {
		if err := schema.Uninstall(ctx, conn); err != nil {
			return err
		}
		_, err := fmt.Fprintln(stdout, "capture removed; nothing is cached any more")
		return err
	})
}

// verify holds cached queries against the database: some, drawn at random, or all.
func verify(ctx context.Context, args []string, getenv config.Getenv, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("invalidator verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sample := flags.Int("sample", 0, "check `N` queries, drawn at random, instead of all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *sample < 0 {
		return errUsage
	}
	c, err := config.LoadInvalidator(getenv)
	if err != nil {
		return err
	}
	rdb, err := rediscache.Connect(c.RedisURL.Reveal(), commandBudget, c.RedisTLS.Config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	auditor, err := audit.Open(rediscache.NewAuditor(rdb, spaceOf(c)), c.DatabaseURL.Reveal(), c.StalenessBound)
	if err != nil {
		return err
	}
	defer auditor.Close()
	summary, err := auditor.Verify(ctx, *sample, stdout)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, summary); err != nil {
		return err
	}
	if n := summary.Differ(); n > 0 {
		return fmt.Errorf("cached queries that are not what the database says: %d", n)
	}
	return nil
}

// commandBudget is how long a command waits for one answer of Redis.
const commandBudget = 5 * time.Second

var errDoctor = errors.New("see the lines that say FAIL")

// examine checks what the guarantee rests on.
func examine(ctx context.Context, getenv config.Getenv, stdout io.Writer) (err error) {
	c, err := config.LoadDoctor(getenv)
	if err != nil {
		return err
	}
	rdb, err := rediscache.Connect(c.RedisURL.Reveal(), commandBudget, c.RedisTLS.Config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	examined := examination(c.Invalidator, rdb)
	examined.LiveMax, examined.API, examined.Invalidator = c.LiveMax, c.APIAddr, c.Addr
	failed, err := doctor.Print(stdout, examined.Examine(ctx))
	if err == nil && failed {
		err = errDoctor
	}
	return err
}

// onDatabase calls do with a connection to DATABASE_URL.
func onDatabase(ctx context.Context, getenv config.Getenv, do func(*pgx.Conn) error) error {
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return err
	}
	conn, err := session.For("freshlist-invalidator").Connect(ctx, c.URL.Reveal())
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}
