package session_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/session"
	"github.com/freshlist/freshlist/internal/session/hostile"
)

// shown is what every session shows, whatever its database says.
var shown = map[string]string{
	"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "1",
	"bytea_output": "hex", "array_nulls": "on", "search_path": "pg_catalog, pg_temp", "standard_conforming_strings": "on",
	"quote_all_identifiers": "off", "transform_null_equals": "off", "gin_fuzzy_search_limit": "0", "row_security": "on",
	"default_transaction_isolation": "read committed", "default_transaction_read_only": "off", "default_transaction_deferrable": "off",
	"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0", "exit_on_error": "off",
}

// Each setting holds, whether it came with the start-up packet or by the statement for one
// transaction; what the address sets stands where it may, and nowhere else.
func TestEachSetting(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	superuser, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = superuser.Close(context.Background()) })
	tried := map[string]bool{}
	for _, s := range hostile.Settings() {
		if strings.HasSuffix(s.Name, "_timeout") {
			s.Value = "1h" // long enough for the test itself
		}
		if _, of := shown[s.Name]; of && !tried[s.Name] {
			tried[s.Name] = true
			if err := hostile.Set(t.Context(), superuser, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(tried) != len(shown) {
		t.Errorf("of %d settings %d are tried", len(shown), len(tried))
	}
	query := func(what string, on interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}, hostile bool) {
		t.Helper()
		for name, want := range shown {
			var got string
			if err := on.QueryRow(t.Context(), "select pg_catalog.current_setting($1)", pgx.QueryExecModeExec, name).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if (got == want) == hostile {
				t.Errorf("%s: %s is %s, want %s: %t", what, name, got, want, !hostile)
			}
		}
	}
	connect := func(connect func(context.Context, string) (*pgx.Conn, error), url string) *pgx.Conn {
		t.Helper()
		conn, err := connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	settings := session.For("test")
	query("in the start-up packet", connect(settings.Connect, url), false)

	bare := connect(pgx.Connect, url)
	query("without", bare, true)
	err = pgx.BeginTxFunc(t.Context(), bare, pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), settings.Local(), pgx.QueryExecModeSimpleProtocol)
		query("in a transaction", tx, false)
		return err
	})
	if err != nil {
		t.Error(err)
	}

	address := url + "&default_transaction_read_only=on&search_path=public&DATESTYLE=German"
	chosen := connect(settings.Connect, address)
	for name, want := range map[string]string{"default_transaction_read_only": "on", "search_path": shown["search_path"], "DateStyle": shown["DateStyle"]} {
		var got string
		if err := chosen.QueryRow(t.Context(), "select pg_catalog.current_setting($1)", pgx.QueryExecModeExec, name).Scan(&got); err != nil || got != want {
			t.Errorf("by the address: %s is %s, want %s (%v)", name, got, want, err)
		}
	}
}
