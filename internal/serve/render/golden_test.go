package render_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/freshlist/freshlist/internal/serve/render"
)

var update = flag.Bool("update", false, "write the golden files from what the code renders")

// assetHash is the part of a static file's address that changes with its
// content. Golden files leave it out: a new style is no new page.
var assetHash = regexp.MustCompile(`(/static/\w+)\.[0-9a-f]{12}\.`)

// TestGolden holds the samples' bodies against the files in testdata, which
// are there to be read: a change of any page or body shows in review.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, qs := range properties() {
		for _, f := range []render.Format{render.JSON, render.HTML} {
			if qs.Query.Kind == summaryKind && f == render.HTML {
				continue // has no page
			}
			_, body := render.Body(f, qs)
			checkGolden(t, name+"."+f.String(), body)
		}
	}
}

func TestGoldenProblems(t *testing.T) {
	t.Parallel()
	for name, p := range problems() {
		checkGolden(t, "problem-"+name+".json", render.Error(render.JSON, p))
		checkGolden(t, "problem-"+name+".html", render.Error(render.HTML, p))
	}
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = assetHash.ReplaceAll(got, []byte("$1.HASH."))
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was; if it should not be, run the test with -update.\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}
