package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cli"
	"github.com/freshlist/freshlist/internal/config"
	"github.com/freshlist/freshlist/internal/invalidate/explain"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// snapshot is what top shows.
type snapshot struct {
	At        time.Time          `json:"at"`
	Since     float64            `json:"purges_since_seconds"` // for how long purges have been counted
	Traffic   activity.Traffic   `json:"traffic"`              // of all API processes, since the snapshot before
	Ratios    map[string]float64 `json:"hit_ratio"`            // by level, of that traffic
	Processes []activity.Process `json:"processes"`
	Purges    purges             `json:"purges"`
}

// purges is what the invalidator purged while top listened.
type purges struct {
	Heard bool `json:"heard"` // whether the invalidator at INVALIDATOR_ADDR answers
	activity.Purges
}

func topCommand(getenv config.Getenv, stdout io.Writer) *cobra.Command {
	every := time.Second
	c := &cobra.Command{
		Use: "top", Short: "Show requests, hits by level and the most purged queries, live",
		Long: "Shows what all API processes do, by the counters that they keep in Redis, and what the invalidator at\n" +
			"INVALIDATOR_ADDR purges meanwhile. On a terminal it goes on until Ctrl-C; elsewhere, and with -o json, it is\n" +
			"one snapshot of some seconds.",
		Example: "  invalidator top\n  invalidator top -o json --every 5s",
		Args:    cli.Arguments(0, 0, ""),
	}
	format := cli.Output(c, cli.Text)
	c.Flags().DurationVar(&every, "every", 2*time.Second, "the time between two looks")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if every < time.Second {
			return cli.WrongUsage(cmd, "--every must be 1s or more: the counters are written once a second")
		}
		live := *format == cli.Text && telemetry.IsTerminal(stdout)
		return withCache(getenv, func(_ config.Invalidator, cache explain.Cache) error {
			return top(cmd.Context(), getenv, cache, every, live, *format, stdout)
		})
	}
	return c
}

// top shows snapshots until ctx is done, or one if nobody looks on.
func top(ctx context.Context, getenv config.Getenv, cache explain.Cache, every time.Duration, live bool, format cli.Format, out io.Writer) error {
	counted := &purgeCounter{}
	listening, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { counted.listen(listening, getenv) })
	defer func() { stop(); running.Wait() }()
	began := time.Now()
	before, err := rediscache.ReadProcesses(ctx, cache.Redis, cache.Space)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		after, err := rediscache.ReadProcesses(ctx, cache.Redis, cache.Space)
		if err != nil {
			return err
		}
		s := snapshot{
			At: time.Now(), Since: time.Since(began).Seconds(), Traffic: activity.Between(before, after),
			Ratios: map[string]float64{}, Processes: after, Purges: counted.read(),
		}
		for _, level := range activity.Levels {
			s.Ratios[level] = s.Traffic.Levels[level].HitRatio()
		}
		before = after
		switch {
		case format == cli.JSON:
			return cli.PrintJSON(out, s)
		case !live:
			_, err := io.WriteString(out, s.text())
			return err
		}
		if _, err := io.WriteString(out, "\033[H\033[2J"+s.text()); err != nil {
			return err
		}
	}
}

// text is the snapshot for people.
func (s *snapshot) text() string {
	var b strings.Builder
	t := s.Traffic
	rate := func(n uint64) float64 {
		if t.Seconds <= 0 {
			return 0
		}
		return float64(n) / t.Seconds
	}
	fmt.Fprintf(&b, "%s  API processes %d, caching %d\n\n", s.At.Format(time.TimeOnly), t.Processes, t.Caching)
	if t.Processes == 0 {
		b.WriteString("No API process has written its counters: none runs with this REDIS_URL and REDIS_PREFIX, or of an older version.\n\n")
	}
	fmt.Fprintf(&b, "requests/s  %10.1f   p50 %s  p99 %s\n", rate(t.Requests), milliseconds(t.P50), milliseconds(t.P99))
	fmt.Fprintf(&b, "database/s  %10.1f   reads of PostgreSQL\n\n", rate(t.Reads))
	fmt.Fprintf(&b, "%-10s %12s %12s %12s %8s\n", "level", "hits/s", "misses/s", "bypasses/s", "ratio")
	for _, level := range activity.Levels {
		n := t.Levels[level]
		fmt.Fprintf(&b, "%-10s %12.1f %12.1f %12.1f %7.1f%%\n", level, rate(n.Hits), rate(n.Misses), rate(n.Bypasses), 100*s.Ratios[level])
	}
	for _, reason := range slices.Sorted(maps.Keys(t.Bypasses)) {
		fmt.Fprintf(&b, "past the cache for %s: %.1f/s\n", reason, rate(t.Bypasses[reason]))
	}
	for _, p := range s.Processes {
		if !p.Caching {
			fmt.Fprintf(&b, "%s on %s does not cache: %s; run: invalidator doctor\n", p.Address, p.Host, p.Reason)
		}
	}
	if !s.Purges.Heard {
		b.WriteString("\nthe invalidator at INVALIDATOR_ADDR does not answer: no purges are seen\n")
		return b.String()
	}
	fmt.Fprintf(&b, "\nin %.0f s: %d changes purged %d queries\n", s.Since, s.Purges.Changes, s.Purges.Purged)
	for _, q := range s.Purges.Most {
		fmt.Fprintf(&b, "%8d  %s\n", q.Times, q.Query)
	}
	return b.String()
}

// purgeCounter counts what the invalidator purges.
type purgeCounter struct {
	mu    sync.Mutex
	heard bool
	sums  activity.PurgeCounter
}

// mostShown is how many queries are shown.
const mostShown = 15

// listen counts until ctx is done. An invalidator that does not answer is asked again.
func (c *purgeCounter) listen(ctx context.Context, getenv config.Getenv) {
	for ctx.Err() == nil {
		_ = eachEvent(ctx, getenv, func(name string, data []byte) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.heard = true
			c.sums.Add(name, data)
			return nil
		})
		c.mu.Lock()
		c.heard = false
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// read returns the counts so far.
func (c *purgeCounter) read() purges {
	c.mu.Lock()
	defer c.mu.Unlock()
	return purges{c.heard, c.sums.Read(mostShown)}
}
