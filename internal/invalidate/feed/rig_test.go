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
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rig is a database with three listings, and a feed that stands behind them. The feed
// runs as the invalidator's role, the test's SQL as the owner.
type rig struct {
	testing.TB
	db    pgtest.Database
	owner *pgx.Conn
	feed  *pgx.Conn
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
	r := &rig{TB: t, db: db}
	r.owner, r.feed = r.connect(db.Owner), r.connect(db.Invalidator)
	r.exec(threeListings)
	r.at = must(feed.NewEpoch(t.Context(), r.feed, r.epochStart("an epoch", 1)))(t)
	r.sweep()
	return r
}

// epochStart is that of an epoch of two partitions, with the catalog as it is.
func (r *rig) epochStart(epoch string, term int64) feed.EpochStart {
	r.Helper()
	catalog := must(feed.Fingerprint(r.Context(), r.feed))(r)
	return feed.EpochStart{Epoch: epoch, Term: term, Partitions: 2, Agreed: "as agreed", Catalog: catalog}
}

// sweep deletes what is behind the position and returns in how many steps.
func (r *rig) sweep() (steps int) {
	r.Helper()
	s := feed.NewSweep(r.at)
	for ; !s.Done(); steps++ {
		if err := s.Step(r.Context(), r.feed); err != nil {
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
	batch := must(feed.Drain(r.Context(), r.feed, r.at, most(20_000), false))(r)
	r.at.Snapshot = batch.Snapshot
	if err := feed.Advance(r.Context(), r.feed, r.at, batch.Xids); err != nil {
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

var columnNames = [...]string{
	"id", "title", "description", "property_type", "status", "price", "city", "postal_code", "bedrooms", "bathrooms",
	"living_area", "latitude", "longitude", "created_at", "updated_at",
}

// describe puts a change in words: "update 3: price city".
func describe(c *match.Change) string {
	switch {
	case c.Kind == match.WholeTable:
		return "whole table"
	case c.Kind == match.BulkChange:
		return fmt.Sprintf("bulk %d-%d", c.Bulk.ID.Min, c.Bulk.ID.Max)
	case !c.HasOld:
		return fmt.Sprintf("insert %d", c.New.ID)
	case !c.HasNew:
		return fmt.Sprintf("delete %d", c.Old.ID)
	}
	var columns []string
	for i, name := range columnNames {
		if c.Changed&listing.ColumnSet(listing.Column(i)) != 0 {
			columns = append(columns, name)
		}
	}
	return fmt.Sprintf("update %d: %s", c.New.ID, strings.Join(columns, " "))
}

// pending counts the rows of the changes table.
func (r *rig) pending() int {
	r.Helper()
	return queryOn[int](r, r.owner, "select count(*) from freshlist.properties_changes")
}

// edit installs a changed copy of one of the trigger files: the twin of a test, which
// must then fail. Each pair of texts is an original and its replacement.
func (r *rig) edit(file string, pairs ...string) {
	r.Helper()
	sources := must(schema.Sources())(r)
	source := sources[slices.IndexFunc(sources, func(s schema.Source) bool { return s.Name == file })].SQL
	for pair := range slices.Chunk(pairs, 2) {
		if !strings.Contains(source, pair[0]) {
			r.Fatalf("%s does not contain %q", file, pair[0])
		}
		source = strings.ReplaceAll(source, pair[0], pair[1])
	}
	r.exec(source)
}
