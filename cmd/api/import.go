package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/csvimport"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// importing is what the command line of import says.
type importing struct{ file, table, key, output string }

func importCommand(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	var i importing
	c := &cobra.Command{
		Use: "import FILE.csv", Short: "Read a CSV file into a described table", Args: cli.Arguments(1, 1, "the name of a file, or - for standard input"),
		Long: "Reads a file of comma-separated values into a described table: rows whose key is there are changed,\n" +
			"others are added, all of them or none. The first line names the columns; case, blanks and underscores\n" +
			"do not count, and the description's from: has other names. docs/import.md has all of it.",
		Example: "  api import listings.csv\n  api import agents.csv --table agents --key license -o json\n  gunzip -c listings.csv.gz | api import -",
		RunE: func(cmd *cobra.Command, args []string) error {
			if i.output != "text" && i.output != "json" {
				return cli.WrongUsage(cmd, "-o %s: it is text or json", i.output)
			}
			i.file = args[0]
			return i.run(cmd.Context(), getenv, cmd.InOrStdin(), stdout, stderr)
		},
	}
	c.Flags().StringVar(&i.table, "table", "", "the `name` of the table in addresses (the site's home)")
	c.Flags().StringVar(&i.key, "key", "", "the unique `column` by which rows are found (the table's key)")
	c.Flags().StringVarP(&i.output, "output", "o", "text", "how the summary is printed: text or json")
	return c
}

// run imports a file.
func (i importing) run(ctx context.Context, getenv config.Getenv, stdin io.Reader, stdout, stderr io.Writer) error {
	o := csvimport.Options{File: "standard input", Key: i.key}
	r := stdin
	if i.file != "-" {
		f, err := os.Open(i.file)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a folder; name a file", i.file)
		}
		r, o.File, o.Size = f, filepath.Base(i.file), info.Size()
	}
	o.Progress = csvimport.NewProgress(stderr, telemetry.IsTerminal(stderr))
	defer o.Progress.Close()
	conn, err := connectToImport(ctx, "freshlist-import", getenv, o.Progress)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	table, err := importedTable(ctx, conn, i.table)
	if err != nil {
		return err
	}
	s, err := csvimport.Import(ctx, conn, table, r, o)
	if err != nil {
		return err
	}
	for _, note := range s.Ignored {
		if _, err := fmt.Fprintln(stderr, "note: "+note); err != nil {
			return err
		}
	}
	if i.output == "json" {
		return json.NewEncoder(stdout).Encode(s)
	}
	_, err = fmt.Fprintf(stdout, "%s: %d rows read, %d added, %d changed, %d as they were, in %s\n",
		s.Table, s.Rows, s.Added, s.Changed, s.Same, time.Duration(s.Seconds*float64(time.Second)).Round(time.Millisecond))
	return err
}

// connectToImport opens a connection that tells a progress how far a statement is.
func connectToImport(ctx context.Context, application string, getenv config.Getenv, progress *csvimport.Progress) (*pgx.Conn, error) {
	c, err := config.LoadDatabase(getenv)
	if err != nil {
		return nil, err
	}
	address, err := pgx.ParseConfig(c.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("parse the address of the database: %w", err) // pgx hides the password
	}
	address.OnNotice = progress.Notice
	conn, err := session.For(application).With("search_path", session.TriggerPath).ConnectConfig(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return conn, nil
}

// importedTable returns a described table by its name, that of the home page for none.
func importedTable(ctx context.Context, conn *pgx.Conn, name string) (*listing.Table, error) {
	d, err := schema.ReadDescription(ctx, conn)
	if err != nil {
		return nil, err
	}
	site := listing.NewSite(d)
	if name == "" {
		return site.Home(), nil
	}
	if t := site.Table(name); t != nil {
		return t, nil
	}
	names := site.TableNames()
	if near := description.Nearest(name, names); near != "" {
		return nil, fmt.Errorf("--table %s: there is no such table; did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("--table %s: there is no such table; described are %s", name, strings.Join(names, ", "))
}
