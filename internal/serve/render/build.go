package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"sync"

	"github.com/freshlist/freshlist/internal/listing"
)

// BuildTag returns 16 hex digits that differ between builds whose cached bytes differ. It is
// a hash of the querysets' encoding, the templates, the static files, and of how each sample
// is rendered. So a change of the code that writes the bodies changes it, too. What depends on
// the description of the tables is not in it: an epoch belongs to one description.
func BuildTag() string { return buildTag() }

var buildTag = sync.OnceValue(func() string { return tagOf(templateFiles, staticFiles) })

func tagOf(files ...fs.FS) string {
	h := sha256.New()
	fmt.Fprintln(h, listing.Shape)
	for _, f := range files {
		hashFiles(h, f)
	}
	for _, s := range samples(sampleSite()) {
		for _, f := range Formats {
			if f == SVG && s.queryset.Query.Kind != listing.RowKind {
				continue
			}
			status, body := Body(f, s.queryset)
			fmt.Fprintf(h, "%s %s %d %d\n%s", s.name, f, status, len(body), body)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// hashFiles adds the names and contents of all files, in the order of names.
func hashFiles(h hash.Hash, files fs.FS) {
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(content), content)
		return err
	})
	if err != nil {
		panic("render: read embedded files: " + err.Error())
	}
}
