package feed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/schema"
)

// swap is the usual change of a column's type without downtime.
const swap = `
	alter table properties add column price_new numeric(14, 2); update properties set price_new = price;
	alter table properties rename column price to price_old; alter table properties rename column price_new to price;
	alter table properties alter column price set not null, alter column price_old drop not null`

// Whatever DDL does, no writer fails by capture, and nothing goes by unnoticed: there is a
// captured row, another fingerprint or a fault.
func TestDDL(t *testing.T) {
	t.Parallel()
	for name, ddl := range map[string]string{
		"a column swapped by two renames":     swap,
		"and the old one dropped":             swap + "; alter table properties drop column price_old cascade",
		"two names exchanged":                 "alter table properties rename title to t; alter table properties rename city to title; alter table properties rename t to city",
		"a watched column renamed":            "alter table properties rename column city to town",
		"a watched column dropped":            "alter table properties drop column latitude cascade",
		"a watched column made anew":          "alter table properties drop column latitude cascade; alter table properties add column latitude double precision",
		"a column added":                      "alter table properties add column r int, add column n int, add column o int, add column image text default 'x'",
		"an unwatched column dropped":         "alter table properties add column note text; alter table properties drop column note",
		"a watched column retyped":            "drop function freshlist.properties_image cascade; drop view if exists freshlist.properties_guard; alter table properties alter column living_area type bigint",
		"a generated column":                  "alter table properties add column twice numeric generated always as (price * 2) stored",
		"an identity dropped":                 "alter table properties alter column id drop identity",
		"the table renamed":                   "alter table properties rename to former",
		"the table moved":                     "create schema elsewhere; alter table properties set schema elsewhere",
		"another table in its place":          "create table p (like properties including all); alter table properties rename to former; alter table p rename to properties",
		"inherited":                           "create table child () inherits (properties)",
		"inheriting":                          "create table parent (title text); alter table properties inherit parent",
		"a partition":                         "create table parent (like properties) partition by list (status); alter table parent attach partition properties default",
		"forced row security":                 "alter table properties enable row level security, force row level security; create policy p on properties using (true)",
		"triggers disabled":                   "alter table properties disable trigger all",
		"unlogged":                            "alter table properties set unlogged",
		"the changes dropped":                 "drop table freshlist.properties_changes cascade",
		"the changes renamed":                 "alter table freshlist.properties_changes rename to properties_former",
		"the changes logged":                  "alter table freshlist.properties_changes set logged",
		"the guard view renamed":              "alter view freshlist.properties_guard rename to properties_former",
		"the guard view dropped":              "drop view freshlist.properties_guard",
		"an attribute renamed":                "alter type freshlist.properties_row rename attribute price to cost",
		"an attribute dropped":                "alter type freshlist.properties_row drop attribute price cascade",
		"the sets dropped":                    "drop type freshlist.properties_sets cascade",
		"the image dropped":                   "drop function freshlist.properties_image cascade",
		"the schema renamed":                  "alter schema freshlist rename to away",
		"the schema dropped":                  "drop schema freshlist cascade",
		"the marker dropped":                  "drop table freshlist.marker",
		"a column swapped, captured, dropped": swap + "; -- install\nalter table properties drop column price_old cascade",
	} {
		for _, apart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/apart=%t", name, apart), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				table := queryOn[uint32](t, r.owner, "select 'properties'::regclass::oid")
				writer := r.connect(r.db.Owner)
				execOn(t, writer, "set role freshlist_owner; "+raise(1)+"; "+raise(2)) // a session whose plans are made
				for i, part := range strings.Split(ddl, "-- install\n") {
					if i > 0 {
						must(schema.Install(t.Context(), r.owner))(t)
					}
					if !apart {
						r.exec(part)
						continue
					}
					for sql := range strings.SplitSeq(part, ";") {
						r.exec(sql)
						execOn(t, writer, titled(t, writer, table, "id = 1"))
					}
				}
				r.editEveryWay(writer, table, 3)
				if !apart {
					r.editEveryWay(r.connect(r.db.Owner), table, 10_001)
				}
			})
		}
	}
}

// titled is an UPDATE of what nobody renames, in the rows of a condition.
func titled(t testing.TB, conn *pgx.Conn, table uint32, where string) string {
	t.Helper()
	return fmt.Sprintf("update %s set property_type = property_type || 'x' where %s",
		queryOn[string](t, conn, "select $1::oid::regclass::text", table), where)
}

// editEveryWay fails the test if an edit fails or goes by unnoticed; many rows at most.
func (r *rig) editEveryWay(conn *pgx.Conn, table uint32, many int) {
	r.Helper()
	name := queryOn[string](r, conn, "select $1::oid::regclass::text", table)
	columns := queryOn[string](r, conn, `
		select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
		where attrelid = $1 and attnum > 1 and not attisdropped and attgenerated = ''`, table)
	copies := func(n, first int) string {
		return fmt.Sprintf("insert into %s (id, %s) select %d + series.number, %s from (select * from %s where id = 2) as two, generate_series(1, %d) as series (number)",
			name, columns, first, columns, name, n)
	}
	for _, sql := range []string{
		titled(r, conn, table, "id = 2"),
		copies(1, 100) + " returning id",
		copies(3, 200),
		titled(r, conn, table, "id between 201 and 203"),
		copies(many, 1000),
		titled(r, conn, table, "id > 1000"),
		fmt.Sprintf("delete from %s where id > 1000", name),
		copies(1, 100) + " on conflict (id) do update set property_type = 'upserted'",
		fmt.Sprintf(`merge into %s as p using (values (101), (201)) as s (id) on p.id = s.id
			when matched and s.id = 101 then delete when matched then update set property_type = 'merged'`, name),
		fmt.Sprintf("delete from %s where id > 200", name),
	} {
		before := r.noticed()
		execOn(r, conn, sql)
		if after := r.noticed(); after == before && !strings.Contains(after, "fault") && !strings.Contains(after, "changed") {
			r.Errorf("%.60s: not noticed", sql)
		}
	}
	execOn(r, conn, "begin; truncate "+name+" cascade; rollback")
}

// noticed tells what an invalidator can notice of the edits so far.
func (r *rig) noticed() string {
	r.Helper()
	catalog, fault, err := feed.CheckCapture(r.Context(), r.conn)
	switch {
	case err != nil:
		return "fault: " + err.Error()
	case fault.Said != "":
		return "fault: " + fault.Said
	case catalog != r.at.Catalog:
		return "changed " + catalog
	}
	return fmt.Sprint(r.pending())
}

// After a swap by renames an installation captures the new column, and the old one may go.
func TestSwapThenInstall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(swap)
	if _, fault, _ := feed.CheckCapture(t.Context(), r.conn); !strings.Contains(fault.Said, "renamed") || !strings.Contains(fault.Said, "price") {
		t.Errorf("fault %+v", fault)
	}
	if changed, err := schema.Install(t.Context(), r.owner); !changed || err != nil {
		t.Fatalf("install: %t, %v", changed, err)
	}
	r.describe()
	r.at = must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("another", 2)))(t)
	check := func() {
		t.Helper()
		r.exec("update properties set price = 77 where id = 1")
		changes := r.drain()
		if len(changes) != 1 || changes[0].New.Values[changes[0].Table.Column("price")].Number != 7700 {
			t.Errorf("changes %+v", changes)
		}
		r.exec("update properties set price = 78 where id = 1")
		r.expect("update 1: price")
	}
	check()
	r.exec("alter table properties drop column price_old") // stands in front of the other
	check()
	if _, fault, _ := feed.CheckCapture(t.Context(), r.conn); fault.Said != "" {
		t.Errorf("fault %+v", fault)
	}
}

// A table that has made way for another loses our triggers at the next installation.
func TestFormerTable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec("create table p (like properties including all); alter table p add column more int; alter table properties rename to former; alter table p rename to properties")
	if _, err := schema.Install(t.Context(), r.owner); err != nil {
		t.Fatal(err)
	}
	r.exec("update former set price = 1; delete from former; insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'LOOMIS')")
	if n := r.pending(); n != 1 {
		t.Errorf("%d changes, want that of the present table", n)
	}
}
