package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/schema"
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

// onDatabase calls do with a connection to DATABASE_URL.
func onDatabase(ctx context.Context, getenv config.Getenv, do func(*pgx.Conn) error) error {
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.URL.Reveal())
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}
