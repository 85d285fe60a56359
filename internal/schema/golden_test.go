package schema_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/schema"
)

var update = flag.Bool("update", false, "write the golden file anew")

// What the templates of db/triggers give for the description that ships, to be read in one piece.
func TestSourcesGolden(t *testing.T) {
	t.Parallel()
	sources, err := schema.Sources(listingtest.Site())
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range sources {
		all.WriteString("-- " + s.Name + "\n\n" + s.SQL + "\n")
	}
	golden(t, "testdata/properties.sql", all.String())
}

// golden compares a text with a file, or writes it there.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("it is not as in %s; if it is meant to be, run: go test ./internal/schema -run %s -update", name, t.Name())
	}
}
