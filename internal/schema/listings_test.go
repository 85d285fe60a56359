package schema_test

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"slices"
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
// to.
func TestDescriptionsOfTests(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file, name, text string
		site             func() *listing.Site
		connect          func(t *testing.T) *pgx.Conn
		warnings         bool
	}{
		{"properties.json", "properties.yaml", listingtest.PropertiesListings, listingtest.Site, func(t *testing.T) *pgx.Conn { return connect(t, migrated.New(t).Owner) }, false},
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

// What ships is installed where nothing was, without a warning. It has all that the contract's table of
// properties has, and calls it alike, so that what is asked of that can be asked of this.
func TestShippedIsInstalled(t *testing.T) {
	t.Parallel()
	conn := connect(t, migrated.New(t).Owner)
	if err := schema.Uninstall(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if changed, err := schema.Install(t.Context(), conn); err != nil || !changed {
		t.Fatalf("install: %t, %v", changed, err)
	}
	done, err := schema.InstallFile(t.Context(), conn, schema.Shipped())
	if err != nil || done.Changed || len(done.Warnings) > 0 {
		t.Fatalf("install the file that ships: %t, %v, %v", done.Changed, done.Warnings, err)
	}
	site := listing.NewSite(done.Description)
	table, contract := site.Table("properties"), listingtest.Properties()
	if site.Home() != table {
		t.Errorf("the home page is that of %s", site.Home().Name)
	}
	for i := range contract.Columns {
		want := *contract.Columns[i].Column
		n := table.Column(want.Name)
		if n < 0 {
			t.Errorf("it has no column %s", want.Name)
			continue
		}
		got := *table.Columns[n].Column
		for _, use := range want.Uses {
			if !slices.Contains(got.Uses, use) {
				t.Errorf("%s is not of use as %s", want.Name, use)
			}
		}
		if got.Uses = want.Uses; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", want.Name, got, want)
		}
	}
	for i := range contract.Parameters {
		if name := contract.Parameters[i].Name; !slices.ContainsFunc(table.Parameters, func(p description.Parameter) bool { return p.Name == name && p.Kind == contract.Parameters[i].Kind }) {
			t.Errorf("it has no parameter %s", name)
		}
	}
	for i, o := range contract.Orders {
		if got := table.Orders[i]; got.Name != o.Name || got.Descending != o.Descending {
			t.Errorf("order %d is %s, want %s", i, got.Name, o.Name)
		}
	}
	for i, f := range contract.Facets {
		if got := table.Facets[i].Name; got != f.Name {
			t.Errorf("facet %d is %s, want %s", i, got, f.Name)
		}
	}
}
