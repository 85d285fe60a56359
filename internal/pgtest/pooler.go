package pgtest

import (
	"context"
	"testing"

	"github.com/freshlist/freshlist/internal/local"
)

// Pooler starts a PgBouncer before the server that ends with the test. The mode is
// session or transaction; size is how many backends it has for a role and a database.
// Settings are lines of its own configuration. The function that it returns makes an address of
// the server one that leads through the pooler.
func (s *Server) Pooler(t testing.TB, mode string, size int, settings ...string) (through func(address string) string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	dir, err := local.ScratchDir("freshlist-pgbouncer-*")
	check(t, "make folder of pgbouncer", err)
	pooler, err := s.postgres.StartPgBouncer(ctx, dir, mode, size, settings...)
	check(t, "start pgbouncer", err)
	t.Cleanup(func() { check(t, "stop pgbouncer", pooler.Stop()) })
	return func(address string) string {
		t.Helper()
		address, err := pooler.Through(address)
		check(t, "read address", err)
		return address
	}
}
