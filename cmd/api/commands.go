package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/csvimport"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func health(ctx context.Context, getenv config.Getenv) error {
	addr, err := config.LoadAPIAddr(getenv)
	if err != nil {
		return err
	}
	return probe.Ready(ctx, addr)
}

func migrateCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	group := &cobra.Command{
		Use: "migrate", Short: "Make, change and take back the tables of the shipped site",
		Long: "Applies the migrations of the shipped site's tables to the database at DATABASE_URL. Tables of your own need none of them.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.WrongUsage(cmd, "migrate needs one of up, down, status, force")
			}
			return cli.WrongUsage(cmd, "there is no command migrate %s; it is one of up, down, status, force", args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	up := &cobra.Command{
		Use: "up", Short: "Apply the migrations that are missing", Args: cli.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return migrate(cmd.Context(), getenv, stdout, func(url string) error { return schema.Up(cmd.Context(), url) })
		},
	}
	down := &cobra.Command{
		Use: "down [N]", Short: "Take back the last N migrations (1); capture goes, too", Args: cli.Arguments(0, 1, "at most a number of steps"),
		RunE: func(cmd *cobra.Command, args []string) error {
			steps, err := number(cmd, args, 1)
			if err != nil {
				return err
			}
			return migrate(cmd.Context(), getenv, stdout, func(url string) error { return schema.Down(cmd.Context(), url, steps) })
		},
	}
	status := &cobra.Command{
		Use: "status", Short: "Say which migrations are applied", Args: cli.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return migrate(cmd.Context(), getenv, stdout, func(string) error { return nil })
		},
	}
	force := &cobra.Command{
		Use: "force [N]", Short: "End the dirty state of a migration that was cut off", Args: cli.Arguments(0, 1, "at most the number of a migration"),
		Long: "A migration that was cut off, by a crash or a lost connection, was kept whole or not at all. " +
			"Without N, force finds out which, by trying it in a transaction that it takes back. With N it says that N is the last one applied.",
		Example: "  api migrate force",
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := number(cmd, args, 0)
			if err != nil {
				return err
			}
			return migrate(cmd.Context(), getenv, stdout, func(url string) error { return schema.Force(cmd.Context(), url, uint(to)) })
		},
	}
	group.AddCommand(up, down, status, force)
	return group
}

// number returns the number that a command line gives, 1 or more, or the usual one.
func number(cmd *cobra.Command, args []string, usual int) (int, error) {
	if len(args) == 0 {
		return usual, nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return 0, cli.WrongUsage(cmd, "%s %q: N must be a number, 1 or more", cmd.CommandPath(), args[0])
	}
	return n, nil
}

// migrate does something with the migrations, and says where the database stands then.
func migrate(ctx context.Context, getenv config.Getenv, stdout io.Writer, do func(url string) error) error {
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return err
	}
	if err := do(c.URL.Reveal()); err != nil {
		return err
	}
	v, err := schema.Status(ctx, c.URL.Reveal())
	if err != nil {
		return err
	}
	note := ""
	if v.Dirty {
		note = ", and one was cut off: run api migrate force"
	}
	_, err = fmt.Fprintf(stdout, "migrations: %d of %d applied%s\n", v.Applied, v.Latest, note)
	return err
}

func seedCommand(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	var rows int
	c := &cobra.Command{
		Use: "seed", Short: "Load the sample listings, and more of them up to N rows", Args: cli.Arguments(0, 0, ""),
		Long:    "Fills an empty table of properties with 932 sample listings. With --rows it tops the table up. Run again, it adds nothing.",
		Example: "  api seed --rows 100000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rows < 0 {
				return cli.WrongUsage(cmd, "--rows must be 0 or more, not %d", rows)
			}
			return seed(cmd.Context(), getenv, stdout, stderr, rows)
		},
	}
	c.Flags().IntVar(&rows, "rows", 0, "top the table up to this many `rows`")
	return c
}

func seed(ctx context.Context, getenv config.Getenv, stdout, stderr io.Writer, rows int) error {
	progress := csvimport.NewProgress(stderr, telemetry.IsTerminal(stderr))
	defer progress.Close()
	conn, err := connectToImport(ctx, "freshlist-seed", getenv, progress)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	added, err := schema.SeedWithProgress(ctx, conn, rows, progress)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d listings added\n", added)
	return err
}
