package database_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/serve/database"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const timeout = time.Minute

// open returns a pool of at most n connections.
func open(t *testing.T, url string, n int) *database.Pool {
	t.Helper()
	pool, err := database.Open(database.Config{URL: url, Application: "test", MaxConns: n, Timeout: timeout})
	if err != nil {
		t.Fatalf("open pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// with returns an address with one more parameter.
func with(t *testing.T, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// connect returns a connection of one's own.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// fill inserts properties with the ids that they have.
func fill(t *testing.T, conn *pgx.Conn, rows []listing.Property) {
	t.Helper()
	columns := []string{"id", "title", "description", "property_type", "status", "price", "city", "postal_code",
		"bedrooms", "bathrooms", "living_area", "latitude", "longitude", "created_at", "updated_at"}
	_, err := conn.CopyFrom(t.Context(), pgx.Identifier{"properties"}, columns,
		pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
			p := &rows[i]
			return []any{
				p.ID, p.Title, p.Description, p.PropertyType, p.Status, fixed(p.Price, 2), p.City, null(p.PostalCode),
				null(p.Bedrooms), fixedNull(p.Bathrooms, 1), null(p.LivingArea), null(p.Latitude), null(p.Longitude),
				p.CreatedAt.Time(), p.UpdatedAt.Time(),
			}, nil
		}))
	if err != nil {
		t.Fatalf("insert properties: %v", err)
	}
}

func setEpoch(t *testing.T, conn *pgx.Conn, epoch string) {
	t.Helper()
	exec(t, conn, `insert into freshlist.properties_marker
		values (1, $1, 1, 1, 1, pg_current_snapshot(), '', '', '{}', '{}', '{}', '{}')`, epoch)
}

func nothing() {}
