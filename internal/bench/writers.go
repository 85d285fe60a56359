package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// updateOne is the transaction of a writer: one row, an indexed column. The first
// rows are left to the prober.
const updateOne = `\set id random(%d, %d)
update properties set price = price + 1 where id = :id;
`

// writers compares single-row UPDATEs by eight clients on tables with and without
// capture.
func (b *bench) writers(ctx context.Context) error {
	script, err := b.script("update.sql", fmt.Sprintf(updateOne, probed+1, b.rows))
	if err != nil {
		return err
	}
	if err := b.stopped(ctx, script, "on", b.times(20, 2), atLeast(.85)); err != nil {
		return err
	}
	if err := b.stopped(ctx, script, "off", b.times(14, 2), atLeast(.70)); err != nil {
		return err
	}
	p, err := alternate(b.times(6, 1), b.updating(ctx, notifying, script, "on"), b.updating(ctx, untriggered, script, "on"))
	if err != nil {
		return err
	}
	b.add("UPDATE, synchronous_commit=on, NOTIFY every time / untriggered", ratio, p.ratio(), nil,
		"for comparison; %.0f/s, %.0f/s", p.ours.median(), p.theirs.median())
	return b.keepingUp(ctx, script)
}

// stopped measures while no invalidator runs.
func (b *bench) stopped(ctx context.Context, script, commit string, rounds int, target *Target) error {
	p, err := alternate(rounds, b.updating(ctx, captured, script, commit), b.updating(ctx, untriggered, script, commit))
	if err != nil {
		return err
	}
	b.add("UPDATE, synchronous_commit="+commit+", captured / untriggered", ratio, p.ratio(), target,
		"%.0f/s, %.0f/s; 8 clients, invalidator stopped", p.ours.median(), p.theirs.median())
	return nil
}

// keepingUp measures while an invalidator runs. Every few milliseconds one more edit
// of a cached listing shows how long it takes to be applied.
func (b *bench) keepingUp(ctx context.Context, script string) error {
	invalidator, api, err := b.pair(ctx)
	if err != nil {
		return err
	}
	probe, err := b.newProber(ctx, api)
	if err != nil {
		return err
	}
	defer probe.close()
	var delays sample
	p, err := alternate(b.times(14, 2), func() (float64, error) {
		more, rate, err := probe.beside(ctx, 20*time.Millisecond, func() (float64, error) {
			return b.pgbench(ctx, captured, script, "on")
		})
		delays = append(delays, more...)
		return rate, err
	}, b.updating(ctx, untriggered, script, "on"))
	if err != nil {
		return err
	}
	rings, err := invalidator.metric(ctx, "freshlist_doorbell_rings_total")
	if err != nil {
		return err
	}
	b.add("UPDATE, synchronous_commit=on, invalidator running / untriggered", ratio, p.ratio(), atLeast(.60),
		"%.0f/s, %.0f/s; %.0f rings a slice", p.ours.median(), p.theirs.median(), rings/float64(len(p.ours)))
	worst := delays.quantile(1)
	b.put(Row{What: "commit to purge beside these writers, the slowest", Unit: milliseconds, Value: worst, Target: atMost(100)}, delays)
	return nil
}

// updating returns what measures the rate of a script's transactions in a database.
func (b *bench) updating(ctx context.Context, database, script, commit string) func() (float64, error) {
	return func() (float64, error) { return b.pgbench(ctx, database, script, commit) }
}

// script writes a script for pgbench.
func (b *bench) script(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

var pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

// pgbench runs a script by eight clients, for a slice of two seconds unless args say
// otherwise, and returns transactions per second. (The first statement of a new connection
// takes 5 ms with capture and 3 ms without; a slice is to be long beside that.)
func (b *bench) pgbench(ctx context.Context, database, script, commit string, args ...string) (float64, error) {
	if len(args) == 0 {
		args = []string{fmt.Sprint("--time=", b.times(2, 1))}
	}
	args = append([]string{"--no-vacuum", "--protocol=prepared", "--client=8", "--jobs=1", "--file=" + script}, args...)
	cmd := exec.CommandContext(ctx, b.programs.pgbench, args...)
	cmd.Env = append(b.postgres.PsqlEnv(database), "PGOPTIONS=-c synchronous_commit="+commit)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench %s: %w: %s", strings.Join(args, " "), err, said)
	}
	found := pgbenchRate.FindSubmatch(said)
	if found == nil {
		return 0, fmt.Errorf("pgbench told no rate: %s", said)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
