package invalidate

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediscache"
)

// apply purges the known queries that some changes affect and those that remain of earlier
// changes, at most most of them. Then it purges the affected queries that had registered by
// the end of that purge. A reader whose snapshot did not see a change had registered before
// that change could be drained, so its query is among them.
func (l *leadership) apply(ctx context.Context, changes []match.Change, most int) error {
	l.backlog(len(changes))
	seen := l.observe(len(changes))
	known, err := l.affected(ctx, &l.index, changes, l.remaining, seen)
	if err != nil {
		return err
	}
	known = append(known, l.remaining...)
	now := min(most, len(known))
	in := l.purger.InUse()
	fresh, err := l.purge(ctx, in, known[:now])
	if err != nil {
		return err
	}
	l.remaining = known[now:] // not sooner: what has not been purged for certain is still to be
	if err := l.applyLate(ctx, in, changes, fresh, seen); err != nil {
		return err
	}
	l.Metrics.ChangesApplied.Add(len(changes))
	l.reportUnread(ctx, changes)
	l.Metrics.PurgedQueries.Add(now)
	l.observed, l.purged = append(l.observed, seen.of(changes)...), time.Now()
	if len(l.remaining) == 0 {
		l.backlog(0)
	}
	return nil
}

// applyLate purges those of some registrations, read behind a purge, that the changes affect.
func (l *leadership) applyLate(ctx context.Context, in []int, changes []match.Change, fresh []rediscache.Registration, seen *sighting) error {
	if len(fresh) == 0 {
		return nil
	}
	index := match.NewIndex(l.feed.Site)
	for i := range fresh {
		addRegistration(index, &fresh[i])
	}
	late, err := l.affected(ctx, index, changes, nil, seen)
	if err != nil || len(late) == 0 {
		return err
	}
	l.Metrics.PurgedQueries.Add(len(late))
	_, err = l.purge(ctx, in, late)
	return err
}

// purge removes queries from some partitions of Redis, and from the index when the purge has
// succeeded. It returns the registrations that were read behind the purge, and adds them to the
// index. A query that is removed from the index before its purge would stay in Redis for good if
// the purge failed; and so it would in a partition that does not answer, is entered again and
// found as it was left.
func (l *leadership) purge(ctx context.Context, in []int, queries []string) (fresh []rediscache.Registration, err error) {
	failed := l.purger.PurgeIn(ctx, in, queries, func(r rediscache.Registration) { fresh = append(fresh, r) })
	l.spaceRounds(l.purger.Deliveries())
	if failed == nil {
		failed = l.keepAlive(ctx)
	}
	used := make([]bool, l.Space.Partitions)
	for _, p := range in {
		used[p] = failed == nil && l.purger.Dark(p) == nil
	}
	err = l.computeKeepingAlive(ctx, len(queries)+len(fresh), func() {
		for _, q := range queries {
			if used[l.Space.Partition(q)] {
				l.index.Remove(q)
			}
		}
		l.addToIndex(fresh) // in any case: it is told only once
	})
	return fresh, cmp.Or(failed, err)
}

// removeFromIndex removes queries from the index.
func (l *leadership) removeFromIndex(queries []string) {
	for _, q := range queries {
		l.index.Remove(q)
	}
}

// readRegistrations reads all new registrations, which may be very many, into the index.
func (l *leadership) readRegistrations(ctx context.Context) error {
	return l.readRegistrationsIn(ctx, l.purger.InUse())
}

// readRegistrationsIn is readRegistrations of some partitions.
func (l *leadership) readRegistrationsIn(ctx context.Context, in []int) error {
	for {
		some, more, err := l.purger.SomeRegistrations(ctx, in)
		if err := l.computeKeepingAlive(ctx, len(some), func() { l.addToIndex(some) }); err != nil {
			return err
		}
		if err != nil || !more {
			return err
		}
		if err := l.keepAlive(ctx); err != nil {
			return err
		}
	}
}

// addToIndex adds registrations to the index.
func (i *Invalidator) addToIndex(some []rediscache.Registration) {
	for n := range some {
		addRegistration(&i.index, &some[n])
	}
	i.Metrics.Registrations.Add(len(some))
}

// addRegistration adds a registration to an index. A window that this build cannot read is
// taken for wide.
func addRegistration(index *match.Index, r *rediscache.Registration) {
	w, err := listing.ParseWindow(r.Window)
	if err != nil {
		w = listing.Window{}
	}
	index.Set(r.Number, r.Query, w)
}

// affected returns the queries of an index that the changes affect, except those in but.
// Queries of changes that affect few come first: they need not wait for the others. seen notes
// what each change affects, for those who watch; nil for nobody.
func (l *leadership) affected(
	ctx context.Context, index *match.Index, changes []match.Change, but []string, seen *sighting,
) (queries []string, err error) {
	err = l.computeKeepingAlive(ctx, len(changes), func() { queries = affected(index, changes, but, seen) })
	return queries, err
}

func affected(index *match.Index, changes []match.Change, but []string, seen *sighting) []string {
	type query struct {
		text string
		of   int // how many queries the change touches that touches it and the fewest others
	}
	const never = -1
	var found []query
	var texts []string
	at := make(map[string]int)
	for _, text := range but {
		at[text] = never
	}
	for i := range changes {
		texts = index.Affected(&changes[i], texts[:0])
		seen.note(index, i, texts)
		for _, text := range texts {
			switch n, known := at[text]; {
			case !known:
				at[text] = len(found)
				found = append(found, query{text, len(texts)})
			case n != never:
				found[n].of = min(found[n].of, len(texts))
			}
		}
	}
	slices.SortStableFunc(found, func(a, b query) int { return cmp.Compare(a.of, b.of) })
	queries := make([]string, len(found))
	for i, q := range found {
		queries[i] = q.text
	}
	return queries
}
