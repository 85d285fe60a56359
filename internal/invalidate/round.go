package invalidate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// errCatalog tells that the table or its triggers are not what they were when the
// epoch began: changes may have gone by unseen.
var errCatalog = errors.New("the catalog has changed")

// round is one pass from noting the time to the beat; without beat it only applies
// what is there. The order of its steps is what the guarantee rests on.
func (l *leadership) round(ctx context.Context, beat bool) error {
	if beat {
		if err := l.note(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	renewal := !beat && l.unproved && began.Sub(l.renewed) >= l.renewEvery()
	changes := 0
	for most := stepQueries; ; {
		n, err := l.step(ctx, beat || renewal, most)
		if errors.Is(err, feed.ErrMany) {
			return l.catchUp(ctx, beat)
		}
		if err != nil {
			return err
		}
		changes += n
		if len(l.left) == 0 {
			break
		}
		if err := l.touch(ctx); err != nil {
			return err
		}
		if time.Since(began) > l.beatEvery()/evenPart {
			most *= 2
		}
	}
	if changes > 0 {
		l.unproved = true
		l.Metrics.Purged(time.Since(began))
	}
	if err := l.store(ctx, beat); err != nil {
		return err
	}
	switch {
	case beat:
		l.unproved = false
		return l.beat(ctx)
	case renewal:
		return l.renew(ctx)
	case l.unproved && began.Sub(l.renewed) >= l.renewEvery():
		if err := l.checkCatalog(ctx); err != nil {
			return err
		}
		return l.renew(ctx)
	}
	return nil
}

// A round purges about stepQueries a step. After one in evenPart of the time between beats
// it takes ever more, so that it ends whatever comes meanwhile.
const (
	stepQueries = 50
	evenPart    = 4
)

// step drains and purges about most queries, and returns how many changes it drained. The
// rest is left for the next step, so that those who commit meanwhile need not wait for all
// of an edit that very many queries show. Nothing is stored or certified before nothing is
// left.
func (l *leadership) step(ctx context.Context, catalog bool, most int) (changes int, err error) {
	l.bell.looked = time.Now()
	batch, err := l.look(ctx, catalog)
	switch {
	case err != nil:
		return 0, err
	case catalog && batch.Catalog != l.at.Catalog:
		return 0, errCatalog
	}
	if len(batch.Changes) > 0 || len(l.left) > 0 {
		if err := l.apply(ctx, batch.Changes, most); err != nil {
			return 0, err
		}
	}
	l.advance(batch)
	return len(batch.Changes), l.answerBurst(ctx, batch)
}

// look drains. When writers ring there is most likely a change, so that meanwhile it
// learns which queries are live: then nearly always one purge is enough.
func (l *leadership) look(ctx context.Context, catalog bool) (*feed.Batch, error) {
	if l.bell.state != asleep {
		return l.drain(ctx, catalog)
	}
	learned := make(chan error, 1)
	go func() { learned <- l.daemon.SomeRegistrations(ctx, l.learn) }()
	batch, err := l.drain(ctx, catalog) // here, so that it is most likely sent first
	if failed := <-learned; failed != nil {
		return nil, failed
	}
	return batch, err
}

// drain reads what is new, in one step.
func (l *leadership) drain(ctx context.Context, catalog bool) (*feed.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout())
	defer cancel()
	return feed.Drain(ctx, l.conn(), l.at, drainRows, catalog)
}

// drainRows is how many changes are drained on the leader's own connection. More
// would keep it from being used in time, should this process be stopped meanwhile.
const drainRows = 5000

// apply purges what some changes touch and what is left of earlier ones, at most most
// queries of all that are known, and then whatever had registered by the end of that
// purge. A reader whose snapshot missed a change had registered before that change could
// be seen here, so it is among them.
func (l *leadership) apply(ctx context.Context, changes []match.Change, most int) error {
	l.backlog(len(changes))
	var fresh match.Index
	known := take(&l.index, changes)
	taken := len(known)
	known = append(known, l.left...)
	now := min(most, len(known))
	known, later := known[:now], known[now:]
	for _, q := range known[min(taken, now):] {
		l.index.Remove(q) // left by an earlier step, it may have been registered again
	}
	err := l.daemon.Purge(ctx, known, func(r cache.Registration) {
		learn(&l.index, r)
		learn(&fresh, r)
	})
	if err != nil {
		return err
	}
	late := take(&fresh, changes)
	if len(late) > 0 {
		for _, q := range late {
			l.index.Remove(q)
		}
		if err := l.daemon.Purge(ctx, late, l.learn); err != nil {
			return err
		}
	}
	l.left = later // not sooner: what has not been purged for certain is still to be
	l.Metrics.ChangesApplied.Add(len(changes))
	l.tellUnread(ctx, changes)
	l.Metrics.PurgedQueries.Add(len(known) + len(late))
	if len(l.left) == 0 {
		l.backlog(0)
	}
	return nil
}

// advance moves the position behind a batch that has been applied.
func (l *leadership) advance(batch *feed.Batch) {
	l.at.Snapshot = batch.Snapshot
	l.pending = append(l.pending, batch.Xids...)
}

// backlog notes how many changes have been read and not yet applied.
func (l *leadership) backlog(rows int) {
	l.Metrics.Backlog.Set(float64(rows))
	l.status.setBacklog(rows)
}

// learn takes a registration into the index.
func (l *leadership) learn(r cache.Registration) { learn(&l.index, r) }

// learn takes a registration into an index. A window that this build cannot read is
// taken for wide.
func learn(index *match.Index, r cache.Registration) {
	w, err := listing.ParseWindow(r.Window)
	if err != nil {
		w = listing.Window{}
	}
	index.Set(r.Number, r.Query, w)
}

// take takes the live queries that the changes touch out of an index: they are purged.
// Those of changes that touch few come first: they need not wait for the others.
func take(index *match.Index, changes []match.Change) []string {
	type query struct {
		text string
		of   int // how many queries the change touches that touches it and the fewest others
	}
	var found []query
	var touched []string
	at := make(map[string]int)
	for i := range changes {
		touched = index.Affected(&changes[i], touched[:0])
		for _, text := range touched {
			if n, known := at[text]; known {
				found[n].of = min(found[n].of, len(touched))
				continue
			}
			at[text] = len(found)
			found = append(found, query{text, len(touched)})
		}
	}
	slices.SortStableFunc(found, func(a, b query) int { return cmp.Compare(a.of, b.of) })
	queries := make([]string, len(found))
	for i, q := range found {
		index.Remove(q.text)
		queries[i] = q.text
	}
	return queries
}
