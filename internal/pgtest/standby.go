package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/local"
)

// Standby starts a streaming standby of the server, which ends with the test. Its
// databases have the names that they have here.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	dir, err := local.ScratchDir("freshlist-standby-*")
	check(t, "make folder of the standby", err)
	p, err := s.postgres.StartStandby(ctx, dir)
	check(t, "start standby", err)
	standby := &Server{postgres: p}
	t.Cleanup(func() { check(t, "remove standby", standby.remove()) })
	return standby
}

// Promote makes a primary of a standby. It returns when the server has ended recovery.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	check(t, "promote", s.exec("select pg_promote(true, 60)"))
}

// At returns the addresses that a database of another server has on this one, its copy.
func (s *Server) At(t testing.TB, d Database) Database {
	t.Helper()
	config, err := pgx.ParseConfig(d.Superuser)
	check(t, "read address", err)
	return Database{Superuser: s.URL(config.Database), Roles: s.postgres.Roles(config.Database)}
}
