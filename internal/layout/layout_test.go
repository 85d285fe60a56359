// Package layout holds the import rules of the house: the read path and the write
// path never meet in Go, decisions do no I/O, and each outside system is spoken to
// in one place.
package layout

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/freshlist/freshlist/"

// pure packages decide and do no I/O: nothing of the world's, and of ours only this.
var pure = map[string][]string{
	"internal/listing":          {module + "internal/description"},
	"internal/description":      {"github.com/goccy/go-yaml/ast", "github.com/goccy/go-yaml/lexer", "github.com/goccy/go-yaml/parser", "github.com/goccy/go-yaml/token"},
	"internal/rediskey":         nil,
	"internal/pgsnapshot":       nil,
	"internal/lsn":              nil,
	"internal/pgvalue":          {module + "internal/description", module + "internal/listing"},
	"internal/invalidate/match": {module + "internal/listing", module + "internal/description"},
}

// leaves are packages that anybody may import, so they import the standard library alone.
var leaves = []string{"internal/cachestate", "internal/redisurl"}

// reserved packages, with their subpackages, and who alone may import them, tests
// aside.
var reserved = map[string][]string{
	"github.com/labstack/echo": {"internal/serve", "internal/bench"},
	"github.com/spf13/cobra":   {"internal/cli", "cmd"},
	"github.com/jackc/pgx/v5": {
		"internal/schema", "internal/csvimport", "internal/invalidate", "internal/serve/database", "internal/doctor", "internal/session", // where SQL is
		"internal/local", "internal/pgtest", "internal/coherence", "internal/bench", "internal/tracing", "cmd",
	},
	"github.com/redis/go-redis": {
		"internal/rediscache", "internal/invalidate", "internal/doctor", "internal/tracing", // where scripts are, and who hands them the client
		"internal/redistest", "internal/coherence", "internal/bench", "cmd",
	},
	"go.opentelemetry.io":                 {"internal/tracing"},
	"github.com/jackc/pgxlisten":          {"internal/invalidate"},
	"github.com/golang-migrate/migrate":   {"internal/schema"},
	"github.com/prometheus/client_golang": {"internal/telemetry"},
	module + "internal/invalidate":        {"cmd/invalidator", "internal/invalidate", "internal/coherence", "internal/bench"},
	module + "internal/serve":             {"cmd/api", "internal/serve", "internal/audit", "internal/coherence", "internal/bench"},
	module + "internal/audit":             {"cmd/invalidator"},
	module + "internal/doctor":            {"cmd/invalidator"},
	module + "internal/config":            {"cmd", "internal/telemetry"},
	module + "internal/pgtest":            {"internal/pgtest", "internal/coherence", "internal/bench"},
	module + "internal/redistest":         {"internal/coherence", "internal/bench"},
	module + "internal/faultproxy":        {"internal/coherence", "internal/bench"},
	"testing":                             {"internal/pgtest", "internal/redistest", "internal/faultproxy", "internal/testmain", "internal/coherence"},
}

// source is a package and what its files import, tests aside.
type source struct {
	path    string
	imports []string
}

// sources reads every package of the repository.
func sources(t *testing.T) []source {
	t.Helper()
	byPath := map[string][]string{}
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if base := entry.Name(); base == "testdata" || name != top && strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(top, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			byPath[dir] = append(byPath[dir], path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []source
	for _, dir := range slices.Sorted(maps.Keys(byPath)) {
		all = append(all, source{module + filepath.ToSlash(dir), byPath[dir]})
	}
	return all
}

// under says whether a package is one of the path or below it.
func under(importPath, path string) bool {
	return importPath == path || strings.HasPrefix(importPath, path+"/")
}

// inputOutput is what a pure package has no use for in the standard library.
var inputOutput = []string{"database/sql", "log", "log/slog", "net", "net/http", "os", "os/exec"}

func TestPurePackages(t *testing.T) {
	t.Parallel()
	for _, p := range sources(t) {
		for path, may := range pure {
			if !under(p.path, module+path) || strings.HasSuffix(p.path, "test") {
				continue // what serves tests is no part of the product
			}
			for _, imported := range p.imports {
				if slices.Contains(inputOutput, imported) || outside(imported) && !slices.Contains(may, imported) {
					t.Errorf("%s imports %s", p.path, imported)
				}
			}
		}
	}
}

// outside says whether a package is not of the standard library.
func outside(imported string) bool {
	return strings.Contains(strings.Split(imported, "/")[0], ".")
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	for _, p := range sources(t) {
		for _, path := range leaves {
			if under(p.path, module+path) && slices.ContainsFunc(p.imports, outside) {
				t.Errorf("%s imports %v", p.path, p.imports)
			}
		}
	}
}

func TestReservedPackages(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range sources(t) {
		for _, imported := range p.imports {
			for name, who := range reserved {
				if !under(imported, name) {
					continue
				}
				seen[name] = true
				if !slices.ContainsFunc(who, func(w string) bool { return under(p.path, module+w) }) {
					t.Errorf("%s imports %s, which only %v may", p.path, imported, who)
				}
			}
		}
	}
	for name := range reserved {
		if !seen[name] && !strings.HasPrefix(name, module) {
			t.Errorf("nobody imports %s: a rule that cannot fail", name)
		}
	}
}

// No package is named after its lack of a subject.
func TestNames(t *testing.T) {
	t.Parallel()
	vague := []string{"util", "utils", "common", "helper", "helpers", "models", "services", "misc"}
	for _, p := range sources(t) {
		if name := p.path[strings.LastIndexByte(p.path, '/')+1:]; slices.Contains(vague, name) {
			t.Errorf("%s says nothing", p.path)
		}
	}
}
