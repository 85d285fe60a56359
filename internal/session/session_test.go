package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/deployment"
	"github.com/freshlist/freshlist/internal/doctor"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/session"
	"github.com/freshlist/freshlist/internal/session/hostile"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var roles = []string{"freshlist_owner", "freshlist_api", "freshlist_invalidator"}

// victim is a deployment whose database says all kinds of things.
type victim struct {
	*deployment.Deployment
	superuser *pgx.Conn
	writer    *pgx.Conn // a session that sets what it relies on
}

func newVictim(t *testing.T, bound time.Duration) *victim {
	t.Helper()
	v := &victim{Deployment: deployment.New(t, deployment.Options{Bound: bound})}
	v.superuser = v.connect(v.Database.Superuser)
	v.writer = v.connect(v.Database.Owner)
	v.exec(v.superuser, hostile.Evil)
	v.exec(v.writer, `insert into public.properties (title, description, property_type, price, city, postal_code, bedrooms, bathrooms,
			living_area, latitude, longitude, created_at, updated_at)
		select 'House ' || i || ' \ ''', 'A garden in Málaga, № ' || i, 'Condo', i * 1000.25, case when i % 3 = 0 then 'Málaga' else 'NULL' end,
			nullif(i % 4, 0), i % 5, i % 7 * 0.5, nullif(i, 5), 36.1 + i / 7.0, -4.4 - i / 3.0,
			timestamptz '2008-02-03 04:05:06.789012Z' + i * interval '1 hour', timestamptz '2009-03-02Z'
		from generate_series(1, 40) as i`)
	return v
}

// connect opens a session of the test's own.
func (v *victim) connect(url string) *pgx.Conn {
	v.Helper()
	conn, err := session.For("test").With("search_path", session.TriggerPath).Connect(v.Context(), url)
	v.Must(err)
	v.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (v *victim) exec(conn *pgx.Conn, sql string, args ...any) {
	v.Helper()
	if _, err := conn.Exec(v.Context(), sql, args...); err != nil {
		v.Fatalf("%s: %v", sql, err)
	}
}

// edit commits an edit by a session and returns its transaction.
func (v *victim) edit(conn *pgx.Conn, price int) (xid uint64) {
	v.Helper()
	v.Must(pgx.BeginFunc(v.Context(), conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(v.Context(), "update public.properties set price = $1 where id = 3", price); err != nil {
			return err
		}
		return tx.QueryRow(v.Context(), "select pg_catalog.pg_current_xact_id()").Scan(&xid)
	}))
	return xid
}

// disconnect ends all sessions but those that set their own: new ones get what the
// database says now.
func (v *victim) disconnect() {
	v.Helper()
	v.exec(v.superuser, `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'test'`)
}

// queries look at every column in every way.
var queries = []string{
	"properties", "properties/3", "properties/summary", "properties?city=M%C3%A1laga", "properties?city=NULL&sort=area",
	"properties?q=garden&sort=price", "properties?max_price=20000.5&min_bathrooms=1.5&sort=-price",
	"properties?bbox=-10,36,-4,40", "properties?postal_code=1,2", "properties?q=house&limit=50",
}

// answers are those to all queries, each at its first and its second time.
func (v *victim) answers(api *deployment.API) string {
	v.Helper()
	var b strings.Builder
	for _, q := range queries {
		for _, f := range []render.Format{render.JSON, render.HTML} {
			fmt.Fprintln(&b, q, api.Fresh(q, f), api.Get(q, f).Body, api.Get(q, f).Body)
		}
	}
	return b.String()
}

// Whatever a database says, answers are the same, byte for byte, edits are purged, and
// writes do what they should.
func TestHostileDatabase(t *testing.T) {
	t.Parallel()
	v := newVictim(t, time.Second)
	v.edit(v.writer, 1000)
	want := v.answers(v.API())
	v.Invalidate()
	for _, s := range hostile.Settings() {
		v.Must(hostile.Set(t.Context(), v.superuser, s))
		v.disconnect()
		if v.try(s, want); t.Failed() {
			t.Fatalf("with %s", s)
		}
		v.Must(hostile.Reset(t.Context(), v.superuser, s))
	}
}

// Likewise whatever is said of the roles, here all of it at once.
func TestHostileRoles(t *testing.T) {
	t.Parallel()
	v := newVictim(t, time.Second)
	v.edit(v.writer, 1000)
	want := v.answers(v.API())
	v.Invalidate()
	for _, s := range hostile.Settings() {
		v.Must(hostile.Set(t.Context(), v.superuser, s, roles...))
	}
	v.disconnect()
	v.try(hostile.Setting{Name: "everything", Writers: true}, want)
	for _, finding := range (doctor.Config{
		DatabaseURL: v.Database.Invalidator, Redis: v.Redis, Space: v.Space, Bound: v.Bound, Open: time.Hour, Now: time.Now,
	}).Examine(t.Context()) {
		if finding.Verdict == doctor.Fail {
			t.Errorf("doctor: %s", finding)
		}
	}
}

// try holds what everything does with one setting against what it should.
func (v *victim) try(s hostile.Setting, want string) {
	v.Helper()
	v.AwaitApplied(v.edit(v.writer, 1000))
	api := v.API()
	if got := v.answers(api); got != want {
		v.Errorf("%s: answers differ:\n%s\nwant\n%s", s, got, want)
	}
	v.AwaitApplied(v.edit(v.writer, 2000))
	if got := api.Get("properties/3", render.JSON).Body; !strings.Contains(got, `"price":2000.00`) {
		v.Errorf("%s: after an edit of the price to 2000: %s", s, got)
	}
	if !s.Writers { // a client that sets nothing
		client, err := pgx.Connect(v.Context(), v.Database.Owner)
		v.Must(err)
		v.AwaitApplied(v.edit(client, 3000))
		v.Must(client.Close(v.Context()))
		if got := api.Get("properties/3", render.JSON).Body; !strings.Contains(got, `"price":3000.00`) {
			v.Errorf("%s: after another client's edit of the price to 3000: %s", s, got)
		}
	}
	v.tryWrites(s)
}

// tryWrites writes as the API does.
func (v *victim) tryWrites(s hostile.Setting) {
	v.Helper()
	pool, err := database.Open(database.Config{URL: v.Database.API, MaxConns: 2, Timeout: time.Minute})
	v.Must(err)
	defer pool.Close()
	writer := database.NewWriter(pool)
	properties := v.Site.Table("properties")
	wrote := listingtest.Property(0, "property_type", "Condo", "status", "sold", "price", "12.34", "city", "Málaga", "postal_code", "NULL",
		"bedrooms", 2, "bathrooms", "1.5", "living_area", 7, "latitude", "36.712345678901234", "longitude", "-4.4", "title", `\'`, "description", "№")
	begun := time.Now()
	created, err := writer.Create(v.Context(), properties, database.Fields{Columns: properties.AllColumns(), Values: wrote})
	v.Must(err)
	own := listing.ColumnSet(properties.Column("id"), properties.Column("created_at"), properties.Column("updated_at"))
	differ := created.Row.Differences(&wrote, properties.AllColumns()&^own)
	made := listing.TimeOf(created.Row.Values[properties.Column("updated_at")].Number)
	if differ != 0 || made.Before(begun.Add(-time.Hour)) {
		v.Errorf("%s: created %+v, want %+v", s, created.Row, wrote)
	}
	key, price := created.Row.Values[properties.Key], properties.Column("price")
	free := listingtest.Property(0, "price", 0)
	patched, err := writer.Patch(v.Context(), properties, key, database.Fields{Columns: listing.ColumnSet(price), Values: free}, nil)
	if err != nil || patched.Row.Values[price].Number != 0 || patched.Xid <= created.Xid {
		v.Errorf("%s: patched %+v, %v", s, patched, err)
	}
	if _, err := writer.Delete(v.Context(), properties, key, nil); err != nil {
		v.Errorf("%s: delete: %v", s, err)
	}
}

// A database's own limits do not cost the lead, also while an open transaction that has
// captured in silence keeps the invalidator from its lock. Its own limit, B/2, is longer than
// a busy machine keeps a process waiting.
func TestLimitsDoNotCostTheLead(t *testing.T) {
	t.Parallel()
	v := newVictim(t, time.Minute)
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"} {
		v.Must(hostile.Set(t.Context(), v.superuser, hostile.Setting{Name: name, Value: "20ms"}))
	}
	silent, err := v.writer.Begin(t.Context())
	v.Must(err)
	_, err = silent.Exec(t.Context(), "update public.properties set price = 5 where id = 5")
	v.Must(err)
	v.Invalidate()
	term := func() (term int64) {
		v.Must(v.superuser.QueryRow(t.Context(), "select term from freshlist.marker order by revision desc limit 1").Scan(&term))
		return term
	}
	first, requests := term(), map[time.Time]bool{}
	v.Await("ten requests for the lock, or another term", func() bool {
		var began *time.Time // of the request that waits now
		v.Must(v.superuser.QueryRow(t.Context(), `select max(query_start) from pg_stat_activity where datname = current_database()
			and application_name = 'freshlist-invalidator lock' and wait_event = 'advisory'`).Scan(&began))
		if began != nil {
			requests[*began] = true
		}
		return len(requests) >= 10 || term() != first
	})
	if last := term(); last != first {
		t.Errorf("term %d, then %d: the lead was lost", first, last)
	}
	v.Must(silent.Rollback(t.Context()))
}

// An invalidator in a database whose transactions are serializable does not take part in
// their conflicts: writers would fail more often beside it.
func TestSerializableWriters(t *testing.T) {
	t.Parallel()
	v := newVictim(t, time.Second)
	v.Must(hostile.Set(t.Context(), v.superuser, hostile.Setting{Name: "default_transaction_isolation", Value: "serializable"}))
	writer, err := v.writer.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable})
	v.Must(err)
	_, err = writer.Exec(t.Context(), "update public.properties set price = 5 where id = 5")
	v.Must(err)
	i := v.Invalidate()
	beats := i.Metrics.Beats.Value()
	v.Await("three more beats", func() bool { return i.Metrics.Beats.Value() >= beats+3 })
	var locks int
	// Those of transactions that have ended stay while the writer's goes on.
	v.Must(v.superuser.QueryRow(t.Context(), `select count(*) from pg_locks as l join pg_stat_activity as a using (pid)
		where l.mode = 'SIReadLock' and a.usename = 'freshlist_invalidator'`).Scan(&locks))
	if locks > 0 {
		t.Errorf("the invalidator holds %d predicate locks", locks)
	}
	v.Must(writer.Commit(t.Context()))
}

// With all of it at once an installation from the first migration on comes out as any other.
func TestHostileInstallation(t *testing.T) {
	t.Parallel()
	for scope, of := range map[string][]string{"database": nil, "role": roles} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			db := migrated.New(t)
			connect := func(url string) *pgx.Conn {
				conn, err := session.For("test").With("search_path", session.TriggerPath).Connect(t.Context(), url)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close(context.Background()) })
				return conn
			}
			superuser := connect(db.Superuser)
			definitions := func() (text string) {
				err := superuser.QueryRow(t.Context(), "select freshlist.definitions() || obj_description('freshlist'::regnamespace)").Scan(&text)
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			want := definitions()
			if _, err := superuser.Exec(t.Context(), hostile.Evil); err != nil {
				t.Fatal(err)
			}
			for _, s := range hostile.Settings() {
				if err := hostile.Set(t.Context(), superuser, s, of...); err != nil {
					t.Fatal(err)
				}
			}
			must := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			must("migrate down", schema.Down(t.Context(), db.Owner, 100))
			must("migrate up", schema.Up(t.Context(), db.Owner))
			v, err := schema.Status(t.Context(), db.Owner)
			if must("status", err); v.Applied != v.Latest {
				t.Errorf("after migrate up: %+v", v)
			}
			owner := connect(db.Owner)
			done, err := schema.InstallFile(t.Context(), owner, schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings})
			if must("install", err); !done.Changed {
				t.Error("the installation changed nothing")
			}
			if got := definitions(); got != want {
				t.Errorf("what was installed differs:\n%s\nwant\n%s", got, want)
			}
			added, err := schema.Seed(t.Context(), owner, 0)
			if must("seed", err); added != 932 {
				t.Errorf("seed added %d rows, want 932", added)
			}
			must("uninstall", schema.Uninstall(t.Context(), owner))
		})
	}
}
