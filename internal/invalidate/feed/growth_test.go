package feed_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
)

// The cost of a drain does not grow with what has gone before, though an open
// transaction keeps every dead row and has written very many itself.
func TestDrainStaysCheap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := feed.ForceIndexPlans(t.Context(), r.conn); err != nil {
		t.Fatal(err)
	}
	reader := r.begin()
	execOn(t, reader.Conn(), "set transaction isolation level repeatable read; select from properties")
	writer := r.begin()
	execOn(t, writer.Conn(), changesOfOneTransaction, 20_000)
	r.drain()
	r.drain() // passes over what the writer has written
	before := r.pagesOf(r.feed.DrainQuery())
	for range 1000 {
		r.exec(raise(2))
		r.drain()
	}
	after := r.pagesOf(r.feed.DrainQuery())
	t.Logf("pages of a drain: %d before 1,000 drained changes, %d after", before, after)
	if after > 2*before {
		t.Errorf("pages of a drain: %d before 1,000 drained changes, %d after", before, after)
	}

	// Twin: the simpler condition reads everything since the open transaction began.
	simple := strings.Replace(r.feed.DrainQuery(), "where xid >= pg_snapshot_xmax($1::pg_snapshot)",
		"where xid >= pg_snapshot_xmin($1::pg_snapshot) and not pg_visible_in_snapshot(xid, $1::pg_snapshot)", 1)
	if pages := r.pagesOf(simple); pages < 5*after {
		t.Errorf("the simpler condition reads %d pages: the test proves nothing", pages)
	}
}

// pagesOf returns how many pages one execution of a drain touches: the least of a few, since
// pages of the catalog count too where the session reads them anew.
func (r *rig) pagesOf(query string) (pages int) {
	r.Helper()
	for range 5 {
		text := queryOn[[]byte](r, r.conn, "explain (analyze, buffers, format json) "+query, r.at.Snapshot, 100, false, 1<<20)
		var plans []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		if err := json.Unmarshal(text, &plans); err != nil {
			r.Fatal(err)
		}
		if touched := plans[0].Plan.Hit + plans[0].Plan.Read; pages == 0 || touched < pages {
			pages = touched
		}
	}
	return pages
}
