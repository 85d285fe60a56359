package invalidate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/cache"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// loop works until an error ends the leadership. It never returns nil.
func (l *leadership) loop(ctx context.Context) error {
	l.ears = l.listen(ctx)
	defer func() { l.ears.stop() }()
	beat := time.NewTimer(0)
	defer beat.Stop()
	for due := false; ; {
		err := l.round(ctx, due)
		switch {
		case errors.Is(err, feed.ErrMarker), errors.Is(err, cache.ErrLost), errors.Is(err, errCatalog):
			if err := l.begin(ctx); err != nil {
				return err
			}
			beat.Reset(0)
		case err != nil:
			return err
		case due:
			beat.Reset(l.beatEvery())
		}
		if err := l.tend(ctx); err != nil {
			return err
		}
		if due, err = l.sleep(ctx, beat.C); err != nil {
			return err
		}
	}
}

// sleep waits for whatever comes first of a ring, the next look, the next beat and
// the answer to the request for K, and tells whether it was the beat.
func (l *leadership) sleep(ctx context.Context, beat <-chan time.Time) (due bool, err error) {
	if l.bell.unseen {
		l.bell.unseen = false
		select {
		case <-beat:
			return true, nil
		default:
			return false, nil
		}
	}
	var look <-chan time.Time
	if d := l.bell.next(time.Now(), l.polling, l.beatEvery()); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		look = t.C
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-beat:
		return true, nil
	case <-l.ears.rings:
		l.Metrics.Rings.Inc()
	case err := <-l.bell.granted:
		return false, l.answered(err)
	case <-look:
	}
	return false, nil
}

// tend does what the locks, the doorbell and the listener need between two rounds.
func (l *leadership) tend(ctx context.Context) error {
	if err := l.touch(ctx); err != nil { // on a busy machine a round may have taken long after its drain
		return err
	}
	now := time.Now()
	if l.ears.deaf(now) {
		l.Metrics.ListenerRestarts.Inc()
		l.Log.WarnContext(ctx, "the listener does not hear its own ring, beginning another")
		l.ears.stop()
		l.ears = l.listen(ctx)
		l.proved = time.Time{}
	}
	if since := now.Sub(l.proved); since >= proofEvery || since >= proofFirst && !l.ears.hears() {
		if err := l.prove(ctx, now); err != nil {
			return err
		}
	}
	switch {
	case l.bell.state == asleep && !l.ears.hears():
		return l.bell.wake(ctx, now)
	case l.bell.state == awake && !l.polling && l.ears.hears() && l.bell.owed(now) == 0:
		l.bell.queue(ctx)
		l.Metrics.Sleeps.Inc()
	}
	return nil
}

// prove rings to oneself, not on the leader's connection: a NOTIFY may have to wait
// for the commits of others, longer than that one waits for a lock.
func (l *leadership) prove(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout())
	defer cancel()
	if _, err := l.drains.Exec(ctx, "select pg_notify($1, $2)", proofChannel, l.ears.prove(now)); err != nil {
		return fmt.Errorf("ring to oneself: %w", err)
	}
	l.proved = now
	return nil
}

// listen begins to listen on a connection of its own.
func (l *leadership) listen(ctx context.Context) *listener {
	connect := func(ctx context.Context) (*pgx.Conn, error) { return l.connect(ctx, "listen", nil) }
	return startListener(ctx, connect, func(err error) {
		if ctx.Err() == nil {
			l.Log.WarnContext(ctx, "listening interrupted", "error", err)
		}
	})
}

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

// renewEvery is how often a beat is renewed while changes keep coming, for those who
// wait to see their own write. Where very many come, they read it from the database.
func (l *leadership) renewEvery() time.Duration {
	if l.bell.state == awake {
		return l.beatEvery() / 4
	}
	return 15 * time.Millisecond
}

// renew publishes the present beat with what has been applied since. As for any proof,
// the catalog must have been read: a transaction that went past disabled triggers is in
// the applied snapshot like any other, but nothing of it has been applied.
func (l *leadership) renew(ctx context.Context) error {
	l.unproved, l.renewed = false, time.Now()
	if l.noted == 0 {
		return nil
	}
	err := l.daemon.Beat(ctx, cache.Proof{Noted: l.noted, Applied: l.at.Snapshot})
	if isMild(err) {
		return nil
	}
	return err
}

// checkCatalog reads the catalog after a drain that did not: the first change after some
// quiet is purged for sooner without. It speaks for the drain's snapshot too, since no
// fingerprint comes a second time.
func (l *leadership) checkCatalog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout())
	defer cancel()
	catalog, err := feed.Fingerprint(ctx, l.conn())
	if err == nil && catalog != l.at.Catalog {
		err = errCatalog
	}
	return err
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

// catchUp is the rest of a round with a large backlog, which is read in parts on a
// connection that holds no lock. It may take long: there is no beat before its end.
func (l *leadership) catchUp(ctx context.Context, beat bool) error {
	if len(l.left) > 0 {
		if err := l.apply(ctx, nil, math.MaxInt); err != nil {
			return err
		}
	}
	batch, err := feed.DrainAll(ctx, l.drains, l.at, beat, func(changes []match.Change) error {
		if err := l.touch(ctx); err != nil {
			return err
		}
		return l.apply(ctx, changes, math.MaxInt)
	})
	switch {
	case err != nil:
		return err
	case beat && batch.Catalog != l.at.Catalog:
		return errCatalog
	}
	l.advance(batch)
	l.unproved = true
	if err := l.answerBurst(ctx, batch); err != nil {
		return err
	}
	return l.store(ctx, true)
}

// note reads Redis' clock, for the beat at the end of the round, and makes sure
// that Redis has not been told to evict what it must keep.
func (l *leadership) note(ctx context.Context) error {
	clock, err := l.daemon.Note(ctx)
	if err != nil {
		return err
	}
	if _, err := cache.CheckPolicy(clock.Policy); err != nil {
		return err
	}
	l.noted = clock.Noted
	return nil
}

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

// isMild reports whether a beat was refused for its time only.
func isMild(err error) bool {
	return errors.Is(err, cache.ErrLate) || errors.Is(err, cache.ErrFuture)
}

// answerBurst wakes up if changes come so fast that ringing would cost the writers
// more than looking costs the invalidator.
func (l *leadership) answerBurst(ctx context.Context, batch *feed.Batch) error {
	now := time.Now()
	if len(batch.Xids) > 0 && l.bell.found(now, len(batch.Xids), batch.InProgress()) {
		return l.bell.wake(ctx, now)
	}
	return nil
}

// The position is stored every storeOften while so many changes keep coming that there are
// storeMany transactions by then, and else every storeSeldom; deleting the changes of one
// may take storeTime.
const (
	storeOften  = 50 * time.Millisecond
	storeSeldom = 200 * time.Millisecond
	storeMany   = 100
	storeTime   = time.Millisecond
)

// store writes the position to PostgreSQL and deletes the changes behind it, if
// there are any and it is time. Until then a restart would apply them once more.
func (l *leadership) store(ctx context.Context, beat bool) error {
	every := storeSeldom
	if len(l.pending) >= storeMany {
		every = storeOften
	}
	if len(l.pending) == 0 || (!beat && time.Since(l.stored) < every) {
		return nil
	}
	return l.save(ctx, l.conn(), l.touch)
}

// save writes the position now.
func (l *leadership) save(ctx context.Context, conn *pgx.Conn, pulse func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.stepTimeout()+time.Duration(len(l.pending))*storeTime)
	defer cancel()
	l.at.Fences = fencesOf(l.daemon.Positions())
	if err := feed.Advance(ctx, conn, l.at, l.pending, pulse); err != nil {
		return err
	}
	l.daemon.Settle()
	l.pending, l.stored = l.pending[:0], time.Now()
	return nil
}

// farewell stores the position when the process is told to stop, so that the next
// leader need not apply again what has been applied. If it fails, that one will, as it
// will if the position is ahead of what has been purged.
func (l *leadership) farewell(ctx context.Context) {
	if len(l.pending) == 0 || len(l.left) > 0 {
		return
	}
	enough, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.stepTimeout())
	defer cancel()
	if err := l.save(enough, l.drains, func(context.Context) error { return nil }); err != nil {
		l.Log.DebugContext(ctx, "the position was not stored at the end", "error", err)
	}
}

// beat publishes the proof, after a look at some live queries that may have gone.
func (l *leadership) beat(ctx context.Context) error {
	if err := l.daemon.Registrations(ctx, l.learn); err != nil {
		return err
	}
	gone, err := l.daemon.Cleanup(ctx, max(leastLooks, l.index.Len()/sweepBeats))
	if err != nil {
		return err
	}
	for _, q := range gone {
		l.index.Remove(q)
	}
	err = l.daemon.Beat(ctx, cache.Proof{Noted: l.noted, Applied: l.at.Snapshot})
	switch {
	case err == nil:
		now := time.Now()
		l.Metrics.Beats.Inc()
		l.Metrics.LastBeat.Set(float64(now.UnixMilli()) / 1000)
		l.status.beat(now, l.index.Len(), l.daemon.Positions()[0].Batch, l.at.Epoch)
	case isMild(err):
		l.Log.DebugContext(ctx, "beat refused", "error", err)
	default:
		return err
	}
	l.Metrics.LiveQueries.Set(float64(l.index.Len()))
	l.Metrics.Unparsable.Set(float64(l.index.Unparsable()))
	return nil
}

// A beat looks at least at leastLooks live queries, and at all of them within
// sweepBeats beats.
const (
	leastLooks = 20
	sweepBeats = 500
)
