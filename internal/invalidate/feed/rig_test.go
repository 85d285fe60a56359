package feed_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rig is a database with some rows, and a feed that stands behind them. The feed runs as the
// invalidator's role, the test's SQL as the owner.
type rig struct {
	testing.TB
	db    pgtest.Database
	owner *pgx.Conn
	conn  *pgx.Conn
	feed  *feed.Feed
	at    feed.Position
}

const threeListings = `
	insert into properties (id, title, description, property_type, price, city, postal_code, bedrooms, bathrooms, living_area,
		latitude, longitude, created_at, updated_at)
	select n, 'title ' || n, 'description ' || n, 'Condo', 1000 * n, 'FOLSOM', '95630', n, 1.5, 800, 38.5, -121.5,
		'2024-01-01Z', '2024-01-01Z'
	from generate_series(1, 3) as n;
	select setval(pg_get_serial_sequence('public.properties', 'id'), 3)`

func newRig(t testing.TB) *rig {
	t.Helper()
	return rigOn(t, migrated.New(t))
}

func rigOn(t testing.TB, db pgtest.Database) *rig {
	t.Helper()
	return rigWith(t, db, threeListings)
}

// rigWith returns a rig of any described tables, after some SQL.
func rigWith(t testing.TB, db pgtest.Database, sql string) *rig {
	t.Helper()
	r := &rig{TB: t, db: db}
	r.owner, r.conn = r.connect(db.Owner), r.connect(db.Invalidator)
	r.exec(sql)
	r.describe()
	r.at = must(feed.NewEpoch(t.Context(), r.conn, r.epochStart("an epoch", 1)))(t)
	r.sweep()
	return r
}

// every returns a rig of the tables with a column of every type, which are empty and have no
// checks.
func every(t testing.TB) *rig {
	t.Helper()
	db := migrated.New(t)
	owner := must(pgx.Connect(t.Context(), db.Owner))(t)
	execOn(t, owner, listingtest.EverySQL)
	must(schema.InstallFile(t.Context(), owner, schema.File{Name: "every.yaml", Text: listingtest.EveryListings}))(t)
	if err := owner.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return rigWith(t, db, listingtest.EveryDropChecks)
}

// describe takes the stored description for the feed's.
func (r *rig) describe() {
	r.Helper()
	_, _, installed, err := feed.Takeover(r.Context(), r.conn, 1<<40, 0)
	if err != nil {
		r.Fatal(err)
	}
	r.feed = feed.New(must(installed.Site())(r))
}

// epochStart is that of an epoch of two partitions, with the catalog as it is.
func (r *rig) epochStart(epoch string, term int64) feed.EpochStart {
	r.Helper()
	catalog := must(feed.Fingerprint(r.Context(), r.conn))(r)
	return feed.EpochStart{Epoch: epoch, Description: r.feed.Site.Identity, Term: term, Generations: []string{"a", "b"}, Agreed: "as agreed", Catalog: catalog}
}

// sweep deletes what is behind the position and returns in how many steps.
func (r *rig) sweep() (steps int) {
	r.Helper()
	s := r.feed.NewSweep(r.at.Snapshot)
	for ; !s.Done(); steps++ {
		if err := s.Step(r.Context(), r.conn); err != nil {
			r.Fatal(err)
		}
	}
	return steps
}

// most is so many rows, of whatever size.
func most(rows int) feed.Limits { return feed.Limits{Rows: rows + 1, Bytes: 1 << 30} }

// connect opens one more connection, which ends with the test.
func (r *rig) connect(url string) *pgx.Conn {
	r.Helper()
	conn := must(pgx.Connect(r.Context(), url))(r)
	r.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// exec runs statements as the owner.
func (r *rig) exec(sql string, args ...any) {
	r.Helper()
	execOn(r, r.owner, sql, args...)
}

func execOn(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func queryOn[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// begin opens a transaction of its own connection.
func (r *rig) begin() pgx.Tx {
	r.Helper()
	return must(r.connect(r.db.Owner).Begin(r.Context()))(r)
}

// drain returns the changes since the last drain and stores the position behind them.
func (r *rig) drain() []match.Change {
	r.Helper()
	batch := must(r.feed.Drain(r.Context(), r.conn, r.at, most(20_000), false))(r)
	r.at.Snapshot = batch.Snapshot
	for p := range r.at.Parts {
		r.at.Parts[p].Snapshot = batch.Snapshot
	}
	if err := r.feed.Advance(r.Context(), r.conn, r.at, batch.Xids); err != nil {
		r.Fatal(err)
	}
	return batch.Changes
}

// drained drains and tells what came in words, sorted.
func (r *rig) drained() []string {
	r.Helper()
	var words []string
	for _, c := range r.drain() {
		words = append(words, describe(&c))
	}
	slices.Sort(words)
	return words
}

// expect fails the test unless exactly these changes have come.
func (r *rig) expect(want ...string) {
	r.Helper()
	slices.Sort(want)
	if got := r.drained(); !slices.Equal(got, want) {
		r.Errorf("changes:\n got %q\nwant %q", got, want)
	}
}

// describe puts a change in words: "update 3: price city", with the table in front if it is not
// that of the listings.
func describe(c *match.Change) string {
	words := changed(c)
	if c.Table.Name != "properties" {
		words = c.Table.Name + ": " + words
	}
	return words
}

func changed(c *match.Change) string {
	switch {
	case c.Kind == match.WholeTable:
		return "whole table"
	case c.Kind == match.BulkChange:
		return "bulk"
	case !c.HasOld:
		return "insert " + keyOf(c.Table, &c.New)
	case !c.HasNew:
		return "delete " + keyOf(c.Table, &c.Old)
	}
	return fmt.Sprintf("update %s: %s", keyOf(c.Table, &c.New), strings.Join(namesOf(c.Table, c.Changed), " "))
}

func keyOf(t *listing.Table, r *listing.Row) string { return t.KeyColumn().Spell(r.Values[t.Key]) }

// namesOf returns the names of columns.
func namesOf(t *listing.Table, columns listing.Columns) (names []string) {
	for i := range t.Columns {
		if columns.Has(i) {
			names = append(names, t.Columns[i].Name)
		}
	}
	return names
}

// pending counts the rows of the changes of the listings.
func (r *rig) pending() int {
	r.Helper()
	return r.pendingOf("properties")
}

// pendingOf counts the rows of the changes of a table.
func (r *rig) pendingOf(table string) int {
	r.Helper()
	return queryOn[int](r, r.owner, "select count(*) from freshlist."+pgx.Identifier{table + "_changes"}.Sanitize())
}

// edit installs a changed copy of one of the trigger files: the twin of a test, which
// must then fail. Each pair of texts is an original and its replacement.
func (r *rig) edit(file string, pairs ...string) {
	r.Helper()
	sources := must(schema.Sources(r.feed.Site))(r)
	source := sources[slices.IndexFunc(sources, func(s schema.Source) bool { return s.Name == file })].SQL
	for pair := range slices.Chunk(pairs, 2) {
		if !strings.Contains(source, pair[0]) {
			r.Fatalf("%s does not contain %q", file, pair[0])
		}
		source = strings.ReplaceAll(source, pair[0], pair[1])
	}
	r.exec(source)
}
