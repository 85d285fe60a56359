package database_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A pool works through poolers of either kind, whatever start-up parameters they take and
// in every protocol mode that its address can ask for. It says so once, and no request fails for it.
func TestThroughPoolers(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	lax := "ignore_startup_parameters = " + everySetting
	for name, c := range map[string]struct {
		mode     string
		settings []string
		query    string
	}{
		"transaction":                  {mode: "transaction"},
		"transaction, any parameter":   {mode: "transaction", settings: []string{lax}},
		"transaction, simple protocol": {mode: "transaction", query: "&default_query_exec_mode=simple_protocol"},
		"transaction, cache describe":  {mode: "transaction", query: "&default_query_exec_mode=cache_describe"},
		"session":                      {mode: "session"},
		"session, any parameter":       {mode: "session", settings: []string{lax}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := migrated.On(t, server)
			conn := connect(t, db.Superuser)
			rows := crowd(60, 3)
			fill(t, conn, properties(), rows)
			exec(t, conn, "select setval(pg_get_serial_sequence('public.properties', 'id'), 100)")
			size := 3
			if c.mode == "session" {
				size = 20
			}
			through := server.Pooler(t, c.mode, size, c.settings...)
			var log lines
			pool, err := database.Open(database.Config{
				URL: through(db.API) + c.query, Application: "test", MaxConns: 8, Timeout: timeout,
				Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			direct := database.NewReader(open(t, db.API, 2), nothing)
			work(t, database.NewReader(pool, nothing), database.NewWriter(pool), direct)
			if err := pool.Ping(t.Context()); err != nil {
				t.Errorf("ping: %v", err)
			}
			if text := log.String(); strings.Count(text, "pooler") == 0 || strings.Count(text, "\n") != 1 {
				t.Errorf("want one line about the pooler:\n%s", text)
			}
		})
	}
}

// everySetting are start-up parameters that a pooler is told to drop.
const everySetting = "search_path, IntervalStyle, extra_float_digits, bytea_output, array_nulls, quote_all_identifiers, " +
	"transform_null_equals, gin_fuzzy_search_limit, row_security, default_transaction_isolation, default_transaction_read_only, " +
	"default_transaction_deferrable, statement_timeout, lock_timeout, idle_in_transaction_session_timeout, " +
	"idle_session_timeout, exit_on_error, plan_cache_mode, jit"

// after returns the query of the page behind a cursor.
func after(q listing.Query, key listing.Key) listing.Query {
	q.After = listing.Some(key)
	return q
}

// work reads and writes from many sides at once, and holds the reads against those of
// another reader.
func work(t *testing.T, reader *database.Reader, writer *database.Writer, other *database.Reader) {
	t.Helper()
	queries := append(everyKind(),
		query("properties?city=FOLSOM,%C3%89&q=garden&limit=5"),
		query("properties?min_price=1&sort=-price&limit=5"),
		after(query("properties?limit=5"), listing.Key{Key: id(30), Value: listing.Some(listing.Value{Number: 264129900000042})}),
	)
	want := make([]string, len(queries))
	for i, q := range queries {
		qs, err := other.Read(t.Context(), q)
		if err != nil {
			t.Fatalf("read %s by a session of one's own: %v", q, err)
		}
		want[i] = string(qs.Encode())
	}
	var workers sync.WaitGroup
	for w := range 10 {
		workers.Go(func() {
			for n := range 25 {
				i := (w + n) % len(queries)
				qs, stamp, err := reader.ReadWithOrigin(t.Context(), queries[i])
				if err != nil {
					t.Errorf("read %s: %v", queries[i], err)
					return
				}
				if string(qs.Encode()) != want[i] || stamp != "" {
					t.Errorf("read %s: %q, stamp %q", queries[i], qs.Encode(), stamp)
				}
			}
		})
	}
	workers.Wait()
	var xids sync.Map
	for range 8 {
		workers.Go(func() {
			for range 8 {
				created, err := writer.Create(t.Context(), properties(), everyField())
				if err != nil {
					t.Errorf("create: %v", err)
					return
				}
				patched, err := writer.Patch(t.Context(), properties(), created.Row.Values[properties().Key], fields("price", 0),
					func(r listing.Row) bool { return same(r, created.Row) })
				if err != nil || number(patched.Row, "price") != 0 || patched.Xid <= created.Xid {
					t.Errorf("patch: %+v, %v", patched, err)
				}
				for _, xid := range []uint64{created.Xid, patched.Xid} {
					if _, taken := xids.LoadOrStore(xid, true); taken {
						t.Errorf("transaction %d is that of two writes", xid)
					}
					if assigned, err := reader.Assigned(t.Context(), xid); err != nil || !assigned {
						t.Errorf("transaction %d: assigned %v, %v", xid, assigned, err)
					}
				}
				no := func(listing.Row) bool { return false }
				if _, err := writer.Delete(t.Context(), properties(), created.Row.Values[properties().Key], no); !errors.Is(err, database.ErrPrecondition) {
					t.Errorf("delete against a precondition: %v", err)
				}
				if _, err := writer.Delete(t.Context(), properties(), created.Row.Values[properties().Key], nil); err != nil {
					t.Errorf("delete: %v", err)
				}
				var rule *database.RuleError
				if _, err := writer.Create(t.Context(), properties(), database.Fields{}); !errors.As(err, &rule) {
					t.Errorf("create nothing: %v, want a broken rule", err)
				}
			}
		})
	}
	workers.Wait()
	if assigned, err := reader.Assigned(t.Context(), 1<<40+5); err != nil || assigned {
		t.Errorf("a transaction of the future: assigned %v, %v", assigned, err)
	}
}
