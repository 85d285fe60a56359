package cachestate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/cachestate"
)

// watched is a state with its log and a clock of its own.
type watched struct {
	*cachestate.State
	t   *testing.T
	log bytes.Buffer
	now time.Time
}

func watch(t *testing.T) *watched {
	w := &watched{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	w.State = cachestate.New(log, func() time.Time { return w.now })
	return w
}

// lines returns what has been logged since the last call.
func (w *watched) lines() []string {
	text := strings.TrimSpace(w.log.String())
	w.log.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (w *watched) expect(parts ...[]string) {
	w.t.Helper()
	lines := w.lines()
	if len(lines) != len(parts) {
		w.t.Fatalf("%d lines, want %d:\n%s", len(lines), len(parts), strings.Join(lines, "\n"))
	}
	for i, want := range parts {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				w.t.Errorf("line %d has no %q: %s", i, part, lines[i])
			}
		}
	}
}

func TestEachChangeIsLoggedOnce(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.expect()
	w.now = w.now.Add(time.Second)
	if !w.Set(cachestate.NoBeat, "") || w.Set(cachestate.NoBeat, "") {
		t.Error("a reason is news once")
	}
	w.expect([]string{"level=WARN", "reason=no-beat", "meaning=", "remedy=", cachestate.NoBeat.Remedy()})
	w.now = w.now.Add(2 * time.Second)
	w.Set(cachestate.RedisDown, "connection refused")
	w.expect([]string{"reason=redis-down", `detail="connection refused"`})
	w.now = w.now.Add(3 * time.Second)
	w.Set(cachestate.OK, "")
	w.expect([]string{"level=INFO", "the cache is used", "after=redis-down", "lasted=6s"})
	w.LogDue()
	w.now = w.now.Add(time.Hour)
	w.LogDue()
	w.expect()
}

func TestStateThatLastsIsRepeated(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.Set(cachestate.CatchingUp, "5000 rows")
	w.lines()
	for range 59 {
		w.now = w.now.Add(time.Second)
		w.LogDue()
	}
	w.expect()
	if w.Set(cachestate.CatchingUp, "300 rows") {
		t.Error("another detail is no news")
	}
	for range 61 {
		w.now = w.now.Add(time.Second)
		w.LogDue()
	}
	w.expect([]string{"still not used", "300 rows", "lasts=1m0s"}, []string{"still not used", "lasts=2m0s"})
}

// Starting is what a process does anyway: it is told only if it lasts.
func TestStartingIsLoggedIfItLasts(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.now = w.now.Add(59 * time.Second)
	w.LogDue()
	w.expect()
	w.now = w.now.Add(time.Second)
	w.LogDue()
	w.expect([]string{"reason=starting"})
}

// A state that comes and goes twice a second must not fill the log, and the state that
// stands in the end must be told.
func TestFlapping(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.Set(cachestate.OK, "")
	for range 240 {
		w.now = w.now.Add(250 * time.Millisecond)
		w.Set(cachestate.NoBeat, "")
		w.now = w.now.Add(250 * time.Millisecond)
		w.Set(cachestate.OK, "")
		w.LogDue()
	}
	lines := w.lines()
	if n := len(lines); n < 20 || n > 46 {
		t.Errorf("%d lines in two minutes:\n%s", n, strings.Join(lines, "\n"))
	}
	w.Set(cachestate.NoBeat, "")
	for range 11 {
		w.now = w.now.Add(time.Second)
		w.LogDue()
	}
	end := w.lines()
	if len(end) != 1 || !strings.Contains(end[0], "reason=no-beat") {
		t.Errorf("in the end:\n%s", strings.Join(end, "\n"))
	}
	if n := changesIn(append(lines, end...)); n != 482 {
		t.Errorf("the lines speak of %d changes, there were 482", n)
	}
}

// changesIn returns of how many changes lines speak: one each, if they say nothing else.
func changesIn(lines []string) (sum int) {
	for _, line := range lines {
		n := 1
		if _, text, found := strings.Cut(line, "changes="); found {
			_, _ = fmt.Sscan(text, &n)
		}
		sum += n
	}
	return sum
}

func TestReport(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.now = w.now.Add(time.Minute)
	w.Set(cachestate.NoBeat, "partition 1")
	body, err := json.Marshal(w.Report(true))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ready":true,"caching":false,"reason":"no-beat","since":"2026-01-02T03:05:05Z","remedy":"` + cachestate.NoBeat.Remedy() + `","detail":"partition 1"}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	w.Set(cachestate.OK, "")
	if r := w.Report(false); r.Ready || !r.Caching || r.Reason != "" || r.Remedy != "" || r.Detail != "" {
		t.Errorf("while the cache is used: %+v", r)
	}
}

// How long the cache was not used counts from when it was last used.
func TestHowLongTheCacheWasNotUsed(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.Set(cachestate.OK, "")
	w.now = w.now.Add(time.Hour)
	w.Set(cachestate.NoBeat, "")
	w.now = w.now.Add(2 * time.Second)
	w.Set(cachestate.RedisDown, "")
	w.now = w.now.Add(3 * time.Second)
	w.lines()
	w.Set(cachestate.OK, "")
	w.expect([]string{"after=redis-down", "lasted=5s"})
}

// What an error said, which may name addresses, is not for everybody.
func TestPublicReport(t *testing.T) {
	t.Parallel()
	w := watch(t)
	for why, shown := range map[cachestate.Reason]bool{cachestate.DatabaseDown: false, cachestate.RedisDown: false, cachestate.CatchingUp: true} {
		w.Set(why, "what was seen")
		report := w.Report(true)
		if public := report.Public(); report.Detail == "" || (public.Detail != "") != shown || public.Reason != why.String() {
			t.Errorf("%s: shown is %+v", why, public)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := cachestate.New(slog.New(slog.DiscardHandler), time.Now)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 1000 {
				s.Set(cachestate.Reason(n%(i+2)), "")
				s.Present()
				s.LogDue()
			}
		})
	}
	all.Wait()
}

func TestTable(t *testing.T) {
	t.Parallel()
	words := map[string]bool{}
	for _, r := range cachestate.Reasons() {
		if r.String() == "" || r.Meaning() == "" || r.Remedy() == "" || r.By().String() == "" || words[r.String()] {
			t.Errorf("reason %d: word %q, by %q, meaning %q, remedy %q", r, r, r.By(), r.Meaning(), r.Remedy())
		}
		words[r.String()] = true
		if again, err := cachestate.Parse(r.String()); err != nil || again != r {
			t.Errorf("%s parses as %s (%v)", r, again, err)
		}
	}
	for _, word := range []string{"off", "no-beat", "redis-down", "redis-full", "redis-policy", "other-deployment", "other-description", "bound", "unfit",
		"not-installed", "no-rights", "row-security", "in-recovery", "database-down", "capture", "catching-up", "other-leader", "starting"} {
		if !words[word] {
			t.Errorf("no reason %s", word)
		}
	}
	if _, err := cachestate.Parse("whatever"); err == nil {
		t.Error("an unknown word is a reason")
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	cause := errors.New("refused")
	err := fmt.Errorf("read: %w", cachestate.Wrap(cachestate.RedisDown, cause))
	if r, found := cachestate.ReasonOf(err); !found || r != cachestate.RedisDown || !errors.Is(err, cause) {
		t.Errorf("reason %s, found %v", r, found)
	}
	if _, found := cachestate.ReasonOf(cause); found || cachestate.Wrap(cachestate.Off, nil) != nil {
		t.Error("a plain error has no reason, and no error has none")
	}
}

func BenchmarkSetAgain(b *testing.B) {
	s := cachestate.New(slog.New(slog.DiscardHandler), time.Now)
	s.Set(cachestate.OK, "")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Set(cachestate.OK, "")
		}
	})
}
