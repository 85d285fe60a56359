package database_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/serve/database"
)

func anyPage() listing.Query { return query("properties?limit=3") }

// The pool bounds what is at work in PostgreSQL: who gets no connection in time
// is told so, and a probe still gets its answer.
func TestBusy(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	pool := open(t, db.API, 1)
	reader := database.NewReader(pool, nothing)
	conn := connect(t, db.Superuser)
	release := lockTable(t, conn)

	first := make(chan error, 1)
	go func() {
		_, err := reader.Read(t.Context(), anyPage())
		first <- err
	}()
	awaitLockWaiter(t, connect(t, db.Superuser))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := reader.Read(ctx, anyPage()); !errors.Is(err, database.ErrBusy) {
		t.Errorf("a read beside another on a pool of one: %v, want ErrBusy", err)
	}
	if _, err := database.NewWriter(pool).Delete(ctx, properties(), id(1), nil); !errors.Is(err, database.ErrBusy) {
		t.Errorf("a write beside a read on a pool of one: %v, want ErrBusy", err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("ping of a busy pool: %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Errorf("the read that had the connection: %v", err)
	}
}

// lockTable keeps everybody from the table until it is released.
func lockTable(t *testing.T, conn *pgx.Conn) (release func()) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table properties"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.Background()); err != nil {
			t.Errorf("release the table: %v", err)
		}
	}
}

// awaitLockWaiter returns when a session of the database waits for a lock.
func awaitLockWaiter(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for waiting := 0; waiting == 0; {
		err := conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A statement that takes too long ends in the server too.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	pool, err := database.Open(database.Config{URL: db.API, MaxConns: 1, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	conn := connect(t, db.Superuser)
	release := lockTable(t, conn)
	if _, err := database.NewReader(pool, nothing).Read(t.Context(), anyPage()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("a read that took too long: %v, want ErrUnavailable", err)
	}
	release()
	for end := time.Now().Add(timeout); ; { // a busy machine may take longer than the limit once more
		_, err := database.NewReader(pool, nothing).Read(t.Context(), anyPage())
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the connection afterwards: %v", err)
		}
	}
}

// A restart leaves a pool full of dead connections; readers do not notice. A
// write is not tried twice.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	db := migrated.On(t, server)
	pool := open(t, db.API, 4)
	reader, writer := database.NewReader(pool, nothing), database.NewWriter(pool)
	warm(t, reader, 4)
	server.Restart(t, local.Fast)
	for i := range 5 {
		if _, err := reader.Read(t.Context(), anyPage()); err != nil {
			t.Errorf("read %d after a restart: %v", i, err)
		}
	}
	server.Stop(t, local.Immediate)
	if _, err := reader.Read(t.Context(), anyPage()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("read without a server: %v, want ErrUnavailable", err)
	}
	if _, err := writer.Delete(t.Context(), properties(), id(1), nil); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("write without a server: %v, want ErrUnavailable", err)
	}
	if err := pool.Ping(t.Context()); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("ping without a server: %v, want ErrUnavailable", err)
	}
	server.Start(t)
	if _, err := reader.Read(t.Context(), anyPage()); err != nil {
		t.Errorf("read after the start: %v", err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("ping after the start: %v", err)
	}
}

// warm opens n connections of the reader's pool.
func warm(t *testing.T, reader *database.Reader, n int) {
	t.Helper()
	done := make(chan error, n)
	for range n {
		go func() {
			_, err := reader.Read(t.Context(), anyPage())
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// A server that does not answer costs no more than the caller's patience.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	db := migrated.On(t, server)
	pool := open(t, db.API, 1)
	reader := database.NewReader(pool, nothing)
	warm(t, reader, 1)
	server.Pause(t)
	defer server.Resume(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := reader.Read(ctx, anyPage())
	if !errors.Is(err, database.ErrUnavailable) && !errors.Is(err, database.ErrBusy) {
		t.Errorf("read of a silent server: %v, want ErrUnavailable or ErrBusy", err)
	}
	if took := time.Since(begun); took > timeout/2 {
		t.Errorf("the read took %v, want its context's 50 ms", took)
	}
}

// DDL between two reads changes what a prepared statement returns; the reader
// prepares it again.
func TestTypeChangesUnderneath(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	fill(t, conn, properties(), crowd(5, 6))
	reader := database.NewReader(open(t, db.API, 1), nothing)
	for _, change := range []string{
		"drop schema freshlist cascade", // which would keep the types as they are
		"alter table properties alter column city type varchar",
		"alter table properties alter column price type numeric(20, 4)",
		"alter table properties add column garage boolean",
		"alter table properties alter column bedrooms type integer",
	} {
		exec(t, conn, change)
		if qs, err := reader.Read(t.Context(), anyPage()); err != nil || len(qs.Items) != 3 {
			t.Errorf("after %q: %d items, %v", change, len(qs.Items), err)
		}
	}
}

// What the address sets, the pool leaves.
func TestSettings(t *testing.T) {
	t.Parallel()
	db := migrated.New(t)
	conn := connect(t, db.Superuser)
	warm(t, database.NewReader(open(t, db.API, 1), nothing), 1)
	warm(t, database.NewReader(open(t, with(t, db.API, "application_name", "mine"), 1), nothing), 1)
	rows, err := conn.Query(t.Context(), `select application_name from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) != 2 || names[0] != "mine" || names[1] != "test" {
		t.Errorf("sessions are named %q (%v), want mine and test", names, err)
	}
}

func TestOpenRefusesNonsense(t *testing.T) {
	t.Parallel()
	if _, err := database.Open(database.Config{URL: "postgres://%zz", MaxConns: 1}); err == nil {
		t.Error("an address that is none was accepted")
	}
}

// The pool goes on to the server whose name is found. It runs alone: it changes what all names are resolved by.
func TestDeadName(t *testing.T) {
	resolver := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = resolver })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		<-t.Context().Done()
		return nil, t.Context().Err()
	}}
	pool := open(t, strings.Replace(migrated.New(t).API, "@", "@dead.invalid:1,", 1), 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		t.Error(err)
	}
}
