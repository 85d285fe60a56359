// Package pgtest gives tests real PostgreSQL databases on private servers.
//
// All tests of one test process share a server, which starts with the first test
// that asks; each test gets a database of its own and may run in parallel. A test
// that stops, kills or pauses PostgreSQL starts its own server. A server that
// cannot be started fails the test: nothing is skipped.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		conn, err := pgx.Connect(t.Context(), pgtest.New(t))
//		...
//	}
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/testmain"
)

// startTimeout is generous: it is only reached by a server that never starts.
const startTimeout = time.Minute

// settings make a server quick and let a crash of its processes, though not of
// the machine, behave as it would in production.
var settings = []string{
	"fsync=off",
	"full_page_writes=off",
	"max_connections=200",
	"max_prepared_transactions=0",
	"log_checkpoints=off",
	"dynamic_shared_memory_type=mmap", // in its folder: a killed server leaves nothing elsewhere
}

// Main is a TestMain: it runs the tests, stops the shared server and looks for
// goroutines left behind.
func Main(m *testing.M, options ...goleak.Option) { testmain.Run(m, options...) }

// New returns the address of a fresh, empty database on the shared server, for
// the superuser.
func New(t testing.TB) string {
	t.Helper()
	return Shared(t).New(t)
}

// Server is a private PostgreSQL server. Restart, Stop, Start, Kill, Pause and
// Resume belong to a server of the test's own, from one goroutine at a time; the
// other methods may be called in parallel.
type Server struct {
	postgres  *local.Postgres
	shared    bool // by the tests of this process
	databases atomic.Int64
	templates sync.Map   // name -> func() error, run once
	settingUp sync.Mutex // the roles are made by one test at a time
}

// shared is the server of this process.
var shared = sync.OnceValues(func() (*Server, error) {
	s, err := start(nil)
	if err == nil {
		s.shared = true
		testmain.AtExit(s.remove)
	}
	return s, err
})

// Shared returns the server that all tests of this process share.
func Shared(t testing.TB) *Server {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("start shared postgres: %v", err)
	}
	return s
}

// Start starts a server for one test, with further settings ("name=value"). It is
// removed at the end of the test.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	s, err := start(more)
	if err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	t.Cleanup(func() { check(t, "remove postgres", s.remove()) })
	return s
}

func start(more []string) (*Server, error) {
	dir, err := local.ScratchDir("freshlist-postgres-*")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p, err := local.StartPostgres(ctx, local.PostgresOptions{
		Dir:        dir,
		Settings:   append(settings[:len(settings):len(settings)], more...),
		Disposable: true,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{postgres: p}, nil
}

func (s *Server) remove() error {
	return errors.Join(s.postgres.Stop(local.Immediate), os.RemoveAll(s.postgres.Dir()))
}

// New returns the address of a fresh, empty database, for the superuser. The
// database is dropped at the end of the test, with all its connections.
func (s *Server) New(t testing.TB) string {
	t.Helper()
	return s.URL(s.clone(t, "template1", nil))
}

// Clone returns the address of a fresh copy of a template database, for the
// superuser. The first call for a name makes the template by build, which gets
// its address and must leave no connection to it open.
func (s *Server) Clone(t testing.TB, template string, build func(ctx context.Context, url string) error) string {
	t.Helper()
	return s.URL(s.clone(t, template, build))
}

// Database is the addresses of one database, for the superuser and for the roles
// of a deployment.
type Database struct {
	Superuser string
	local.Roles
}

// CloneWithRoles is Clone for a template that the owner of the listings builds, in
// a database that knows the three roles of a deployment.
func (s *Server) CloneWithRoles(t testing.TB, template string, build func(ctx context.Context, owner string) error) Database {
	t.Helper()
	name := s.clone(t, template, func(ctx context.Context, _ string) error {
		if err := s.setUp(ctx, template); err != nil {
			return err
		}
		return build(ctx, s.postgres.Roles(template).Owner)
	})
	// What a role may do with a database is not copied with it.
	check(t, "grant", s.exec("grant create on database "+name+" to freshlist_owner"))
	return Database{Superuser: s.URL(name), Roles: s.postgres.Roles(name)}
}

func (s *Server) setUp(ctx context.Context, database string) error {
	s.settingUp.Lock()
	defer s.settingUp.Unlock()
	return s.postgres.SetUp(ctx, database)
}

// clone makes a copy of a template, which build makes, and returns its name.
func (s *Server) clone(t testing.TB, template string, build func(ctx context.Context, url string) error) string {
	t.Helper()
	if build != nil {
		once, _ := s.templates.LoadOrStore(template, sync.OnceValue(func() error { return s.makeTemplate(template, build) }))
		check(t, "make template "+template, once.(func() error)())
	}
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	check(t, "create database", s.exec("create database "+name+" template "+pgx.Identifier{template}.Sanitize()))
	if s.shared { // another goes with its server, which may be stopped or paused by then
		t.Cleanup(func() { check(t, "drop database", s.exec("drop database "+name+" with (force)")) })
	}
	return name
}

func (s *Server) makeTemplate(name string, build func(ctx context.Context, url string) error) error {
	if err := s.exec("create database " + pgx.Identifier{name}.Sanitize()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return build(ctx, s.URL(name))
}

// URL returns the address of a database, by its name, for the superuser.
func (s *Server) URL(database string) string { return s.postgres.SuperuserURL(database) }

// exec runs one statement in the maintenance database. It does not end with the
// test's context, since databases are dropped after that.
func (s *Server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// Restart stops the server, local.Fast or local.Immediate, and starts it again.
// It returns when the server accepts connections.
func (s *Server) Restart(t testing.TB, mode local.StopMode) {
	t.Helper()
	s.Stop(t, mode)
	s.Start(t)
}

// Stop stops the server and returns when it is gone. With local.Kill every process of
// it is killed.
func (s *Server) Stop(t testing.TB, mode local.StopMode) {
	t.Helper()
	check(t, "stop postgres", s.postgres.Stop(mode))
}

// Start starts the server again, on the same port.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	check(t, "start postgres", s.postgres.Start(ctx))
}

// Pause stops all processes of the server in their tracks (SIGSTOP); connections
// stay open.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	check(t, "pause postgres", s.postgres.Pause())
}

// Resume lets a paused server go on (SIGCONT).
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	check(t, "resume postgres", s.postgres.Resume())
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
