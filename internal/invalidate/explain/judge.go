package explain

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Question asks what some changes would purge. It goes from one process to another as JSON.
type Question struct {
	Description string          `json:"description"` // its identity
	Captured    []feed.Captured `json:"captured"`
	Spared      int             `json:"spared"` // how many of those spared are to be named
}

// QuestionPath is where an invalidator answers a POST of a Question with a Verdict.
const QuestionPath = "/explain/changes"

// Verdict is what changes would do to the queries that are live.
type Verdict struct {
	Live    int              `json:"live"`
	Purged  int              `json:"purged"`
	Spared  int              `json:"spared"`
	Queries []activity.Query `json:"queries"` // all those purged, then some of those spared
	Because map[string]int   `json:"spared_because"`
}

// Judge answers a question. A site is the asker's.
type Judge func(context.Context, *listing.Site, Question) (Verdict, error)

// Cache is where the live queries are registered.
type Cache struct {
	Redis redis.UniversalClient
	Space rediskey.Space
}

const (
	fewChanges = 8                      // more are looked up in an index
	mostTime   = 100 * time.Millisecond // for that in a leader, which purges nothing meanwhile
)

// Registrations returns a judge that reads every registration. With very many that takes long.
func Registrations(cache Cache) Judge {
	return func(ctx context.Context, site *listing.Site, q Question) (Verdict, error) {
		var all []rediscache.Registration
		err := rediscache.EachRegistration(ctx, cache.Redis, cache.Space, func(some []rediscache.Registration) error {
			all = append(all, some...)
			return nil
		})
		if err != nil {
			return Verdict{}, err
		}
		changes, err := feed.New(site).Decode(q.Captured)
		if err != nil {
			return Verdict{}, err
		}
		live := make([]match.Live, len(all))
		registry := match.NewRegistry(site)
		inParts(len(all), func(_, from, to int) {
			for i := from; i < to; i++ {
				live[i] = registry.Live(all[i].Query, windowOf(&all[i]))
			}
		})
		var first map[string]int
		if len(changes) > fewChanges {
			index := match.NewIndex(site)
			for i := range all {
				index.Set(all[i].Number, all[i].Query, windowOf(&all[i]))
			}
			first, _ = firstOf(index, changes, time.Time{})
		}
		return decide(live, changes, first, q.Spared), nil
	}
}

// WithIndex calls a function with a leader's site and index, which must not be kept.
type WithIndex func(context.Context, func(*listing.Site, *match.Index)) error

// Leader returns a judge that asks the index of the leader in this process. The leader waits
// while the index is copied, and while many changes are looked up in it.
func Leader(with WithIndex) Judge {
	return func(ctx context.Context, _ *listing.Site, q Question) (Verdict, error) {
		var live []match.Live
		var changes []match.Change
		var first map[string]int
		var failed error
		err := with(ctx, func(site *listing.Site, index *match.Index) {
			if site.Identity != q.Description {
				failed = errors.New("the leader works by another description")
				return
			}
			if changes, failed = feed.New(site).Decode(q.Captured); failed != nil {
				return
			}
			if len(changes) > fewChanges {
				if first, failed = firstOf(index, changes, time.Now().Add(mostTime)); failed != nil {
					return
				}
			}
			live = index.All()
		})
		if err != nil { // the function may be called yet
			return Verdict{}, err
		}
		if failed != nil {
			return Verdict{}, failed
		}
		return decide(live, changes, first, q.Spared), nil
	}
}

// windowOf returns a registration's window: wide if it is not readable, as for the invalidator.
func windowOf(r *rediscache.Registration) listing.Window {
	w, err := listing.ParseWindow(r.Window)
	if err != nil {
		return listing.Window{}
	}
	return w
}

// firstOf returns of each query that some changes affect which of them is the first. It gives up
// at a time, unless that is zero.
func firstOf(index *match.Index, changes []match.Change, until time.Time) (map[string]int, error) {
	first := map[string]int{}
	var texts []string
	for i := range changes {
		if !until.IsZero() && time.Now().After(until) {
			return nil, fmt.Errorf("the leader looks up changes for no longer than %v, and there are %d", mostTime, len(changes))
		}
		texts = index.Affected(&changes[i], texts[:0])
		for _, text := range texts {
			if _, known := first[text]; !known {
				first[text] = i
			}
		}
	}
	return first, nil
}

// inParts calls do for the parts of n, at the same time if there are many, and returns how many
// parts there were.
func inParts(n int, do func(part, from, to int)) (parts int) {
	if parts = runtime.GOMAXPROCS(0); n < 1000 {
		parts = 1
	}
	var running sync.WaitGroup
	for i := range parts {
		running.Go(func() { do(i, i*n/parts, (i+1)*n/parts) })
	}
	running.Wait()
	return parts
}

// outcome is what changes do to some queries.
type outcome struct {
	purged, spared []activity.Query
	because        [match.Rules]int
}

// decide finds out what some changes do to the live queries. first is which change is the first that
// affects a query; nil where each query is asked about each change.
func decide(live []match.Live, changes []match.Change, first map[string]int, spared int) Verdict {
	v := Verdict{Live: len(live), Queries: []activity.Query{}, Because: map[string]int{}}
	found := make([]outcome, runtime.GOMAXPROCS(0))
	inParts(len(live), func(part, from, to int) { found[part] = decidePart(live[from:to], changes, first, spared) })
	var stay []activity.Query
	for _, o := range found {
		v.Queries = append(v.Queries, o.purged...)
		stay = append(stay, o.spared...)
		for rule, n := range o.because {
			if n > 0 {
				v.Because[match.Rule(rule).String()] += n
			}
		}
	}
	v.Purged = len(v.Queries)
	v.Spared = len(live) - v.Purged
	slices.SortFunc(v.Queries, func(a, b activity.Query) int { return strings.Compare(a.Query, b.Query) })
	v.Queries = append(v.Queries, stay[:min(len(stay), spared)]...)
	return v
}

func decidePart(live []match.Live, changes []match.Change, first map[string]int, spared int) (o outcome) {
	if len(changes) == 0 {
		return o
	}
	for i := range live {
		query := &live[i]
		d, by := decision(query, changes, first)
		switch {
		case d.Purged:
			o.purged = append(o.purged, activity.Query{Query: query.Text(), Purged: true, Why: query.Explain(by).String()})
		default:
			o.because[d.Rule]++
			if d.Rule != match.OtherTable && d.Rule != match.OtherRow && len(o.spared) < spared {
				o.spared = append(o.spared, activity.Query{Query: query.Text(), Why: query.Explain(by).String()})
			}
		}
	}
	return o
}

// decision returns the decision by the first change that purges a query, or else by the first, and
// that change.
func decision(l *match.Live, changes []match.Change, first map[string]int) (match.Decision, *match.Change) {
	by := &changes[0]
	if first != nil {
		by = &changes[first[l.Text()]]
		return l.Judge(by), by
	}
	d := l.Judge(by)
	for i := 1; !d.Purged && i < len(changes); i++ {
		if other := l.Judge(&changes[i]); other.Purged || d.Rule == match.OtherTable || d.Rule == match.OtherRow {
			d, by = other, &changes[i]
		}
	}
	return d, by
}
