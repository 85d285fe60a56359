package schema_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgtest"
	"github.com/freshlist/freshlist/internal/pgtest/migrated"
	"github.com/freshlist/freshlist/internal/schema"
)

var updateListings = flag.Bool("update-listings", false, "write the descriptions of package listingtest anew")

// The descriptions that tests of other packages take for granted are what their files resolve
// to, without a warning if they ship.
func TestDescriptionsOfTests(t *testing.T) {
	t.Parallel()
	shipped := schema.Shipped()
	for _, test := range []struct {
		file, name, text string
		site             func() *listing.Site
		connect          func(t *testing.T) *pgx.Conn
		warnings         bool
	}{
		{"properties.json", shipped.Name, shipped.Text, listingtest.Site, func(t *testing.T) *pgx.Conn { return connect(t, migrated.New(t).Owner) }, false},
		{"every.json", "every.yaml", listingtest.EveryListings, listingtest.EverySite, every, true},
		{"joined.json", "joined.yaml", listingtest.JoinedListings, listingtest.JoinedSite, joined, true},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			conn := test.connect(t)
			file, faults := description.Parse(test.name, test.text)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			catalog, err := schema.ReadCatalog(t.Context(), conn, file.Relations())
			if err != nil {
				t.Fatal(err)
			}
			if warnings := description.Review(file, catalog); (len(warnings) > 0) != test.warnings {
				t.Error(warnings)
			}
			d, faults := description.Resolve(file, catalog)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			if *updateListings {
				if err := os.WriteFile("../listing/listingtest/"+test.file, append(d.Encode(), '\n'), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want := test.site().Description; !bytes.Equal(d.Encode(), want.Encode()) {
				t.Errorf("%s differs; if it is meant to, run: go test ./internal/schema -run TestDescriptionsOfTests -update-listings\n%s\n%s",
					test.file, d.Encode(), want.Encode())
			}
		})
	}
}

// every returns a connection to a database with the tables of listingtest.EverySite.
func every(t *testing.T) *pgx.Conn {
	t.Helper()
	return connectTo(t, listingtest.EverySQL)
}

// joined returns a connection to a database with the tables of listingtest.JoinedSite.
func joined(t *testing.T) *pgx.Conn {
	t.Helper()
	return connectTo(t, listingtest.JoinedSQL)
}

// connectTo returns a connection to a database in which some SQL has run.
func connectTo(t *testing.T, tables string) *pgx.Conn {
	t.Helper()
	conn := connect(t, pgtest.New(t))
	if _, err := conn.Exec(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	return conn
}

// What is installed is what ships, resolved.
func TestShippedIsInstalled(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	d, err := schema.ReadDescription(t.Context(), conn)
	if err != nil || !bytes.Equal(d.Encode(), listingtest.Site().Description.Encode()) {
		t.Errorf("installed is %v, %v", d, err)
	}
}
