package database_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/faultproxy"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// everyKind is a query of each kind.
func everyKind() []listing.Query {
	return []listing.Query{anyPage(), query("properties/1"), query("properties/1099511627776"), query("properties/summary")}
}

// reads asks every query in every way there is.
func reads(t *testing.T, r *database.Reader, each func(what string, qs listing.Queryset, err error)) {
	t.Helper()
	for _, q := range everyKind() {
		qs, err := r.Read(t.Context(), q)
		each("read "+q.String(), qs, err)
		qs, _, err = r.ReadWithOrigin(t.Context(), q)
		each("read stamped "+q.String(), qs, err)
	}
}

// A standby shows commits late. Nothing is answered from it and nothing written to it,
// and that is said in a word of its own; once it is promoted, it is any primary.
func TestStandbyAnswersNothing(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	db := migrated.On(t, primary)
	conn := connect(t, db.Superuser)
	fill(t, conn, properties(), crowd(9, 7))
	setEpoch(t, conn, "first")
	standby := primary.Standby(t)
	at := standby.At(t, db)
	pool := open(t, at.API, 4)
	reader, writer := database.NewReader(pool, nothing), database.NewWriter(pool)

	inRecovery := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, database.ErrInRecovery) || !errors.Is(err, database.ErrUnavailable) {
			t.Errorf("%s on a standby: %v, want ErrInRecovery", what, err)
		}
	}
	reads(t, reader, func(what string, _ listing.Queryset, err error) { inRecovery(what, err) })
	_, err := database.NewReader(open(t, at.Invalidator, 1), nothing).ReadWithSnapshot(t.Context(), anyPage())
	inRecovery("read seen", err)
	_, err = reader.Assigned(t.Context(), 1<<40+5)
	inRecovery("a token", err)
	_, err = writer.Create(t.Context(), properties(), everyField())
	inRecovery("create", err)
	_, err = writer.Patch(t.Context(), properties(), id(1), everyField(), nil)
	inRecovery("patch", err)
	_, err = writer.Delete(t.Context(), properties(), id(1), nil)
	inRecovery("delete", err)
	inRecovery("ping", pool.Ping(t.Context()))
	s, err := reader.ServerState(t.Context(), listingtest.Site())
	if err != nil || !s.InRecovery || s.Epoch != "" {
		t.Errorf("stamp of a standby: %+v, %v", s, err)
	}

	standby.Promote(t)
	reads(t, reader, func(what string, qs listing.Queryset, err error) {
		if err != nil {
			t.Errorf("%s after promotion: %v", what, err)
		}
		if qs.Query.Kind == listing.PageKind && len(qs.Items) != 3 {
			t.Errorf("%s after promotion: %d items, want 3", what, len(qs.Items))
		}
	})
	if _, err := writer.Delete(t.Context(), properties(), id(1), nil); err != nil {
		t.Errorf("delete after promotion: %v", err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("ping after promotion: %v", err)
	}
}

// An address of several servers leads to whichever is the primary: sessions that lead
// to what has become a standby are given up at the first statement.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	db := migrated.On(t, primary)
	fill(t, connect(t, db.Superuser), properties(), crowd(9, 7))
	standby := primary.Standby(t)
	pool := open(t, severalHosts(t, standby.At(t, db).API, db.API), 4)
	reader, writer := database.NewReader(pool, nothing), database.NewWriter(pool)
	warm(t, reader, 4)
	if _, err := writer.Delete(t.Context(), properties(), id(2), nil); err != nil {
		t.Errorf("a write to two servers, the standby first: %v", err)
	}
	primary.Stop(t, local.Kill)
	standby.Promote(t)
	if _, err := reader.Read(t.Context(), anyPage()); err != nil {
		t.Errorf("a read after the failover: %v", err)
	}
	if _, err := writer.Delete(t.Context(), properties(), id(3), nil); err != nil {
		t.Errorf("a write after the failover: %v", err)
	}
}

// severalHosts is the first address, with the host of the second behind its own.
func severalHosts(t *testing.T, first, second string) string {
	t.Helper()
	a, err := pgx.ParseConfig(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pgx.ParseConfig(second)
	if err != nil {
		t.Fatal(err)
	}
	hosts := fmt.Sprintf("%s:%d,%s:%d", a.Host, a.Port, b.Host, b.Port)
	address := strings.Replace(first, fmt.Sprintf("%s:%d", a.Host, a.Port), hosts, 1)
	return address + "&target_session_attrs=read-write"
}

// The stamp says which server this is, also while the pool is busy, and whether the
// rows that its role sees are all of them.
func TestStamp(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	pool := open(t, db.API, 1)
	reader := database.NewReader(pool, nothing)
	var want database.ServerState
	err := conn.QueryRow(t.Context(), `select extract(epoch from pg_postmaster_start_time())::text,
		(select system_identifier from pg_control_system()) || '/' || (select oid from pg_database where datname = current_database())`).
		Scan(&want.Started, &want.Database)
	if err != nil {
		t.Fatal(err)
	}
	want.Encoding = "UTF8"
	expect := func(when string) {
		t.Helper()
		if got, err := reader.ServerState(t.Context(), listingtest.Site()); err != nil || got != want {
			t.Errorf("%s: stamp %+v (%v), want %+v", when, got, err, want)
		}
	}
	expect("without a marker")
	setEpoch(t, conn, "first")
	want.Epoch, want.Description = "first", listingtest.Site().Identity
	release := lockTable(t, conn)
	done := make(chan error, 1)
	go func() { _, err := reader.Read(t.Context(), anyPage()); done <- err }()
	awaitLockWaiter(t, connect(t, db.Superuser))
	expect("with a busy pool")
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	exec(t, conn, "alter table properties enable row level security")
	want.RowSecurity = true
	expect("with row security")

	exec(t, conn, "revoke execute on function freshlist.epoch() from freshlist_api")
	got, err := reader.ServerState(t.Context(), listingtest.Site())
	if want.Epoch, want.Description = "", ""; got != want || !errors.Is(err, database.ErrNoRights) || !errors.Is(err, database.ErrNoEpoch) {
		t.Errorf("without the right: %+v, %v", got, err)
	}
	exec(t, conn, "drop schema freshlist cascade")
	got, err = reader.ServerState(t.Context(), listingtest.Site())
	if got != want || errors.Is(err, database.ErrNoRights) || !errors.Is(err, database.ErrNoEpoch) {
		t.Errorf("without a schema: %+v, %v", got, err)
	}
}

// Sessions of one address lead to two servers. The question on one of them is answered, that
// on both is not, until new sessions all lead to the same.
func TestAgreedState(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	db := migrated.On(t, primary)
	standby := primary.Standby(t)
	standby.Promote(t)
	proxy := faultproxy.New(t, db.API)
	reader := database.NewReader(open(t, proxy.URL(db.API), 2), nothing)
	old, err := reader.ServerState(t.Context(), listingtest.Site())
	if err != nil {
		t.Fatal(err)
	}
	proxy.Redirect(t, standby.URL("postgres"))
	if _, err := reader.Read(t.Context(), anyPage()); err != nil {
		t.Fatal(err)
	}
	if again, err := reader.ServerState(t.Context(), listingtest.Site()); err != nil || again != old {
		t.Errorf("stamp %+v (%v), want %+v: the session is still there", again, err, old)
	}
	if _, err := reader.AgreedState(t.Context(), listingtest.Site()); !errors.Is(err, database.ErrDivided) || !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("two servers: %v, want ErrDivided", err)
	}
	reader.Renew()
	got, err := reader.AgreedState(t.Context(), listingtest.Site())
	if err != nil || got.Started == old.Started || got.Database != old.Database {
		t.Errorf("after renewal: %+v (%v), want another start than %s", got, err, old.Started)
	}
}
