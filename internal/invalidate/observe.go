package invalidate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/activity"
	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// What is shown of changes to those who watch is noted while they are matched, and explained and
// published behind the round that has purged all that they affect: no purge, position or beat waits
// for it. While nobody watches, nothing is noted.

// sighting notes what each of some changes affects. A nil one notes nothing.
type sighting struct {
	shown    int // how many of the changes, the first ones, are shown
	affected []observation
}

// observation is what one change affects.
type observation struct {
	change  *match.Change
	omitted int          // of the last of a drain: how many more there are that are not shown
	purged  int          //
	live    int          // queries that were live
	some    []match.Live // of those purged
}

// observe returns what notes the effects of n changes, nil if nobody watches.
func (l *leadership) observe(n int) *sighting {
	if n == 0 || !l.stream.Watched() {
		return nil
	}
	s := &sighting{shown: l.stream.Grant(n)}
	s.affected = make([]observation, s.shown, s.shown+1)
	if s.shown < n {
		s.affected = append(s.affected, observation{omitted: n - s.shown})
	}
	return s
}

// note notes which queries of an index change i affects.
func (s *sighting) note(index *match.Index, i int, texts []string) {
	if s == nil || i >= s.shown {
		return
	}
	o := &s.affected[i]
	o.live += index.Len()
	o.purged += len(texts)
	for _, text := range texts {
		if len(o.some) == activity.MostPurged {
			break
		}
		if live, ok := index.Live(text); ok {
			o.some = append(o.some, live)
		}
	}
}

// of returns what has been noted of the changes.
func (s *sighting) of(changes []match.Change) []observation {
	if s == nil {
		return nil
	}
	for i := range s.shown {
		s.affected[i].change = &changes[i]
	}
	return s.affected
}

// publishObserved publishes what has been noted in a round and purged, even if the round has failed
// since. When the transactions committed is asked for if it has not, and left out if it cannot be read:
// nothing of the cache depends on it.
func (l *leadership) publishObserved(ctx context.Context, well bool) error {
	observed := l.observed
	l.observed = nil
	if len(observed) == 0 || len(l.remaining) > 0 { // of what has failed halfway nothing is certain
		return nil
	}
	later := time.Since(l.purged).Seconds() // than the purge it is asked
	var since map[uint64]float64
	if well {
		var err error
		if since, err = l.sinceCommit(ctx, observed); err != nil {
			l.Log.DebugContext(ctx, "changes are shown without the times of their commits", "error", err)
		}
	}
	return l.computeKeepingAlive(ctx, 64*len(observed), func() {
		for i := range observed {
			o := &observed[i]
			if o.omitted > 0 {
				l.stream.Publish(activity.EventOmitted, activity.Omitted{Changes: o.omitted})
				continue
			}
			shown := o.describe(l.index.Some(o.change.Table, 4*activity.MostSpared))
			shown.At, shown.Delay = l.purged, l.purged.Sub(l.began).Seconds()
			if age, ok := since[o.change.Xid]; ok {
				age = max(0, age-later)
				shown.CommitToPurge = &age
			}
			l.stream.Publish(activity.EventChange, shown)
		}
	})
}

// describe returns what is shown of a change. others are live queries of its table.
func (o *observation) describe(others []match.Live) activity.Change {
	c := o.change
	shown := activity.Change{
		Kind: c.Name(), Columns: c.Columns(), Purged: o.purged, Spared: o.live - o.purged, Queries: []activity.Query{},
	}
	if c.Table != nil {
		shown.Table = c.Table.Name
	}
	if key, ok := c.Key(); ok {
		shown.Key = &key
	}
	for i := range o.some {
		shown.Queries = append(shown.Queries, activity.Query{Query: o.some[i].Text(), Purged: true, Why: o.some[i].Explain(c).String()})
	}
	spared := 0
	for i := range others {
		if spared == activity.MostSpared {
			break
		}
		if d := others[i].Explain(c); !d.Purged {
			shown.Queries = append(shown.Queries, activity.Query{Query: others[i].Text(), Why: d.String()})
			spared++
		}
	}
	return shown
}

// sinceCommit returns how many seconds ago the transactions committed, by PostgreSQL's clock; of
// those of which PostgreSQL knows it.
func (l *leadership) sinceCommit(ctx context.Context, observed []observation) (map[uint64]float64, error) {
	var xids []uint64
	for i := range observed {
		if c := observed[i].change; c != nil && c.Xid > 0 && (len(xids) == 0 || xids[len(xids)-1] != c.Xid) {
			xids = append(xids, c.Xid)
		}
	}
	if len(xids) == 0 || l.commitTimes != nil && !*l.commitTimes {
		return nil, nil
	}
	since := map[uint64]float64{}
	err := l.runKeepingAlive(ctx, l.stepTimeout(), func(ctx context.Context) (err error) {
		if l.commitTimes == nil {
			var on bool
			if err := l.drains.QueryRow(ctx, "select current_setting('track_commit_timestamp')::boolean").Scan(&on); err != nil || !on {
				l.commitTimes = &on
				return err
			}
			l.commitTimes = &on
		}
		since, err = readCommitAges(ctx, l.drains, xids)
		return err
	})
	return since, err
}

// readCommitAges returns how many seconds ago transactions committed.
func readCommitAges(ctx context.Context, conn *pgx.Conn, xids []uint64) (map[uint64]float64, error) {
	rows, err := conn.Query(ctx, `
		select x, extract(epoch from clock_timestamp() - pg_xact_commit_timestamp(x::xid))::double precision
		from unnest($1::xid8[]) as x where pg_xact_commit_timestamp(x::xid) is not null`, xids)
	if err != nil {
		return nil, fmt.Errorf("read when transactions committed: %w", err)
	}
	ages := map[uint64]float64{}
	var xid uint64
	var age float64
	if _, err := pgx.ForEachRow(rows, []any{&xid, &age}, func() error { ages[xid] = age; return nil }); err != nil {
		return nil, fmt.Errorf("read when transactions committed: %w", err)
	}
	return ages, nil
}
