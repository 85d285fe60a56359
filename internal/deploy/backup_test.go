package deploy

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/coherence/fleet"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/local"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/redistest"
	"github.com/freshlist/freshlist/internal/schema"
)

// What docs/operations.md says of pg_dump. An older state that is put back in place of what is there, and a
// copy in another database, bring capture along: the cache begins empty, and nothing has to be
// installed. A copy without rights needs an installation.
func TestRestoredDump(t *testing.T) {
	t.Parallel()
	db, rd := migrated.New(t), redistest.New(t)
	sql(t, db.Superuser, "insert into properties (id, title, property_type, price, city) values (1, 'Before', 'b', 1, 'c')")
	r := restored{T: t, Config: fleet.Config{Database: db.Roles, Redis: rd.URL, Prefix: rd.Prefix, Bound: time.Second}}
	r.start()
	r.awaitHit("Before")
	epoch := r.invalidator.Status().Epoch
	dump := filepath.Join(t.TempDir(), "dump")
	postgresTool(t, "pg_dump", "--format=custom", "--file="+dump, db.Superuser)
	sql(t, db.Superuser, "update properties set title = 'After' where id = 1")
	r.awaitHit("After")

	postgresTool(t, "pg_restore", "--clean", "--if-exists", "--single-transaction", "--dbname="+db.Superuser, dump)
	r.awaitHit("Before")
	if r.invalidator.Status().Epoch == epoch {
		t.Error("the cache was kept")
	}
	r.isWell(db.Superuser)

	copied := pgtest.Shared(t).CloneWithRoles(t, "freshlist_empty", func(context.Context, string) error { return nil })
	postgresTool(t, "pg_restore", "--dbname="+copied.Superuser, dump)
	sql(t, copied.Superuser, "update properties set title = 'Copy' where id = 1")
	r.moveTo(copied.Roles)
	r.isWell(copied.Superuser)

	bare := pgtest.Shared(t).CloneWithRoles(t, "freshlist_empty", nil)
	sql(t, bare.Superuser, `grant usage, create on schema public to freshlist_owner;
		grant usage on schema public to freshlist_api, freshlist_invalidator`) // as db/roles.sql does in the first database
	postgresTool(t, "pg_restore", "--no-owner", "--no-privileges", "--dbname="+bare.Owner, dump)
	r.moveTo(bare.Roles)
	if said, well := r.Doctor(t, r.api, r.invalidator); well {
		t.Errorf("without rights all is well:\n%s", said)
	}
	conn, err := pgx.Connect(t.Context(), bare.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := schema.InstallFile(t.Context(), conn, schema.File{Name: "properties.yaml", Text: listingtest.PropertiesListings}); err != nil {
		t.Fatal(err)
	}
	r.isWell(bare.Superuser)
}

// restored is a freshlist on a database that a dump was restored to.
type restored struct {
	*testing.T
	fleet.Config
	invalidator, api *fleet.Process
}

func (r *restored) start() { r.invalidator, r.api = r.StartInvalidator(r.T), r.StartAPI(r.T) }

// moveTo ends the processes and starts others, on another database.
func (r *restored) moveTo(db local.Roles) {
	r.Helper()
	r.api.Kill(r.T)
	r.invalidator.Kill(r.T)
	r.Database = db
	r.start()
}

func (r *restored) awaitHit(title string) {
	r.Helper()
	fleet.Await(r.T, "a hit of "+title, func() bool {
		resp, text := get(r.T, r.api.URL+"/v1/properties/1")
		return strings.Contains(text, `"title":"`+title+`"`) && strings.HasSuffix(resp.Header.Get("Cache-Status"), "hit")
	})
}

// isWell sees an edit, and asks the doctor.
func (r *restored) isWell(superuser string) {
	r.Helper()
	for n := range 2 {
		title := fmt.Sprint("Edit ", n)
		sql(r.T, superuser, "update properties set title = '"+title+"' where id = 1")
		r.awaitHit(title)
	}
	if said, well := r.Doctor(r.T, r.api, r.invalidator); !well {
		r.Errorf("doctor:\n%s", said)
	}
}

func sql(t *testing.T, address, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func postgresTool(t *testing.T, name string, args ...string) {
	t.Helper()
	programs, err := local.PostgresPrograms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(filepath.Join(programs, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, said)
	}
}
