// Command bench is what make bench runs, at the top of the repository: it measures
// freshlist side by side with what it should be compared with, and prints one table.
//
// Private servers, API, invalidator and baselines run in processes of their own, as
// they would in production; the load comes from this process and from pgbench. Two
// things that are compared are measured in turn, in short slices of one run, so that
// whatever else the machine does meets both, and the figure is the median of the
// ratios of neighbouring slices.
//
//	bench [-only sections] [-out folder] [-long] [-quick] [-dir folder]
//
// It ends by itself, and leaves no process and no file behind but its report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// limit bounds a run, whatever hangs.
const limit = time.Hour

// tableRows is how many listings there are, in a full run and in a smoke test.
const tableRows, quickRows = 100_000, 4000

// bench is one run.
type bench struct {
	*rig
	quick  bool
	out    io.Writer
	report *Report

	section string // the present one
}

// section is a part of a run that can be asked for by name.
type section struct {
	name    string
	measure func(*bench, context.Context) error
	long    bool // only if asked for
	alone   bool // needs no servers
}

// sections are in the order in which they run: what needs no servers comes before they are
// started, and what grows the table, and has it vacuumed behind one's back, comes late.
var sections = []section{
	{name: "matching", measure: (*bench).matching, alone: true},
	{name: "latency", measure: (*bench).latency},
	{name: "idle", measure: (*bench).idle},
	{name: "dashboard", measure: (*bench).dashboard, long: true},
	{name: "reads", measure: (*bench).reads},
	{name: "streams", measure: (*bench).streams, long: true},
	{name: "zipf", measure: (*bench).zipf},
	{name: "live", measure: (*bench).manyLive},
	{name: "writers", measure: (*bench).writers},
	{name: "capture", measure: (*bench).capture},
	{name: "columns", measure: (*bench).columns, long: true},
	{name: "floor", measure: (*bench).floor, long: true},
	{name: "bulk", measure: (*bench).bulk},
	{name: "backlog", measure: (*bench).backlog},
	{name: "faults", measure: (*bench).faults, long: true},
	{name: "growth", measure: (*bench).growth, long: true},
	{name: "size", measure: (*bench).size, long: true},
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "comma-separated `sections`, of "+names())
	out := flags.String("out", "", "`folder` to write bench.json and bench.svg into")
	long := flags.Bool("long", false, "also a million listings, 60 columns, streams, the dashboard, storage growth, what triggers cost at least, and faults: some twenty minutes")
	quick := flags.Bool("quick", false, "smoke test: a few moments each, figures that say nothing")
	base := flags.String("dir", "/var/tmp", "`folder` for the servers' data, on a disk like production's")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only, *long)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no end within %v", limit))
	defer cancel()

	b := &bench{quick: *quick, out: stderr, report: newReport(*quick)}
	defer func() {
		if b.rig != nil {
			err = errors.Join(err, b.rig.stop())
		}
	}()
	for _, s := range chosen {
		b.section = s.name
		if !s.alone && b.rig == nil {
			if err := b.begin(ctx, *base, *long); err != nil {
				return err
			}
		}
		if err := b.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	b.report.Took = time.Since(b.report.Began).Round(time.Second).String()
	if err := b.report.print(stdout); err != nil || *out == "" {
		return err
	}
	return b.report.save(*out)
}

// choose returns the sections that were asked for, by default all but the long one.
func choose(only string, long bool) ([]section, error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(sections), func(s section) bool { return s.long && !long }), nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return nil, fmt.Errorf("no section %q; there are %s", name, names())
		}
	}
	return slices.DeleteFunc(slices.Clone(sections), func(s section) bool { return !slices.Contains(wanted, s.name) }), nil
}

func names() string {
	var all []string
	for _, s := range sections {
		all = append(all, s.name)
	}
	return strings.Join(all, ", ")
}

// begin starts the servers.
func (b *bench) begin(ctx context.Context, base string, long bool) error {
	rows := tableRows
	if b.quick {
		rows = quickRows
	}
	var settings []string
	if long {
		settings = []string{"shared_preload_libraries=pg_stat_statements"}
	}
	b.say("starting the servers, loading %d listings", rows)
	r, err := startRig(ctx, base, rows, settings...)
	if err != nil {
		return err
	}
	b.rig = r
	b.report.Postgres, b.report.Redis, err = b.versions(ctx)
	return err
}

// measure runs one section, with an empty cache and so with no live queries but its own. Its
// processes end with it, and the databases that it has copied.
func (b *bench) measure(ctx context.Context, s section) (err error) {
	b.say("measuring")
	if b.rig != nil {
		if err := b.rdb.FlushDB(ctx).Err(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.stopProcesses(), b.dropCopies(ctx)) }()
	}
	return s.measure(b, ctx)
}

// say tells whoever waits what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, "%6v  %-9s "+format+"\n", append([]any{time.Since(b.report.Began).Round(time.Second), b.section}, args...)...)
}

// add reports the median of a sample. target is nil where there is nothing to reach.
func (b *bench) add(what, unit string, s sample, target *Target, detail string, args ...any) {
	b.put(Row{What: what, Unit: unit, Value: s.median(), Target: target, Detail: fmt.Sprintf(detail, args...)}, s)
}

// put reports a row with the spread of a sample.
func (b *bench) put(r Row, s sample) {
	r.Section, r.Low, r.High, r.Samples = b.section, s.quantile(.25), s.quantile(.75), len(s)
	b.report.Rows = append(b.report.Rows, r)
}

// times returns n, or less in a smoke test.
func (b *bench) times(n, quick int) int {
	if b.quick {
		return quick
	}
	return n
}

// slice is how long one measurement takes that is one of many.
func (b *bench) slice() time.Duration {
	if b.quick {
		return 200 * time.Millisecond
	}
	return time.Second
}
