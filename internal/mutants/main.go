// Command mutants takes the guards out of the code, one at a time, and runs the
// tests that must notice: a guard whose mutant survives is tested by nothing, or
// guards nothing.
//
//	go run ./internal/mutants [-only PATTERN] [-jobs N] [-limit 2m]
//
// The mutants are data: see list.go. The sources on disk are not touched: a mutant
// is an overlay of the go command, which SQL and Lua files go through as well, since
// the programs embed them. The tests of a mutant are first run without it, so that a
// test which fails anyway counts for nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	only := flag.String("only", "", "only the mutants whose name `PATTERN` matches")
	jobs := flag.Int("jobs", 1, "how many mutants are tried at a time")
	limit := flag.Duration("limit", 2*time.Minute, "how long the tests of one mutant may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *jobs, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

// run tries the mutants and prints what becomes of each. Its error names those that
// are not killed.
func run(ctx context.Context, only string, jobs int, limit time.Duration) error {
	top, err := moduleFolder()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "freshlist-mutants-*")
	if err != nil {
		return fmt.Errorf("make a scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	began := time.Now()
	trials := trier{top: top, scratch: scratch, limit: limit}
	outcomes := each(ctx, max(1, jobs), chosen, trials.try)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return summary(chosen, outcomes, time.Since(began))
}

func choose(only string) (chosen []Mutant, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("read -only: %w", err)
	}
	for _, m := range mutants {
		if pattern.MatchString(m.Name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no mutant's name is matched by %q", only)
	}
	return chosen, nil
}

// each tries the mutants, jobs at a time, and prints each outcome as it comes.
func each(ctx context.Context, jobs int, chosen []Mutant, try func(context.Context, Mutant) outcome) []outcome {
	outcomes := make([]outcome, len(chosen))
	turns := make(chan int)
	var workers sync.WaitGroup
	var printing sync.Mutex
	for range jobs {
		workers.Go(func() {
			for n := range turns {
				outcomes[n] = try(ctx, chosen[n])
				if ctx.Err() == nil {
					printing.Lock()
					fmt.Println(outcomes[n].line(chosen[n]))
					printing.Unlock()
				}
			}
		})
	}
	for n := range chosen {
		if ctx.Err() != nil {
			break
		}
		turns <- n
	}
	close(turns)
	workers.Wait()
	return outcomes
}

// line says what became of a mutant, and how long that took.
func (o outcome) line(m Mutant) string {
	return fmt.Sprintf("%-13s %5.1f s  %s: %s", o.verdict, o.took.Seconds(), m.Name, o.detail)
}

// summary prints how many mutants were killed and what became of the others, and returns an
// error that names those.
func summary(chosen []Mutant, outcomes []outcome, took time.Duration) error {
	count := map[verdict]int{}
	var alive []string
	for n, o := range outcomes {
		count[o.verdict]++
		if o.verdict != killed {
			alive = append(alive, fmt.Sprintf("%s (%s)", chosen[n].Name, o.verdict))
		}
	}
	text := fmt.Sprintf("%d mutants in %v", len(chosen), took.Round(time.Second))
	for _, v := range verdicts {
		if count[v] > 0 || v == killed || v == survived || v == notApplied {
			text += fmt.Sprintf(", %d %s", count[v], v)
		}
	}
	fmt.Println(text)
	if len(alive) > 0 {
		return fmt.Errorf("not killed: %s", strings.Join(alive, ", "))
	}
	return nil
}
