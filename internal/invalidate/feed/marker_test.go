package feed_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/rediscache"
)

func TestTakeover(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if epoch := queryOn[string](t, r.connect(r.db.API), "select freshlist.epoch()"); epoch != r.at.Epoch {
		t.Errorf("the API reads epoch %q", epoch)
	}
	r.exec(raise(1))
	r.at.Parts[0].Fence = rediscache.Fence{Generation: "a", Term: 1, Seq: 2, Batch: 3}
	r.at.Parts[1].Fence = rediscache.Fence{Generation: "b", Term: 4, Seq: 5, Batch: 6}
	r.expect("update 1: price")

	if _, found, _, err := feed.Takeover(t.Context(), r.conn, r.at.Term+1, 0); found || err != nil {
		t.Fatalf("take over a marker from before a term that is known: %t, %v", found, err)
	}
	next, found, _, err := feed.Takeover(t.Context(), r.conn, r.at.Term, 0)
	if err != nil || !found {
		t.Fatalf("take over: %t, %v", found, err)
	}
	if next.Term != r.at.Term+1 || next.Epoch != r.at.Epoch || next.Catalog != r.at.Catalog || !slices.Equal(next.Parts, r.at.Parts) {
		t.Errorf("took over %+v\nfrom      %+v", next, r.at)
	}
	if again := must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("a later epoch", 9)))(t); again.Term != 9 || len(again.Parts) != 2 || again.Parts[1].Snapshot != again.Snapshot {
		t.Errorf("new epoch %+v", again)
	}
	if next, _, _, _ = feed.Takeover(t.Context(), r.conn, 2, 0); next.Term != 10 {
		t.Errorf("took over with term %d, want 10", next.Term)
	}
	timeline := must(feed.Timeline(t.Context(), r.conn))(t)
	if timeline != 1 {
		t.Errorf("timeline %d, want 1", timeline)
	}
	if next, _, _, _ = feed.Takeover(t.Context(), r.conn, 2, timeline<<32); next.Term != 1<<32+1 {
		t.Errorf("took over with term %d, want the first of the timeline", next.Term)
	}
	if next, _, _, _ = feed.Takeover(t.Context(), r.conn, 2, timeline<<32); next.Term != 1<<32+2 {
		t.Errorf("took over with term %d, want the second of the timeline", next.Term)
	}
}

// A partition gets a generation of its own, from the present on, or none: then nothing is kept
// for it. The others stay as they were.
func TestGeneration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(raise(1))
	before := r.at.Parts[0]
	part := must(feed.BeginGeneration(t.Context(), r.conn, r.at, 1, "c"))(t)
	if part.Generation != "c" || part.Snapshot == "" || part.Snapshot == before.Snapshot || part.Seq != 0 {
		t.Errorf("generation %+v", part)
	}
	r.exec(raise(2))
	later := r.at
	later.Snapshot = part.Snapshot
	if batch := must(r.feed.Drain(t.Context(), r.conn, later, most(10), false))(t); len(batch.Changes) != 1 {
		t.Errorf("%d changes are behind its position, want the later one of two", len(batch.Changes))
	}
	next, _, _, err := feed.Takeover(t.Context(), r.conn, 0, 0)
	if err != nil || !slices.Equal(next.Parts, []feed.Part{before, part}) {
		t.Errorf("taken over are %+v (%v)", next.Parts, err)
	}
	if _, err := feed.BeginGeneration(t.Context(), r.conn, r.at, 1, "d"); !errors.Is(err, feed.ErrTerm) {
		t.Errorf("a generation by who has been succeeded: %v", err)
	}
	none := must(feed.BeginGeneration(t.Context(), r.conn, next, 0, ""))(t)
	if next, _, _, _ = feed.Takeover(t.Context(), r.conn, 0, 0); none != (feed.Part{}) || next.Parts[0] != none || next.Parts[1] != part {
		t.Errorf("without a generation: %+v, taken over %+v", none, next.Parts)
	}
}

// Who has been succeeded can neither read nor store nor delete, nor begin an epoch.
func TestSuccession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(raise(1))
	batch := must(r.feed.Drain(t.Context(), r.conn, r.at, most(10), false))(t)
	next, _, _, err := feed.Takeover(t.Context(), r.conn, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), false); !errors.Is(err, feed.ErrTerm) {
		t.Errorf("drain: %v, want ErrTerm", err)
	}
	if err := r.feed.Advance(t.Context(), r.conn, r.at, batch.Xids); !errors.Is(err, feed.ErrTerm) {
		t.Errorf("advance: %v, want ErrTerm", err)
	}
	if _, err := feed.NewEpoch(t.Context(), r.conn, r.epochStart("mine", r.at.Term)); !errors.Is(err, feed.ErrTerm) {
		t.Errorf("new epoch: %v, want ErrTerm", err)
	}
	r.at, r.at.Snapshot = next, next.Parts[0].Snapshot
	r.expect("update 1: price")
	if _, err := feed.NewEpoch(t.Context(), r.conn, r.epochStart("another", next.Term)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), false); !errors.Is(err, feed.ErrMarker) {
		t.Errorf("drain of another epoch: %v, want ErrMarker", err)
	}
}

func TestNoMarker(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec("delete from freshlist.marker")
	if _, found, _, err := feed.Takeover(t.Context(), r.conn, 0, 0); found || err != nil {
		t.Errorf("take over without a marker: %t, %v", found, err)
	}
	if _, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), false); !errors.Is(err, feed.ErrMarker) {
		t.Errorf("drain without a marker: %v, want ErrMarker", err)
	}
	if epoch := queryOn[*string](t, r.connect(r.db.API), "select freshlist.epoch()"); epoch != nil {
		t.Errorf("the API reads epoch %q", *epoch)
	}
}

// A marker of another cluster or database is none, however high its term.
func TestForeignMarker(t *testing.T) {
	t.Parallel()
	for _, copied := range []string{"database_oid = 1", "system_identifier = 1"} {
		r := newRig(t)
		r.exec("update freshlist.marker set term = 99, " + copied)
		if _, found, _, err := feed.Takeover(t.Context(), r.conn, 0, 0); found || err != nil {
			t.Errorf("%s: take over: %t, %v", copied, found, err)
		}
		if r.at = must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("its own", 5)))(t); r.at.Term != 5 {
			t.Errorf("%s: term %d", copied, r.at.Term)
		}
		r.exec(raise(1))
		r.expect("update 1: price")
		if _, found, _, _ := feed.Takeover(t.Context(), r.conn, 0, 0); !found {
			t.Errorf("%s: the new marker is not found", copied)
		}
	}
}

// A clean restart keeps marker and changes, a crash takes both.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	r := rigOn(t, migrated.On(t, server))
	r.exec(raise(1))
	server.Restart(t, local.Fast)
	r.owner, r.conn = r.connect(r.db.Owner), r.connect(r.db.Invalidator)
	r.expect("update 1: price")
	r.exec(raise(2))
	server.Restart(t, local.Immediate)
	r.owner, r.conn = r.connect(r.db.Owner), r.connect(r.db.Invalidator)
	if _, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), false); !errors.Is(err, feed.ErrMarker) {
		t.Errorf("drain after a crash: %v, want ErrMarker", err)
	}
	if n := r.pending(); n != 0 {
		t.Errorf("%d changes have survived a crash without their marker", n)
	}
	r.at = must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("after the crash", 2)))(t)
	r.exec(raise(3))
	r.expect("update 3: price")
}

// The present is behind a new epoch, what is open then is not.
func TestNewEpochBegins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	open := r.begin()
	execOn(t, open.Conn(), raise(1))
	r.exec(raise(2))
	r.at = must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("next", 2)))(t)
	r.exec(raise(3))
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect("update 1: price", "update 3: price")
	r.sweep()
	if n := r.pending(); n != 0 {
		t.Errorf("%d changes from before the epoch are left", n)
	}
}

// A new epoch takes over only the catalog that was looked at: what is altered meanwhile must
// not become the norm.
func TestNewEpochOfAnotherCatalog(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, marker := range map[string]bool{"with a marker": true, "without": false} {
		looked := r.epochStart("adopted", 2)
		r.exec("alter table properties disable trigger freshlist_update; alter table properties enable always trigger freshlist_update")
		if !marker {
			r.exec("delete from freshlist.marker")
		}
		if _, err := feed.NewEpoch(t.Context(), r.conn, looked); !errors.Is(err, feed.ErrCatalog) {
			t.Errorf("%s: new epoch of a catalog that nobody has looked at: %v, want ErrCatalog", name, err)
		}
		if n := queryOn[int](t, r.owner, "select count(*) from freshlist.marker where epoch = 'adopted'"); n != 0 {
			t.Errorf("%s: the marker is written", name)
		}
		must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("looked at", 2)))(t)
	}
}

// The marker keeps the prepared transactions that are still in progress, and no others.
func TestOrphans(t *testing.T) {
	t.Parallel()
	r := rigOn(t, migrated.On(t, pgtest.Start(t, "max_prepared_transactions=3")))
	var xids []uint64
	for id := 1; id <= 2; id++ {
		tx := r.begin()
		execOn(t, tx.Conn(), raise(id))
		xids = append(xids, queryOn[uint64](t, tx.Conn(), "select pg_current_xact_id()"))
		execOn(t, tx.Conn(), fmt.Sprintf("prepare transaction 'p%d'", id))
	}
	listed := must(feed.Prepared(t.Context(), r.conn))(t)
	slices.Sort(listed)
	if !slices.Equal(listed, xids) {
		t.Errorf("prepared are %v, want %v", listed, xids)
	}
	r.exec("commit prepared 'p1'")
	b := r.epochStart("another", 2)
	b.Uncaptured = listed
	r.at = must(feed.NewEpoch(t.Context(), r.conn, b))(t)
	next, _, _, err := feed.Takeover(t.Context(), r.conn, 0, 0)
	if err != nil || !slices.Equal(r.at.Uncaptured, xids[1:]) || !slices.Equal(next.Uncaptured, xids[1:]) {
		t.Errorf("the uncaptured are %v, taken over %v (%v), want %v", r.at.Uncaptured, next.Uncaptured, err, xids[1:])
	}
	r.at, r.at.Snapshot = next, next.Parts[0].Snapshot
	drain := func() *feed.Batch { return must(r.feed.Drain(t.Context(), r.conn, r.at, most(10), false))(t) }
	if drain().Ended(r.at.Uncaptured) {
		t.Error("one is said to have ended that has not")
	}
	r.exec("rollback prepared 'p2'")
	if !drain().Ended(r.at.Uncaptured) {
		t.Error("its end is not noticed")
	}
}
