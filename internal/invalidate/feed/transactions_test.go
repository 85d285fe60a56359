package feed_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
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
		rows, _ := r.feed.Query(t.Context(), "select xid from freshlist.properties_changes where xid > $1", last)
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

// A drain that finds more than it may return says so, and the large drain returns all
// of it in parts, or collapses it.
func TestBacklog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(changesOfOneTransaction, 12_000)
	if _, err := feed.Drain(t.Context(), r.feed, r.at, 11_999, false); err != feed.ErrMany {
		t.Errorf("drain at most 11,999 of 12,000: %v, want ErrMany", err)
	}
	if batch := must(feed.Drain(t.Context(), r.feed, r.at, 12_000, false))(t); len(batch.Changes) != 12_000 || len(batch.Xids) != 1 {
		t.Errorf("%d changes of %d transactions, want 12,000 of 1", len(batch.Changes), len(batch.Xids))
	}
	var parts []int
	must(feed.DrainAll(t.Context(), r.feed, r.at, false, sizes(&parts)))(t)
	if want := []int{feed.ChunkRows, feed.ChunkRows, 12_000 - 2*feed.ChunkRows}; !slices.Equal(parts, want) {
		t.Errorf("parts of %d changes, want %d", parts, want)
	}
	parts = nil
	batch := must(feed.DrainCollapsing(t.Context(), r.feed, r.at, 11_999, sizes(&parts)))(t)
	if !slices.Equal(parts, []int{1}) {
		t.Errorf("a collapsed backlog has parts of %d changes", parts)
	}
	r.at.Snapshot = batch.Snapshot
	if err := feed.Advance(t.Context(), r.feed, r.at, batch.Xids, noPulse); err != nil {
		t.Fatal(err)
	}
	if err := feed.Sweep(t.Context(), r.feed, r.at, noPulse); err != nil {
		t.Fatal(err)
	}
	r.expect()
	if n := r.pending(); n != 0 {
		t.Errorf("%d rows left after collapse and sweep", n)
	}
}

func sizes(parts *[]int) func([]match.Change) error {
	return func(changes []match.Change) error {
		*parts = append(*parts, len(changes))
		return nil
	}
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
	batch := must(feed.Drain(t.Context(), r.feed, r.at, 50_000, false))(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.at.Snapshot = batch.Snapshot
	pulses := 0
	pulse := func(context.Context) error { pulses++; return nil }
	if err := feed.Advance(t.Context(), r.feed, r.at, batch.Xids, pulse); err != nil {
		t.Fatal(err)
	}
	if n := r.pending(); n != 1 || pulses < 2 {
		t.Errorf("%d rows left, want 1; %d pulses", n, pulses)
	}
	r.expect("update 2: price")
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
	r.at.Snapshot = must(feed.Drain(t.Context(), r.feed, r.at, 1000, false))(t).Snapshot
	r.exec(raise(3))
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := feed.Sweep(t.Context(), r.feed, r.at, noPulse); err != nil {
		t.Fatal(err)
	}
	if n := r.pending(); n != 2 {
		t.Errorf("%d rows left, want the 2 that have not been read", n)
	}
	r.expect("update 1: price", "update 3: price")
}
