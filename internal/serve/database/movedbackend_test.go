package database

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/session"
)

// A pooler that names the backend's own process is noticed when a prepared statement is
// there that should not be, or is not there. Nothing fails for it, and from then on no
// statement has a name.
func TestPreparedStatementsLostAndFound(t *testing.T) {
	t.Parallel()
	page := listingtest.Query("properties?limit=3")
	db := migrated.New(t)
	names := preparedBy(t, db.API, page)
	for what, meddle := range map[string]func(*pgx.Conn){
		"lost": func(conn *pgx.Conn) { run(t, conn, "deallocate all") },
		"found": func(conn *pgx.Conn) {
			if err := conn.DeallocateAll(t.Context()); err != nil { // and pgx knows
				t.Fatal(err)
			}
			for _, name := range names {
				run(t, conn, "prepare "+pgx.Identifier{name}.Sanitize()+" as select 1")
			}
		},
	} {
		for kind, work := range map[string]func(*Pool) error{
			"read": func(p *Pool) error {
				_, err := NewReader(p, func() {}).Read(t.Context(), page)
				return err
			},
			"write": func(p *Pool) error {
				_, err := NewWriter(p).Create(t.Context(), listingtest.Properties(), house())
				return err
			},
		} {
			pool := openOne(t, db.API)
			if err := work(pool); err != nil {
				t.Fatal(err)
			}
			with(t, pool, meddle)
			if err := work(pool); err != nil {
				t.Errorf("%s of prepared statements that were %s: %v", kind, what, err)
			}
			with(t, pool, func(conn *pgx.Conn) {
				if session.InStartup(conn) || conn.Config().DefaultQueryExecMode != pgx.QueryExecModeExec {
					t.Errorf("after a %s, %s: statements still have names", kind, what)
				}
			})
		}
	}
}

func house() Fields {
	t := listingtest.Properties()
	return Fields{
		Columns: listing.ColumnSet(t.Column("title"), t.Column("property_type"), t.Column("price"), t.Column("city")),
		Values:  listingtest.Property(1),
	}
}

func openOne(t *testing.T, url string) *Pool {
	t.Helper()
	pool, err := Open(Config{URL: url, MaxConns: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// with calls do with the only session of a pool.
func with(t *testing.T, pool *Pool, do func(*pgx.Conn)) {
	t.Helper()
	conn, err := pool.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	do(conn.Conn())
}

func run(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// preparedBy returns the names of the statements that a read and a write leave behind.
func preparedBy(t *testing.T, url string, q listing.Query) (names []string) {
	t.Helper()
	pool := openOne(t, url)
	if _, err := NewReader(pool, func() {}).Read(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if _, err := NewWriter(pool).Create(t.Context(), listingtest.Properties(), house()); err != nil {
		t.Fatal(err)
	}
	with(t, pool, func(conn *pgx.Conn) {
		rows, err := conn.Query(t.Context(), "select name from pg_prepared_statements where statement not like '%pg_prepared_statements%'")
		if err != nil {
			t.Fatal(err)
		}
		if names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(names) < 2 {
			t.Fatalf("prepared statements %q, %v", names, err)
		}
	})
	return names
}
