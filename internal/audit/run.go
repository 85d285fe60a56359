package audit

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/freshlist/freshlist/internal/telemetry"
)

// Every is how often a running invalidator checks one query: too seldom to be felt
// by the database, and some 17,000 a day.
const Every = 5 * time.Second

// Run checks one query, drawn at random, every so often while leads says that this
// process leads, until ctx is done.
func (a *Auditor) Run(ctx context.Context, every time.Duration, leads func() bool, metrics *telemetry.Invalidator, log *slog.Logger) {
	for turn := 0; wait(ctx, every) == nil; turn++ {
		if !leads() {
			continue
		}
		queries, err := a.cached.Sample(ctx, 1, turn)
		if err == nil {
			err = a.audit(ctx, queries, metrics, log)
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "audit interrupted", "error", err)
		}
	}
}

func (a *Auditor) audit(ctx context.Context, queries []string, metrics *telemetry.Invalidator, log *slog.Logger) error {
	results, err := a.Check(ctx, queries)
	for _, r := range results {
		switch r.Outcome {
		case Differs:
			metrics.AuditChecked.Inc()
			metrics.AuditMismatches.Inc()
			log.ErrorContext(ctx, "what is cached is not what the database says", "query", r.Query, "differences", r.Differences)
		case Agrees:
			metrics.AuditChecked.Inc()
		case Undecided:
			log.WarnContext(ctx, "what is cached differs from the database, and no beat says whether it may", "query", r.Query)
		}
	}
	return err
}

// Summary counts the outcomes of a verification.
type Summary [outcomes]int

// Differ returns how many queries have a wrong value.
func (s Summary) Differ() int { return s[Differs] }

// Counts returns how many queries came to each outcome, by its word.
func (s Summary) Counts() map[string]int {
	counts := make(map[string]int, outcomes)
	for o := range outcomes {
		counts[o.String()] = s[o]
	}
	return counts
}

// String tells the counts, those of agreement and difference even if they are 0.
func (s Summary) String() string {
	text := fmt.Sprintf("%d %s, %d %s", s[Agrees], Agrees, s[Differs], Differs)
	for o := OtherBuild; o < outcomes; o++ {
		if s[o] > 0 {
			text += fmt.Sprintf(", %d %s", s[o], o)
		}
	}
	return text
}

// Verify checks sample live queries, or all if that is 0, and writes a line for
// each difference to w.
func (a *Auditor) Verify(ctx context.Context, sample int, w io.Writer) (Summary, error) {
	var summary Summary
	done := 0
	visit := func(queries []string) error {
		results, err := a.Check(ctx, queries)
		if done += len(results); a.Progress != nil {
			a.Progress(done)
		}
		for _, r := range results {
			summary[r.Outcome]++
			for _, d := range r.Differences {
				if _, err := fmt.Fprintf(w, "%s %s %s: %s\n", verdict(r.Outcome), r.Query, d.Name, d.Detail); err != nil {
					return err
				}
			}
		}
		return err
	}
	if sample == 0 {
		err := a.cached.Walk(ctx, visit)
		return summary, err
	}
	queries, err := a.cached.Sample(ctx, sample, 0)
	if err == nil {
		err = visit(queries)
	}
	return summary, err
}

// verdict is the first word of a difference's line.
func verdict(o Outcome) string {
	if o == Undecided {
		return "undecided"
	}
	return "differs"
}
