package schema_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/schema"
)

var update = flag.Bool("update", false, "write the golden file anew")

// What the templates of db/triggers give for the table of listings, to be read in one piece.
func TestSourcesGolden(t *testing.T) {
	t.Parallel()
	sources, err := schema.Sources()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range sources {
		all.WriteString("-- " + s.Name + "\n\n" + s.SQL + "\n")
	}
	const golden = "testdata/properties.sql"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("the capture SQL is not that of %s; if it is meant to be, run: go test ./internal/schema -run Golden -update", golden)
	}
}
