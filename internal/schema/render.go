package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"

	"github.com/freshlist/freshlist/db"
)

// Source is one file of db/triggers, rendered for the table of listings.
type Source struct{ Name, SQL string }

// Sources returns the SQL of capture in the order in which an installation executes it.
func Sources() ([]Source, error) {
	files, err := fs.Glob(db.Triggers, "triggers/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the triggers' files: %w", err)
	}
	functions := template.FuncMap{"literal": literal}
	var sources []Source
	for _, file := range files {
		name := path.Base(file)
		t, err := template.New(name).Funcs(functions).Option("missingkey=error").ParseFS(db.Triggers, file)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		var sql strings.Builder
		if err := t.Execute(&sql, properties); err != nil {
			return nil, fmt.Errorf("render %s: %w", file, err)
		}
		sources = append(sources, Source{Name: name, SQL: sql.String()})
	}
	return sources, nil
}

// sourceHash names a version of the rendered files.
func sourceHash(sources []Source) string {
	h := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(h, "%s %d\n%s", s.Name, len(s.SQL), s.SQL)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
