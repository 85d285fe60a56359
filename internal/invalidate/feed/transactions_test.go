package feed_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

func raise(id int) string {
	return fmt.Sprintf("update properties set price = price + 1 where id = %d", id)
}

func TestNothingBeforeCommit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tx := r.begin()
	execOn(t, tx.Conn(), raise(1))
	r.expect()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect("update 1: price")
	r.expect()
}

func TestRollback(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec("begin; " + raise(1) + "; rollback")
	r.expect()
	r.exec("begin; " + raise(1) + "; savepoint s; " + raise(2) + "; rollback to s; " + raise(3) + "; savepoint s; " + raise(1) + "; release s; commit")
	r.expect("update 1: price", "update 1: price", "update 3: price")
}

// Transactions commit in another order than they begin, and one stays open for long:
// each comes when it commits, and holds no other back.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var seen []string
	outOfOrder(r, func() { seen = append(seen, r.drained()...) })
	if want := []string{"update 2: price", "update 3: price", "update 1: price"}; !slices.Equal(seen, want) {
		t.Errorf("changes %q, want %q", seen, want)
	}
}

// Twin: a cursor that remembers the greatest transaction number loses the late one.
func TestOutOfOrderByNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last, seen := uint64(0), 0
	outOfOrder(r, func() {
		rows, _ := r.conn.Query(t.Context(), "select xid from freshlist.properties_changes where xid > $1", last)
		xids := must(pgx.CollectRows(rows, pgx.RowTo[uint64]))(t)
		seen += len(xids)
		last = slices.Max(append(xids, last))
	})
	if seen != 2 {
		t.Errorf("a cursor by number has seen %d of 3 changes: the test before this one proves nothing", seen)
	}
}

// outOfOrder commits three edits in the order 2, 3, 1, and looks after each.
func outOfOrder(r *rig, look func()) {
	r.Helper()
	r.drain()
	first, second := r.begin(), r.begin()
	execOn(r, first.Conn(), raise(1))
	execOn(r, second.Conn(), raise(2))
	look()
	for _, commit := range []func() error{
		func() error { return second.Commit(r.Context()) },
		func() error { _, err := r.owner.Exec(r.Context(), raise(3)); return err },
		func() error { return first.Commit(r.Context()) },
	} {
		if err := commit(); err != nil {
			r.Fatal(err)
		}
		look()
	}
}

// changesOfOneTransaction stands for as many statements.
const changesOfOneTransaction = "insert into freshlist.properties_changes (xid) select pg_current_xact_id() from generate_series(1, $1)"

// A large backlog is drained in parts, by rows or by bytes. Each part that has been applied
// is gone for good, though the position moves only behind the last.
func TestBacklog(t *testing.T) {
	t.Parallel()
	title := strings.Repeat("0123456789abcdef", 20)
	for name, c := range map[string]struct {
		limits feed.Limits
		parts  []int
	}{
		"by rows":                {feed.Limits{Rows: 5000, Bytes: 1 << 30}, []int{5000, 5000, 2000}},
		"exactly":                {feed.Limits{Rows: 6000, Bytes: 1 << 30}, []int{6000, 6000, 0}},
		"by bytes":               {feed.Limits{Rows: 1 << 30, Bytes: 2_000_000}, nil},
		"one row above the rest": {feed.Limits{Rows: 1 << 30, Bytes: 1}, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(`create function many(n int, title text) returns void language sql as $$
				insert into freshlist.properties_changes (xid, new_row)
				select pg_current_xact_id(), row(x, now(), now(), null, null, null, null, 1, null, title, 'Condo', 'for_sale', 'FOLSOM', null)::freshlist.properties_row
				from generate_series(1, n) as x $$`)
			r.exec("select many(12000, $1)", title)
			var parts []int
			applied := 0
			for len(parts) < len(c.parts) || c.parts == nil {
				batch := must(r.feed.Drain(t.Context(), r.conn, r.at, c.limits, false))(t)
				parts = append(parts, len(batch.Changes))
				applied += len(batch.Changes)
				if !batch.More {
					break
				}
				if err := r.feed.Consume(t.Context(), r.conn, r.at, batch); err != nil {
					t.Fatal(err)
				}
				if n := r.pending(); n != 12_000-applied {
					t.Fatalf("%d rows left after %d have been applied", n, applied)
				}
			}
			if c.parts != nil && !slices.Equal(parts, c.parts) {
				t.Errorf("parts of %d changes, want %d", parts, c.parts)
			}
			if c.parts == nil && (len(parts) < 2 || applied != 12_000) {
				t.Errorf("parts of %d changes, want several of 12,000", parts)
			}
			if n := must(r.feed.Count(t.Context(), r.conn, r.at, 1<<30))(t); n != r.pending() {
				t.Errorf("counted %d changes of %d", n, r.pending())
			}
		})
	}
}

// Consuming is for the present leader, and never moves the position behind what is left.
func TestConsume(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(raise(1))
	r.exec(raise(2))
	r.exec(raise(3))
	batch := must(r.feed.Drain(t.Context(), r.conn, r.at, feed.Limits{Rows: 2, Bytes: 1 << 20}, false))(t)
	if len(batch.Changes) != 2 || !batch.More {
		t.Fatalf("%d changes, more %t", len(batch.Changes), batch.More)
	}
	later := r.at
	later.Term++
	if err := r.feed.Consume(t.Context(), r.conn, later, batch); !errors.Is(err, feed.ErrTerm) {
		t.Errorf("consume in another term: %v, want ErrTerm", err)
	}
	if n := r.pending(); n != 3 {
		t.Errorf("%d rows left, want 3", n)
	}
	r.at.Parts[0].Seq = 7
	if err := r.feed.Consume(t.Context(), r.conn, r.at, batch); err != nil {
		t.Fatal(err)
	}
	next, _, _, err := feed.Takeover(t.Context(), r.conn, 0, 0)
	if err != nil || next.Parts[0].Snapshot != r.at.Snapshot || next.Parts[0].Seq != 7 {
		t.Errorf("position %+v, %v; want snapshot %s and seq 7", next, err, r.at.Snapshot)
	}
	r.at, r.at.Snapshot = next, next.Parts[0].Snapshot
	r.expect("update 3: price")
}

// Deletion goes on where one statement's limits end, and leaves what is not processed.
func TestAdvanceMany(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(changesOfOneTransaction, 45_000)
	tx := r.begin()
	execOn(t, tx.Conn(), raise(2))
	for range 10 {
		r.exec(raise(3))
	}
	batch := must(r.feed.Drain(t.Context(), r.conn, r.at, most(50_000), false))(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.at.Snapshot = batch.Snapshot
	if err := r.feed.Advance(t.Context(), r.conn, r.at, batch.Xids); err != nil {
		t.Fatal(err)
	}
	if n := r.pending(); n != 1 {
		t.Errorf("%d rows left, want 1", n)
	}
	r.expect("update 2: price")
}

// A sweep of very many rows takes several steps, and spares those that are not behind its
// position wherever in the file they are.
func TestSweepMany(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(changesOfOneTransaction, 300_000)
	open := r.begin()
	execOn(t, open.Conn(), raise(1))
	r.exec(changesOfOneTransaction, 1000)
	r.at = must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("another", 2)))(t)
	r.exec(raise(3))
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if steps := r.sweep(); steps < 10 {
		t.Errorf("%d steps, want more", steps)
	}
	if n := r.pending(); n != 2 {
		t.Errorf("%d rows left, want 2", n)
	}
	r.expect("update 1: price", "update 3: price")
}

// An interrupted Advance leaves rows behind its position; Sweep removes those and
// nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	open := r.begin()
	execOn(t, open.Conn(), raise(1))
	for range 100 {
		r.exec(raise(2))
	}
	r.at.Snapshot = must(r.feed.Drain(t.Context(), r.conn, r.at, most(1000), false))(t).Snapshot
	r.exec(raise(3))
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.sweep()
	if n := r.pending(); n != 2 {
		t.Errorf("%d rows left, want the 2 that have not been read", n)
	}
	r.expect("update 1: price", "update 3: price")
}
