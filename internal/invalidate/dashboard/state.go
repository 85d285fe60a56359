package dashboard

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// panels are the parts of the page that are sent again each second: ids and templates.
var panels = []string{"health", "numbers", "levels", "uncached", "live", "read", "purged", "processes"}

// sample is everything that was looked at, at one moment.
type sample struct {
	at        time.Time
	report    invalidate.Report
	processes []activity.Process
	err       error // why the processes are not known
	delays    telemetry.Delays
	changes   uint64
	purged    uint64
}

// state is what the panels show.
type state struct {
	At        time.Time
	Report    invalidate.Report
	Meaning   string // of the reason why nothing is cached
	Since     string // of which time the numbers are
	Traffic   activity.Traffic
	Processes []activity.Process
	Unknown   string // why the processes are not known

	Requests, FromCache, Changes, Delay figure
	P50, P99                            float64 // of the purges in the window
	Measured                            bool    // there were some
	ReadRate                            float64 // of PostgreSQL, a second
	PurgeRate                           float64 // queries a second
	Levels                              []level
	Uncached                            []uncached
	Purges                              activity.Purges
	Watched                             string // for how long purges have been counted; "" if they are not
}

// level is one level of the cache.
type level struct {
	Name, What string
	Counts     activity.Counts
	Asked      bool
	Ratio      float64
	Bar        template.HTML
}

// uncached is one reason why something is not cached.
type uncached struct {
	Who, Reason, Meaning, Remedy, Detail string
	Rate                                 float64 // requests a second; 0 if it is none of requests
}

// windows of the numbers.
const (
	rateWindow  = 10 // samples
	delayWindow = 60
)

// state returns what is shown of some samples; of one alone, the counts since the processes
// started. It is called with the lock held.
func (b *board) state(samples []sample) state {
	last := samples[len(samples)-1]
	first := last
	for i := len(samples) - 1; i >= max(0, len(samples)-1-rateWindow); i-- {
		if samples[i].err == nil {
			first = samples[i]
		}
	}
	s := state{At: last.at, Report: last.report, Processes: last.processes}
	slices.SortFunc(s.Processes, func(a, b activity.Process) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Address, b.Address), strings.Compare(a.ID, b.ID))
	})
	switch {
	case last.err != nil:
		s.Unknown = "Redis does not answer, so the counters of the API processes cannot be read."
	case len(samples) == 1 || first.at.Equal(last.at):
		s.Since = "since the processes started"
		s.Traffic = activity.Between(nil, last.processes)
	default:
		s.Since = fmt.Sprintf("in the last %d s", int(last.at.Sub(first.at).Round(time.Second)/time.Second))
		s.Traffic = activity.Between(first.processes, last.processes)
	}
	if len(samples) > 1 {
		s.Watched = ago(b.began)
	}
	s.Purges = b.purges.Read(activity.MostNamed)
	if why, err := cachestate.Parse(s.Report.Reason); err == nil && !s.Report.Caching {
		s.Meaning = why.Meaning()
	}
	s.setFigures(samples)
	s.setLevels()
	s.setUncached()
	return s
}

// setFigures sets the numbers that have a curve.
func (s *state) setFigures(samples []sample) {
	requests, cached, changes, delays := series{}, series{}, series{}, series{}
	for i := 1; i < len(samples); i++ {
		a, z := samples[i-1], samples[i]
		t := activity.Between(a.processes, z.processes)
		changes = append(changes, float64(z.changes-a.changes)/z.at.Sub(a.at).Seconds())
		delays = append(delays, z.delays.Since(a.delays, 0.99))
		switch {
		case a.err != nil || z.err != nil:
			requests, cached = append(requests, -1), append(cached, -1)
		case t.Seconds == 0 && len(requests) > 0: // no row has been written in between
			requests, cached = append(requests, requests[len(requests)-1]), append(cached, cached[len(cached)-1])
		default:
			requests, cached = append(requests, perSecond(float64(t.Requests), t.Seconds)), append(cached, fromCache(t))
		}
	}
	last, first := samples[len(samples)-1], samples[max(0, len(samples)-1-rateWindow)]
	s.PurgeRate = perSecond(float64(last.purged-first.purged), last.at.Sub(first.at).Seconds())
	var before telemetry.Delays
	if len(samples) > 1 {
		before = samples[max(0, len(samples)-1-delayWindow)].delays
	}
	s.P50, s.P99 = last.delays.Since(before, 0.5), last.delays.Since(before, 0.99)
	s.Measured = last.delays.Count > before.Count
	s.Requests = figure{Value: perSecond(float64(s.Traffic.Requests), s.Traffic.Seconds), Curve: requests.svg("requests a second")}
	s.ReadRate = perSecond(float64(s.Traffic.Reads), s.Traffic.Seconds)
	s.FromCache = figure{Value: fromCache(s.Traffic), Curve: cached.svgUpTo(1, "the part of requests that no read of PostgreSQL was made for")}
	s.Changes = figure{Curve: changes.svg("changes a second")}
	if n := min(len(changes), rateWindow); n > 0 {
		for _, v := range changes[len(changes)-n:] {
			s.Changes.Value += v / float64(n)
		}
	}
	s.Delay = figure{Value: s.P99, Curve: delays.svg("the slowest purges of each second, in seconds")}
}

// figure is a number with its curve.
type figure struct {
	Value float64
	Curve template.HTML
}

// fromCache is the part of the requests to the cache that needed no read of PostgreSQL; below 0
// if there were none.
func fromCache(t activity.Traffic) float64 {
	var asked uint64
	for _, n := range t.Levels {
		asked = max(asked, n.Hits+n.Misses+n.Bypasses)
	}
	if asked == 0 {
		return -1
	}
	return max(0, 1-float64(t.Reads)/float64(asked))
}

var levelWords = map[string]string{
	"l1": "whole answers inside each API process", "view": "whole answers in Redis", "queryset": "rows in Redis, rendered anew",
}

func (s *state) setLevels() {
	for _, name := range activity.Levels {
		n := s.Traffic.Levels[name]
		l := level{Name: name, What: levelWords[name], Counts: n, Asked: n.Hits+n.Misses+n.Bypasses > 0, Ratio: n.HitRatio()}
		l.Bar = bar(l.Ratio)
		s.Levels = append(s.Levels, l)
	}
}

// setUncached gathers why something is not cached: what this process says of itself, what the
// API processes say of themselves, and which requests went past the cache.
func (s *state) setUncached() {
	if r := s.Report; !r.Caching {
		s.add(uncached{Who: "the invalidator", Reason: r.Reason, Detail: r.Detail})
	}
	if n := s.Report.Dark; n > 0 {
		s.Uncached = append(s.Uncached, uncached{Who: plural(n, "partition of Redis", "partitions of Redis"), Reason: "dark",
			Meaning: "The invalidator does not reach it, or has not caught up there: its queries go to PostgreSQL.",
			Remedy:  "see the nodes of the cluster; it comes back by itself"})
	}
	byReason := map[string][]string{}
	for _, p := range s.Processes {
		if !p.Caching {
			byReason[p.Reason] = append(byReason[p.Reason], "API "+p.Address+" on "+cmp.Or(p.Host, "a host without a name"))
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		who := byReason[reason]
		text := who[0]
		if len(who) > 1 {
			text = fmt.Sprintf("%s and %d more", who[0], len(who)-1)
		}
		s.add(uncached{Who: text, Reason: reason})
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Traffic.Bypasses)) {
		s.add(uncached{Who: "requests", Reason: reason, Rate: perSecond(float64(s.Traffic.Bypasses[reason]), s.Traffic.Seconds)})
	}
}

// add adds a reason with what the table of reasons says of it.
func (s *state) add(u uncached) {
	if why, err := cachestate.Parse(u.Reason); err == nil {
		u.Meaning, u.Remedy = why.Meaning(), why.Remedy()
	}
	s.Uncached = append(s.Uncached, u)
}

func perSecond(n, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return n / seconds
}

// milliseconds prints a time in seconds: "0.9 ms", "1.3 s".
func milliseconds(seconds float64) string {
	switch {
	case seconds >= 100:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds >= 1:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds >= 0.1:
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	}
	return fmt.Sprintf("%.1f ms", 1000*seconds)
}

// number prints a count with commas.
func number(n any) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// ratePerSecond prints a rate: "0", "0.3", "12", "1,234".
func ratePerSecond(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.05:
		return "<0.1"
	case v < 10:
		return fmt.Sprintf("%.1f", v)
	}
	return number(int64(v + 0.5))
}

// percent prints a part of one: "99.3 %"; below 0 it is unknown.
func percent(v float64) string {
	switch {
	case v < 0:
		return "–"
	case v == 1:
		return "100 %"
	}
	return fmt.Sprintf("%.1f %%", 100*v)
}

// ago prints for how long something has been: "3 s", "5 min", "2 h", "4 d".
func ago(since time.Time) string {
	if since.IsZero() {
		return "?"
	}
	switch d := time.Since(since); {
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
