package migrated_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func exec(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), sql)
	return err
}

func TestRoles(t *testing.T) {
	t.Parallel()
	const insert = "insert into properties (title, property_type, price, city) values ('t', 'Condo', 1, 'FOLSOM')"
	for range 2 {
		db := migrated.New(t)
		for _, test := range []struct {
			role, url, sql string
			denied         bool
		}{
			{"owner", db.Owner, "alter table properties add column extra int", false},
			{"owner", db.Owner, "create schema another", false},
			{"api", db.API, insert, false},
			{"api", db.API, "select freshlist.epoch()", false},
			{"api", db.API, "delete from freshlist.properties_changes", true},
			{"api", db.API, "alter table properties add column more int", true},
			{"invalidator", db.Invalidator, "delete from freshlist.properties_changes", false},
			{"invalidator", db.Invalidator, insert, true},
		} {
			err := exec(t, test.url, test.sql)
			var pg *pgconn.PgError
			if denied := errors.As(err, &pg) && pg.Code == pgerrcode.InsufficientPrivilege; denied != test.denied || err != nil && !denied {
				t.Errorf("%s: %s: %v, denied should be %t", test.role, test.sql, err, test.denied)
			}
		}
		if err := exec(t, db.Superuser, "alter table properties disable trigger all"); err != nil {
			t.Error(err)
		}
	}
}
