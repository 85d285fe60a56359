package database_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/schema"
	"github.com/freshlist/freshlist/internal/serve/database"
	"github.com/freshlist/freshlist/internal/session"
)

// A database in another encoding than UTF8 is refused with words, by everything.
func TestOtherEncodings(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t) // these databases go with it
	maintenance := connect(t, server.URL("postgres"))
	for name, encoding := range map[string]string{"encoded_latin1": "LATIN1", "encoded_ascii": "SQL_ASCII"} {
		exec(t, maintenance, "create database "+name+" template template0 locale 'C' locale_provider libc encoding '"+encoding+"'")
		url := server.URL(name)
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, session.ErrEncoding) || !strings.Contains(err.Error(), encoding) {
				t.Errorf("%s in %s: %v, want ErrEncoding that names it", what, encoding, err)
			}
		}
		pool := open(t, url, 1)
		_, err := database.NewReader(pool, nothing).Read(t.Context(), anyPage())
		refused("read", err)
		if !errors.Is(err, database.ErrUnavailable) {
			t.Errorf("read in %s: %v, want ErrUnavailable", encoding, err)
		}
		_, err = database.NewWriter(pool).Create(t.Context(), properties(), everyField())
		refused("write", err)
		refused("ping", pool.Ping(t.Context()))
		refused("migrate", schema.Up(t.Context(), url))
	}
}
