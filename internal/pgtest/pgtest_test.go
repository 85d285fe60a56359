package pgtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the server may be gone
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func count(t *testing.T, conn *pgx.Conn, table string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn := connect(t, pgtest.New(t))
		exec(t, conn, "create table mine (id int)")
	}
}

func TestCloneBuildsTemplateOnce(t *testing.T) {
	t.Parallel()
	built := 0
	build := func(ctx context.Context, url string) error {
		built++
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "create table things as select 1 as id")
		return errors.Join(err, conn.Close(ctx))
	}
	server := pgtest.Start(t)
	for range 2 {
		conn := connect(t, server.Clone(t, "things", build))
		if n := count(t, conn, "things"); n != 1 {
			t.Fatalf("%d rows in the copy, want 1", n)
		}
		exec(t, conn, "insert into things values (2)")
	}
	if built != 1 {
		t.Fatalf("template was built %d times", built)
	}
}

// What production does to logged and unlogged tables, a server for tests does too.
func TestRestartModes(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.New(t)
	conn := connect(t, url)
	exec(t, conn, "create table logged (id int); create unlogged table unlogged (id int)")
	for _, mode := range []struct {
		name string
		mode local.StopMode
		kept int // of one row in the unlogged table
	}{{"fast", local.Fast, 1}, {"immediate", local.Immediate, 0}, {"kill", local.Kill, 0}} {
		exec(t, conn, "truncate logged, unlogged; insert into logged values (1); insert into unlogged values (1)")
		server.Restart(t, mode.mode)
		conn = connect(t, url)
		if n := count(t, conn, "logged"); n != 1 {
			t.Errorf("%s: %d rows in the logged table, want 1", mode.name, n)
		}
		if n := count(t, conn, "unlogged"); n != mode.kept {
			t.Errorf("%s: %d rows in the unlogged table, want %d", mode.name, n, mode.kept)
		}
	}
}

func TestPauseKeepsConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, "work_mem=8MB")
	conn := connect(t, server.New(t))
	var workMem string
	if err := conn.QueryRow(t.Context(), "show work_mem").Scan(&workMem); err != nil || workMem != "8MB" {
		t.Fatalf("work_mem is %q (%v), want 8MB", workMem, err)
	}
	server.Pause(t)
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "select 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	server.Resume(t)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}
