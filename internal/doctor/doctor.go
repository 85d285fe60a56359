// Package doctor checks everything that the guarantee rests on and that this program
// cannot bring about by itself: what kind of servers it reaches, over what, as whom,
// and whether both hold what an invalidator has left there. It says for each what to
// do, and changes nothing.
//
// An invalidator goes through the part of it that it cannot work without before it
// starts, and waits until that holds.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Config says what to examine. Every field but ReadURL, API and Invalidator must be set.
type Config struct {
	DatabaseURL string
	ReadURL     string                // DATABASE_READ_URL: standbys that the API reads; "" = none
	Redis       redis.UniversalClient // as rediscache.Connect returns it
	Space       rediskey.Space
	Bound       time.Duration // B
	LiveMax     int           // most live queries
	API         string        // HTTP_ADDR: if an API answers there it is asked; "" = none
	Invalidator string        // INVALIDATOR_ADDR, likewise
	Open        time.Duration // a transaction that is open for longer is worth a warning
	Now         func() time.Time
}

// Verdict is how bad a finding is.
type Verdict uint8

// The verdicts.
const (
	OK   Verdict = iota
	Warn         // works, or will once something has been started, but look at it
	Fail         // the guarantee does not hold, or nothing can be cached
)

// String returns the verdict as it is printed.
func (v Verdict) String() string { return [...]string{"ok", "warn", "FAIL"}[v] }

// Finding is the outcome of one check.
type Finding struct {
	Check   string // what was looked at
	Verdict Verdict
	Said    string            // what was found
	Remedy  string            // what to do; "" if nothing
	Reason  cachestate.Reason // why nothing is cached, if that is what was found
}

func (f Finding) String() string {
	line := fmt.Sprintf("%-4s  %-15s  %s", f.Verdict, f.Check, oneLine(f.Said))
	if f.Reason != cachestate.OK {
		line = fmt.Sprintf("%-4s  %-15s  %s: %s", f.Verdict, f.Check, f.Reason, oneLine(f.Said))
	}
	if f.Remedy != "" {
		line += "; " + f.Remedy
	}
	return line
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func ok(format string, args ...any) Finding { return Finding{Said: fmt.Sprintf(format, args...)} }

func warn(said, remedy string) Finding { return Finding{Verdict: Warn, Said: said, Remedy: remedy} }

func fail(said, remedy string) Finding { return Finding{Verdict: Fail, Said: said, Remedy: remedy} }

// uncached is a finding that keeps the cache unused, or its proof unsound. The table of
// reasons says what to do.
func uncached(why cachestate.Reason, said string) Finding {
	return Finding{Verdict: Fail, Said: said, Remedy: why.Remedy(), Reason: why}
}

// unchecked is a check that could not be made.
func unchecked(err error) Finding {
	return fail("could not be checked: "+err.Error(), "see the other lines")
}

// Time limits: of reaching a server, of all checks of one, and of those before a start.
const (
	connectTimeout = 2 * time.Second
	checkTimeout   = 30 * time.Second
	readyTimeout   = 10 * time.Second
)

// Examine makes every check.
func (c Config) Examine(ctx context.Context) []Finding {
	findings := c.examinePostgres(ctx)
	findings = append(findings, c.examineRedis(ctx)...)
	return append(findings, c.examinePrograms(ctx)...)
}

func (c Config) examinePostgres(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := connect(ctx, c.DatabaseURL)
	if err != nil {
		return []Finding{unreachable("postgres", cachestate.DatabaseDown, err)}
	}
	defer hangUp(conn)
	var findings []Finding
	for _, check := range c.postgresChecks() {
		findings = append(findings, check.on(ctx, conn))
	}
	return findings
}

func unreachable(server string, why cachestate.Reason, err error) Finding {
	return named(server, uncached(why, "cannot be reached: "+err.Error()))
}

// check is one look at PostgreSQL.
type check struct {
	name string
	look func(context.Context, *pgx.Conn) (Finding, error)
}

func (c check) on(ctx context.Context, conn *pgx.Conn) Finding {
	f, err := c.look(ctx, conn)
	if err != nil {
		f = unchecked(err)
	}
	return named(c.name, f)
}

func named(name string, f Finding) Finding {
	f.Check = name
	return f
}

// Print writes a line for each finding, and tells whether one of them is a failure.
func Print(w io.Writer, findings []Finding) (failed bool, err error) {
	for _, f := range findings {
		failed = failed || f.Verdict == Fail
		if _, err := fmt.Fprintln(w, f); err != nil {
			return failed, err
		}
	}
	return failed, nil
}

// ErrRefused: a server is there, and an invalidator must not work with it as it is.
var ErrRefused = errors.New("not fit")

// Ready returns nil if an invalidator may start, and warnings to log. ErrRefused tells
// that it may not yet, why, and which variable to look at; any other error that a server
// does not answer yet.
func (c Config) Ready(ctx context.Context) (warnings []Finding, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	conn, err := connect(ctx, c.DatabaseURL)
	if err != nil {
		return nil, cachestate.Wrap(cachestate.DatabaseDown, fmt.Errorf("connect to PostgreSQL: %w", err))
	}
	defer hangUp(conn)
	for _, check := range c.decisiveChecks() {
		f, err := check.look(ctx, conn)
		if err != nil {
			return nil, cachestate.Wrap(cachestate.DatabaseDown, fmt.Errorf("check PostgreSQL: %w", err))
		}
		if warnings, err = admit(warnings, "DATABASE_URL", named(check.name, f)); err != nil {
			return nil, err
		}
	}
	state, err := c.inspect(ctx)
	var misfit *rediscache.Misfit
	switch {
	case errors.As(err, &misfit):
		return admit(warnings, "REDIS_URL", redisUnreachable(err))
	case err != nil:
		return nil, err
	}
	for _, f := range []Finding{
		named("redis version", ofAll(state, redisVersion)), named("redis role", ofAll(state, redisRole)),
		named("eviction policy", ofAll(state, redisPolicy)),
	} {
		if warnings, err = admit(warnings, "REDIS_URL", f); err != nil {
			return nil, err
		}
	}
	return warnings, nil
}

// admit appends a warning; a failure it turns into an error that names the variable.
func admit(warnings []Finding, variable string, f Finding) ([]Finding, error) {
	switch f.Verdict {
	case Fail:
		if f.Reason != cachestate.OK { // it has the remedy
			return nil, cachestate.Wrap(f.Reason, fmt.Errorf("%w: %s: %s", ErrRefused, variable, oneLine(f.Said)))
		}
		return nil, cachestate.Wrap(cachestate.Unfit, fmt.Errorf("%w: %s: %s; %s", ErrRefused, variable, oneLine(f.Said), f.Remedy))
	case Warn:
		return append(warnings, f), nil
	}
	return warnings, nil
}
