package description_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/description"
)

var update = flag.Bool("update", false, "write the golden files anew")

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
		t.Errorf("not as in %s; if it is meant to be, run: go test ./internal/description -update\n%s", name, got)
	}
}

// testFiles returns the descriptions of testdata/files by their names.
func testFiles(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/files/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no files: %v", err)
	}
	files := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(text)
	}
	return files
}

// What users read about each of the files: the faults, or the warnings.
func TestFaultsGolden(t *testing.T) {
	t.Parallel()
	for name, text := range testFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, faults := description.Parse(name, text)
			if file != nil {
				var d *description.Description
				if d, faults = description.Resolve(file, catalog()); (d == nil) != (len(faults) > 0) {
					t.Fatalf("a description %t, and %d faults", d != nil, len(faults))
				}
			}
			said := faults.Error()
			if len(faults) == 0 {
				said = description.Review(file, catalog()).Error()
			}
			golden(t, filepath.Join("testdata/files", strings.TrimSuffix(name, ".yaml")+".txt"), said)
		})
	}
}

// Each fault has its place in the file and, but for a few words that stand for themselves,
// a remedy or the nearest name.
func TestFaultsHelp(t *testing.T) {
	t.Parallel()
	for name, text := range testFiles(t) {
		file, faults := description.Parse(name, text)
		if file != nil {
			_, faults = description.Resolve(file, catalog())
		}
		lines := strings.Split(text, "\n")
		for _, f := range faults {
			if f.File != name || f.Line < 1 || f.Line > len(lines) || f.Column < 1 || f.Column > len([]rune(lines[f.Line-1]))+1 || f.Length < 1 {
				t.Errorf("%s has no place: %+v", &f, f.Span)
			}
			if f.Label == "" && len(f.Help) == 0 {
				t.Errorf("%s says nothing of what to do", &f)
			}
			if strings.ContainsAny(f.String(), "\x00\t") || strings.Contains(f.String(), "%!") {
				t.Errorf("%q is not for reading", f.String())
			}
		}
	}
}

// What a file that ships becomes, column by column.
func TestDescriptionGolden(t *testing.T) {
	t.Parallel()
	file, _ := description.Parse("good.yaml", testFiles(t)["good.yaml"])
	d, faults := description.Resolve(file, catalog())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, d.Encode(), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/description.json", indented.String()+"\n")
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const path = "../../docs/listings.schema.json"
	golden(t, path, string(description.JSONSchema()))
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jsonOf reads a file by another library, as editors see it.
func jsonOf(text string) (any, error) {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return nil, err
	}
	return stringKeys(v), nil
}

func stringKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = stringKeys(v[k])
		}
	case map[any]any:
		m := map[string]any{}
		for k := range v {
			m[fmt.Sprint(k)] = stringKeys(v[k])
		}
		return m
	case []any:
		for i := range v {
			v[i] = stringKeys(v[i])
		}
	case int:
		return json.Number(fmt.Sprint(v))
	}
	return v
}

// A file is valid by the schema exactly if Parse finds nothing of the kind Shape.
func TestSchema(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	files := testFiles(t)
	files["shipped"] = db.Listings
	for i, text := range shapes() {
		files[fmt.Sprintf("shape %d", i)] = text
	}
	judged := map[bool]int{}
	for name, text := range files {
		_, faults := description.Parse(name, text)
		if slices.ContainsFunc(faults, func(f description.Fault) bool { return f.Kind == description.Syntax }) {
			continue // editors say that by themselves
		}
		v, err := jsonOf(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err = schema.Validate(v)
		shape := slices.ContainsFunc(faults, func(f description.Fault) bool { return f.Kind == description.Shape })
		if (err != nil) != shape {
			t.Errorf("%s: Parse says\n%v\nthe schema says\n%v", text, faults, err)
		}
		judged[shape]++
	}
	if judged[true] < 50 || judged[false] < 20 {
		t.Errorf("only %v files were judged", judged)
	}
}

// shapes returns files that have each member of each thing with every kind of value.
func shapes() (files []string) {
	values := []string{
		"", "x", "''", "12", "1.5", "true", "null", "[]", "{}", "[a]", "{a: b}", "range", "A", "list", "now", "any-of", "money", "USD", "en-US", "'9'",
		strings.Repeat("x", 41), strings.Repeat("é", 64), "'a b'", "'a\u00e9'", `"a\tb"`, "https://homes.example", "'http://[::1]'", "https://homes.example/", "'HTTPS://x'", "'http://localhost:8080'",
	}
	for member, text := range map[string]string{
		"name": "site: {%s: %s}", "url": "site: {%s: %s}", "locale": "site: {%s: %s}", "currency": "site: {%s: %s}", "home": "site: {%s: %s}", "unknown": "site: {%s: %s}",
		"tables": "%s: %s", "site": "%s: %s",
		"relation": "a", "key": "a", "label": "a", "columns": "a", "newest": "a", "place": "a", "language": "a", "with": "a", "other": "a",
		"as": "c", "on": "c", "show": "c", "unit": "c", "filter": "c", "param": "c", "sort": "c", "search": "c", "facet": "c", "stats": "c", "write": "c",
		"table": "j", "by": "j", "many": "j",
		"latitude": "p", "longitude": "p",
	} {
		for _, value := range values {
			var file string
			switch text {
			case "a":
				file = "tables: {homes: {columns: {c: {}}, %s: %s}}"
				if member == "columns" {
					file = "tables: {homes: {%s: %s}}"
				}
			case "c":
				file = "tables: {homes: {columns: {c: {%s: %s}}}}"
			case "j":
				file = "tables: {homes: {columns: {c: {}}, with: {a: {%s: %s}}}}"
			case "p":
				file = "tables: {homes: {columns: {c: {}}, place: {latitude: a, %s: %s}}}"
				if member == "latitude" {
					file = "tables: {homes: {columns: {c: {}}, place: {longitude: a, %s: %s}}}"
				}
			default:
				file = "{tables: {homes: {columns: {c: }}}, " + text + "}"
				if member == "tables" {
					file = text
				}
			}
			files = append(files, fmt.Sprintf(file, member, value)+"\n")
		}
	}
	for _, name := range append(values, "Homes", "a-b", "a_b", "9a", "ab.c") {
		if name == "" || name == "null" || strings.ContainsAny(name, "[{") {
			continue
		}
		files = append(files, fmt.Sprintf("tables: {%s: {columns: {c: {}}}}\n", name), fmt.Sprintf("tables: {a: {columns: {%s: {}}}}\n", name),
			fmt.Sprintf("tables: {a: {columns: {c: {}}, with: {%s: {table: b, by: c}}}}\n", name))
	}
	return files
}

// Every member has a sentence in the documents and in the schema.
func TestMembersAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/tables.md")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(description.JSONSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	count := 0
	var walk func(v any)
	walk = func(v any) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := m["properties"].(map[string]any); ok {
			for name, p := range properties {
				count++
				if doc, _ := p.(map[string]any)["description"].(string); doc == "" {
					t.Errorf("%s has no description", name)
				}
				if !strings.Contains(string(page), "`"+name+"`") {
					t.Errorf("docs/tables.md does not mention `%s`", name)
				}
				walk(p)
			}
		}
		walk(m["additionalProperties"])
	}
	walk(schema)
	if count < 30 {
		t.Errorf("only %d members were looked at", count)
	}
}
