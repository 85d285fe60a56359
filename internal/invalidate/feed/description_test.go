package feed_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/cachestate"
	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
)

// otherDescription stores another description without an installation.
const otherDescription = "update freshlist.description set identity = 'another'"

// An epoch begins only by the description that is stored then.
func TestNewEpochOfAnotherDescription(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(otherDescription)
	for name, marker := range map[string]bool{"with a marker": true, "without": false} {
		if !marker {
			r.exec("delete from freshlist.marker")
		}
		if _, err := feed.NewEpoch(t.Context(), r.conn, r.epochStart("of the former", 2)); !errors.Is(err, feed.ErrDescription) {
			t.Errorf("%s: new epoch of a description that is not stored: %v, want ErrDescription", name, err)
		}
		if n := queryOn[int](t, r.owner, "select count(*) from freshlist.marker where epoch = 'of the former'"); n != 0 {
			t.Errorf("%s: the marker is written", name)
		}
		stored := r.epochStart("of the stored", 2)
		stored.Description = "another"
		if at := must(feed.NewEpoch(t.Context(), r.conn, stored))(t); at.Description != "another" {
			t.Errorf("%s: the position is of description %q", name, at.Description)
		}
		if described := queryOn[string](t, r.owner, "select freshlist.described()"); described != "another" {
			t.Errorf("%s: the marker is of description %q", name, described)
		}
	}
}

// A drain is for the description of the marker, and no beat is published by one that is not
// stored any more.
func TestDrainOfAnotherDescription(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql              string
		without, catalog error // what a drain returns, without the catalog and with it
	}{
		"stored":        {otherDescription, nil, feed.ErrDescription},
		"in the marker": {"update freshlist.marker set description = 'another'", feed.ErrDescription, feed.ErrDescription},
		"nowhere":       {"delete from freshlist.description", nil, feed.ErrDescription},
		"as it was":     {"update freshlist.description set identity = identity", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(c.sql)
			for _, catalog := range []bool{false, true} {
				want := c.without
				if catalog {
					want = c.catalog
				}
				if _, err := r.feed.Drain(t.Context(), r.conn, r.at, most(10), catalog); !errors.Is(err, want) {
					t.Errorf("drain, with the catalog: %t: %v, want %v", catalog, err, want)
				}
			}
		})
	}
}

// A takeover reads the stored description, whether or not there is a marker.
func TestTakeoverReadsTheDescription(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, marker := range []bool{true, false} {
		if !marker {
			r.exec("delete from freshlist.marker")
		}
		at, found, installed, err := feed.Takeover(t.Context(), r.conn, 0, 0)
		if err != nil || found != marker || installed.Identity != r.feed.Site.Identity || found && at.Description != installed.Identity {
			t.Errorf("marker %t: found %t, description %q of %q, %v", marker, found, at.Description, installed.Identity, err)
		}
		if site := must(installed.Site())(t); site.Identity != installed.Identity || site.Table("properties") == nil {
			t.Errorf("marker %t: read is a site of %q", marker, site.Identity)
		}
	}
	for name, sql := range map[string]string{
		"of another format": `update freshlist.description set body = '{"format": 77}'`,
		"no description":    "update freshlist.description set body = 'x'",
		"another's name":    otherDescription,
	} {
		r.exec("begin; " + sql)
		r.exec("commit")
		_, _, installed, err := feed.Takeover(t.Context(), r.conn, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := installed.Site(); reasonOf(err) != cachestate.NotInstalled {
			t.Errorf("%s: %v, want the reason %s", name, err, cachestate.NotInstalled)
		}
	}
	r.exec("delete from freshlist.description")
	if _, _, _, err := feed.Takeover(t.Context(), r.conn, 0, 0); reasonOf(err) != cachestate.NotInstalled {
		t.Errorf("without a description: %v, want the reason %s", err, cachestate.NotInstalled)
	}
}

func reasonOf(err error) cachestate.Reason {
	why, _ := cachestate.ReasonOf(err)
	return why
}

// What one transaction does to several tables comes in one drain, and goes with one store of
// the position.
func TestSeveralTables(t *testing.T) {
	t.Parallel()
	r := every(t)
	const uuid = "00000000-0000-0000-0000-000000000007"
	r.exec(`begin; insert into "Every Type" ("Key") values ('a'), ('b'); insert into by_uuid (id, name) values ('` + uuid + `', 'x'); commit`)
	r.exec(`update by_uuid set price = 7; update "Every Type" set small = 7 where "Key" = 'a'; truncate by_uuid`)
	r.exec(`begin; delete from "Every Type" where "Key" = 'b'; delete from by_uuid; rollback`)
	if n := must(r.feed.Count(t.Context(), r.conn, r.at, 100))(t); n != 6 {
		t.Errorf("%d changes are counted, want 6", n)
	}
	r.expect("every: insert a", "every: insert b", "by-uuid: insert "+uuid, "by-uuid: update "+uuid+": price", "every: update a: small doubled", "by-uuid: whole table")
	if n := r.pendingOf("every") + r.pendingOf("by-uuid"); n != 0 {
		t.Errorf("%d changes are left behind", n)
	}
	r.expect()
	if xids := must(r.feed.Writing(t.Context(), r.conn))(t); len(xids) != 0 {
		t.Errorf("transactions %v are said to write", xids)
	}
	tx := r.begin()
	execOn(t, tx.Conn(), "insert into by_uuid (id, name) values ('"+uuid+"', 'x')")
	xid := queryOn[uint64](t, tx.Conn(), "select pg_current_xact_id()")
	if xids := must(r.feed.Writing(t.Context(), r.conn))(t); !slices.Equal(xids, []uint64{xid}) {
		t.Errorf("transactions %v are said to write, want %d", xids, xid)
	}
}

// A backlog of several tables is read in parts of each, consumed, and swept.
func TestBacklogOfSeveralTables(t *testing.T) {
	t.Parallel()
	r := every(t)
	for _, changes := range []string{"every_changes", "by-uuid_changes"} {
		r.exec(`insert into freshlist."`+changes+`" (xid) select pg_current_xact_id() from generate_series(1, $1)`, 700)
	}
	limits, applied := feed.Limits{Rows: 300, Bytes: 1 << 30}, map[string]int{}
	for parts := 1; ; parts++ {
		batch := must(r.feed.Drain(t.Context(), r.conn, r.at, limits, false))(t)
		for _, c := range batch.Changes {
			applied[c.Table.Name]++
		}
		if !batch.More {
			if parts != 3 {
				t.Errorf("%d parts, want 3", parts)
			}
			break
		}
		r.at.Parts[0].Seq = int64(parts)
		if err := r.feed.Consume(t.Context(), r.conn, r.at, batch); err != nil {
			t.Fatal(err)
		}
		for name, n := range applied {
			if left := r.pendingOf(name); left != 700-n {
				t.Fatalf("%d changes of %s are left after %d have been applied", left, name, n)
			}
		}
	}
	if applied["every"] != 700 || applied["by-uuid"] != 700 {
		t.Errorf("applied are %v", applied)
	}
	r.at.Snapshot = queryOn[string](t, r.owner, "select pg_current_snapshot()::text")
	r.sweep()
	if n := r.pendingOf("every") + r.pendingOf("by-uuid"); n != 0 {
		t.Errorf("%d changes are left behind", n)
	}
}

// Of an envelope of a text or UUID key, any key may have been of the statement.
func TestBulkOfOtherKeys(t *testing.T) {
	t.Parallel()
	r := every(t)
	r.exec(`insert into "Every Type" ("Key", flag, uid) select 'k' || n, n % 2 = 0, '00000000-0000-0000-0000-000000000007' from generate_series(1, 10001) as n`)
	r.exec("insert into by_uuid (id, name) select gen_random_uuid(), 'n' || n % 7 from generate_series(1, 10001) as n")
	changes := r.drain()
	if len(changes) != 2 {
		t.Fatalf("%d changes, want two envelopes", len(changes))
	}
	for _, c := range changes {
		if c.Kind != match.BulkChange {
			t.Fatalf("%s: want an envelope", describe(&c))
		}
		want := map[string]string{"Key": "any", "flag": "false|true", "uid": "00000000-0000-0000-0000-000000000007", "condition": "new to new", "small": "NULL"}
		if c.Table.Name == "by-uuid" {
			want = map[string]string{"id": "any", "name": "n0|n1|n2|n3|n4|n5|n6", "price": "NULL"}
		}
		bounds := boundsOf(c.Table, c.Bulk)
		for name, bound := range want {
			if bounds[name] != bound {
				t.Errorf("%s.%s is %s, want %s", c.Table.Name, name, bounds[name], bound)
			}
		}
	}
}
