package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/audit"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/doctor"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/probe"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/session"
	"github.com/freshlist/freshlist/internal/telemetry"
)

func health(ctx context.Context, getenv config.Getenv) error {
	addr, err := config.LoadInvalidatorAddr(getenv)
	if err != nil {
		return err
	}
	return probe.Ready(ctx, addr)
}

func statusCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Print what the invalidator at INVALIDATOR_ADDR says of itself",
		Long:    "Prints what the invalidator at INVALIDATOR_ADDR says of itself: for people on a terminal, else as JSON.",
		Example: "  invalidator status\n  invalidator status -o json | jq .backlog", Args: cli.Arguments(0, 0, ""),
	}
	usual := cli.JSON
	if telemetry.IsTerminal(stdout) {
		usual = cli.Text
	}
	format := cli.Output(c, usual)
	c.RunE = func(cmd *cobra.Command, _ []string) error { return status(cmd.Context(), getenv, *format, stdout) }
	return c
}

func status(ctx context.Context, getenv config.Getenv, format cli.Format, stdout io.Writer) error {
	addr, err := config.LoadInvalidatorAddr(getenv)
	if err != nil {
		return err
	}
	report, err := probe.Get(ctx, addr, "/status")
	if err != nil {
		return notRunning(err)
	}
	if format == cli.JSON {
		_, err = stdout.Write(report)
		return err
	}
	var r invalidate.Report
	if err := json.Unmarshal(report, &r); err != nil {
		return fmt.Errorf("read what /status answers: %w", err)
	}
	caching := "yes"
	if !r.Caching {
		caching = fmt.Sprintf("no: %s, since %s; %s", r.Reason, r.Since, r.Remedy)
	}
	beat := "none yet"
	if r.BeatAge != nil {
		beat = seconds(*r.BeatAge).String() + " old"
	}
	_, err = fmt.Fprintf(stdout, "role          %s\ncaching       %s\nbeat          %s\nlive queries  %d\nbacklog       %d changes\ntriggers      %s\nepoch         %s, batch %d\n",
		r.Role, caching, beat, r.Live, r.Backlog, r.Capture, r.Epoch, r.Batch)
	return err
}

// notRunning says what to look at when the invalidator at INVALIDATOR_ADDR does not answer.
func notRunning(err error) error {
	return fmt.Errorf("%w; is an invalidator running, and is INVALIDATOR_ADDR its address?", err)
}

func installCommand(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "install [FILE]", Short: "Install or repair capture for the tables of a description, as their owner",
		Long: "Installs or repairs the triggers that capture changes, for the tables that FILE describes\n" +
			"(docs/tables.md), and removes them from others; running programs take it up by themselves.\n" +
			"Without FILE it is the description that ships. If it does not fit, nothing changes.",
		Example: "  invalidator install listings.yaml",
		Args:    cli.Arguments(0, 1, "at most one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := schema.Shipped()
			if len(args) == 1 {
				text, err := os.ReadFile(args[0])
				if err != nil {
					return fmt.Errorf("read the description: %w", err)
				}
				file = schema.File{Name: args[0], Text: string(text)}
			}
			return install(cmd.Context(), file, getenv, stdout, stderr)
		},
	}
}

// install installs capture for the tables of a description.
func install(ctx context.Context, file schema.File, getenv config.Getenv, stdout, stderr io.Writer) error {
	return onDatabase(ctx, getenv, func(conn *pgx.Conn) error {
		done, err := schema.InstallFile(ctx, conn, file)
		for _, warning := range done.Warnings {
			fmt.Fprintf(stderr, "%s\n\n", warning.Error())
		}
		var faults description.Faults
		switch {
		case errors.As(err, &faults):
			return fmt.Errorf("nothing was installed, the description does not fit\n\n%w", faults)
		case err != nil:
			return err
		}
		said := "capture was in order, nothing changed"
		if done.Changed {
			said = "capture installed"
		}
		_, err = fmt.Fprintf(stdout, "%s: %s\n", said, tablesOf(done.Description))
		return err
	})
}

// tablesOf names the tables of a description.
func tablesOf(d *description.Description) string {
	var names []string
	for i := range d.Tables {
		names = append(names, d.Tables[i].Relation.String())
	}
	return strings.Join(names, ", ")
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

func verifyCommand(getenv config.Getenv, stdout, stderr io.Writer) *cobra.Command {
	var sample int
	var format *cli.Format
	c := &cobra.Command{
		Use: "verify", Short: "Hold cached queries against the database; exit 1 if one differs", Args: cli.Arguments(0, 0, ""),
		Example: "  invalidator verify --sample 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample < 0 {
				return cli.WrongUsage(cmd, "--sample must be 0 or more, not %d", sample)
			}
			progress := cli.NewProgress(stderr, "queries checked")
			defer progress.Done()
			return verify(cmd.Context(), getenv, stdout, *format, sample, func(done int) { progress.Show(done, sample) })
		},
	}
	format = cli.Output(c, cli.Text)
	c.Flags().IntVar(&sample, "sample", 0, "check `N` queries, drawn at random, instead of all")
	return c
}

// verify holds cached queries against the database: some, drawn at random, or all if sample is 0.
func verify(ctx context.Context, getenv config.Getenv, stdout io.Writer, format cli.Format, sample int, progress func(int)) error {
	c, err := config.LoadInvalidator(getenv)
	if err != nil {
		return err
	}
	return onRedis(c, func(rdb redis.UniversalClient) error {
		auditor, err := audit.Open(rediscache.NewAuditor(rdb, spaceOf(c)), c.DatabaseURL.Reveal(), c.StalenessBound)
		if err != nil {
			return err
		}
		defer auditor.Close()
		auditor.Progress = progress
		summary, err := printVerified(ctx, auditor, stdout, format, sample)
		if err != nil {
			return err
		}
		if n := summary.Differ(); n > 0 {
			return fmt.Errorf("cached queries that are not what the database says: %d", n)
		}
		return nil
	})
}

// printVerified verifies, and prints what differs and the counts.
func printVerified(ctx context.Context, auditor *audit.Auditor, out io.Writer, format cli.Format, sample int) (summary audit.Summary, err error) {
	if format == cli.Text {
		if summary, err = auditor.Verify(ctx, sample, out); err == nil {
			_, err = fmt.Fprintln(out, summary)
		}
		return summary, err
	}
	var lines strings.Builder
	if summary, err = auditor.Verify(ctx, sample, &lines); err != nil {
		return summary, err
	}
	differences := []string{}
	for line := range strings.Lines(lines.String()) {
		differences = append(differences, strings.TrimSuffix(line, "\n"))
	}
	return summary, cli.PrintJSON(out, map[string]any{"outcomes": summary.Counts(), "differ": summary.Differ(), "differences": differences})
}

// commandBudget is how long a command waits for one answer of Redis.
const commandBudget = 5 * time.Second

var errDoctor = errors.New("see the lines that say FAIL")

func doctorCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Check all that the guarantee rests on; exit 1 if something fails",
		Example: "  invalidator doctor\n  invalidator doctor -o json | jq '.[] | select(.verdict == \"FAIL\")'", Args: cli.Arguments(0, 0, ""),
	}
	format := cli.Output(c, cli.Text)
	c.RunE = func(cmd *cobra.Command, _ []string) error { return examine(cmd.Context(), getenv, *format, stdout) }
	return c
}

// finding is one finding of the doctor as JSON.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"` // ok, WARN, FAIL
	Reason  string `json:"reason"`  // why nothing is cached; ok if it says nothing of that
	Said    string `json:"said"`
	Remedy  string `json:"remedy"`
}

// printFindings prints what the doctor has found, and reports whether something fails.
func printFindings(out io.Writer, format cli.Format, found []doctor.Finding) (failed bool, err error) {
	if format == cli.Text {
		return doctor.Print(out, found)
	}
	findings := []finding{}
	for _, f := range found {
		failed = failed || f.Verdict == doctor.Fail
		findings = append(findings, finding{f.Check, f.Verdict.String(), f.Reason.String(), f.Said, f.Remedy})
	}
	return failed, cli.PrintJSON(out, findings)
}

// examine checks what the guarantee rests on.
func examine(ctx context.Context, getenv config.Getenv, format cli.Format, stdout io.Writer) error {
	c, err := config.LoadDoctor(getenv)
	if err != nil {
		return err
	}
	return onRedis(c.Invalidator, func(rdb redis.UniversalClient) error {
		examined := examination(c.Invalidator, rdb)
		examined.LiveMax, examined.API, examined.Invalidator = c.LiveMax, c.APIAddr, c.Addr
		examined.ReadURL = c.DatabaseReadURL.Reveal()
		failed, err := printFindings(stdout, format, examined.Examine(ctx))
		if err == nil && failed {
			err = errDoctor
		}
		return err
	})
}

// onRedis calls do with a client of REDIS_URL.
func onRedis(c config.Invalidator, do func(redis.UniversalClient) error) error {
	rdb, err := rediscache.Connect(c.RedisURL.Reveal(), commandBudget, c.RedisTLS.Config())
	if err != nil {
		return err
	}
	return errors.Join(do(rdb), rdb.Close())
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
