package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Source is one file of db/triggers, rendered for the whole site or for one of its tables.
type Source struct {
	Name  string
	Table string // "" if it is for all tables
	SQL   string
}

// Sources returns the SQL of capture in the order in which an installation executes it.
func Sources(site *listing.Site) ([]Source, error) {
	var sources []Source
	for _, folder := range []string{"triggers", "triggers/table"} {
		files, err := fs.Glob(db.Triggers, folder+"/*.sql")
		if err != nil {
			return nil, fmt.Errorf("list the triggers' files: %w", err)
		}
		for _, file := range files {
			rendered, err := render(file, folder != "triggers", site)
			if err != nil {
				return nil, err
			}
			sources = append(sources, rendered...)
		}
	}
	slices.SortStableFunc(sources, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return sources, nil
}

// render renders one file, for the site or for each of its tables.
func render(file string, each bool, site *listing.Site) (sources []Source, err error) {
	name := path.Base(file)
	t, err := template.New(name).Funcs(template.FuncMap{"literal": description.QuoteLiteral}).Option("missingkey=error").ParseFS(db.Triggers, file)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	add := func(table string, data any) error {
		var sql strings.Builder
		if err := t.Execute(&sql, data); err != nil {
			return fmt.Errorf("render %s: %w", file, err)
		}
		sources = append(sources, Source{Name: name, Table: table, SQL: sql.String()})
		return nil
	}
	if !each {
		return sources, add("", siteSQL{site})
	}
	for _, table := range site.Tables {
		if err := add(table.Name, tableSQL{table}); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// sourceHash names a version of the rendered files.
func sourceHash(sources []Source) string {
	h := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(h, "%s %s %d\n%s", s.Name, s.Table, len(s.SQL), s.SQL)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Objects of schema freshlist. Those of a table are called by the table's name, which is of
// letters, digits, _ and -, and one of the words below.
var (
	siteFunctions = []string{
		"tables", "columns", "innermost", "misfits", "may_ring", "epoch", "described", "banner", "catalog", "definitions", "fault", "repair",
	}
	siteRelations  = []string{"description", "marker", "marker_revision", "banner", "banner_pkey"}
	tableFunctions = []string{"whole_table", "bulk", "insert", "update", "delete", "truncate"}
	rowFunctions   = []string{"key", "image"} // of the table's row type, besides those of masked columns
	tableRelations = []string{"changes", "changes_xid", "guard", "row", "sets"}
)

// objectName returns the name of an object of a table.
func objectName(table, word string) string { return table + "_" + word }

// maskedWord is what the function of a masked column is called.
func maskedWord(column int) string { return "masked_" + strconv.Itoa(column) }

// siteSQL is what the files for all tables together know.
type siteSQL struct{ site *listing.Site }

// relationSQL is one table of a site.
type relationSQL struct {
	Number, Key  int
	Schema, Name string
	Changes      string // the table of its changes
}

// Tables returns the described tables.
func (s siteSQL) Tables() (tables []relationSQL) {
	for i, t := range s.site.Tables {
		tables = append(tables, relationSQL{Number: i, Key: t.Key, Schema: t.Relation.Schema, Name: t.Relation.Name, Changes: tableSQL{t}.Own("changes")})
	}
	return tables
}

// attributeSQL is what the description says of a column, for a comparison with the catalog.
type attributeSQL struct {
	Table                   int
	Number                  int
	Attribute               int16
	Name, Type              string
	NotNull, Generated      bool
	Loose, Bytewise, Labels string // expressions
}

// Columns returns the columns of all tables.
func (s siteSQL) Columns() (columns []attributeSQL) {
	for i, t := range s.site.Tables {
		for n := range t.Columns {
			c := &t.Columns[n]
			a := attributeSQL{
				Table: i, Number: n, Attribute: c.Attribute, Name: c.Name, Type: c.Type.Name, NotNull: c.NotNull, Generated: c.Generated,
				Loose: "NULL::boolean", Bytewise: "NULL::boolean", Labels: "NULL::text[]",
			}
			inner := &c.Type
			if inner.Element != nil {
				inner = inner.Element
			}
			switch inner.Kind {
			case description.Text, description.Varchar, description.Char:
				a.Loose, a.Bytewise = strconv.FormatBool(inner.Loose), strconv.FormatBool(inner.Bytewise)
			case description.Enum:
				a.Labels = textArray(inner.Labels)
			}
			columns = append(columns, a)
		}
	}
	return columns
}

// Functions returns the names of all functions of ours, as an array.
func (s siteSQL) Functions() string {
	names := slices.Clone(siteFunctions)
	for _, t := range s.site.Tables {
		for _, word := range slices.Concat(tableFunctions, rowFunctions) {
			names = append(names, objectName(t.Name, word))
		}
		for _, n := range t.Masked() {
			names = append(names, objectName(t.Name, maskedWord(n)))
		}
	}
	return nameArray(names)
}

// Relations returns the names of all tables, views, indexes and composite types of ours, as an
// array.
func (s siteSQL) Relations() string {
	names := slices.Clone(siteRelations)
	for _, t := range s.site.Tables {
		for _, word := range tableRelations {
			names = append(names, objectName(t.Name, word))
		}
	}
	return nameArray(names)
}

// Guards returns the guard views as to_regclass reads them, as an array.
func (s siteSQL) Guards() string {
	var views []string
	for _, t := range s.site.Tables {
		views = append(views, tableSQL{t}.Own("guard"))
	}
	return textArray(views)
}

// nameArray returns names of ours, which are plain, as an array of SQL.
func nameArray(names []string) string { return "'{" + strings.Join(names, ",") + "}'::name[]" }

// textArray returns texts as an array of SQL.
func textArray(texts []string) string {
	literals := make([]string, len(texts))
	for i, text := range texts {
		literals[i] = description.QuoteLiteral(text)
	}
	return "ARRAY[" + strings.Join(literals, ", ") + "]::text[]"
}

// tableSQL is what the files for each table know.
type tableSQL struct{ table *listing.Table }

// Name returns the table's name in the description.
func (t tableSQL) Name() string { return t.table.Name }

// Relation returns the table.
func (t tableSQL) Relation() string { return t.table.Relation.SQL() }

// Own returns the object of schema freshlist that a word names.
func (t tableSQL) Own(word string) string {
	return "freshlist." + description.QuoteIdentifier(objectName(t.table.Name, word))
}

// Index returns the name of the index of the table of changes.
func (t tableSQL) Index() string {
	return description.QuoteIdentifier(objectName(t.table.Name, "changes_xid"))
}

// Key returns the column that tells rows apart.
func (t tableSQL) Key() columnSQL { return t.column(t.table.Key) }

// Columns returns the used columns.
func (t tableSQL) Columns() (columns []columnSQL) {
	for i := range t.table.Columns {
		columns = append(columns, t.column(i))
	}
	return columns
}

// Image returns the columns of a captured row in their order.
func (t tableSQL) Image() []columnSQL { return t.columns(t.table.Image()) }

// Masked returns the columns of which a captured row says only whether they differ.
func (t tableSQL) Masked() []columnSQL { return t.columns(t.table.Masked()) }

// Sets returns the columns of which an envelope says which values occur.
func (t tableSQL) Sets() []columnSQL { return t.columns(t.table.Sets()) }

// Grouped returns those of Sets by which the rows of an envelope are grouped: all but the key,
// of which a large statement has as many values as rows.
func (t tableSQL) Grouped() []columnSQL {
	return slices.DeleteFunc(t.Sets(), func(c columnSQL) bool { return c.Key })
}

func (t tableSQL) columns(numbers []int) (columns []columnSQL) {
	for _, n := range numbers {
		columns = append(columns, t.column(n))
	}
	return columns
}

func (t tableSQL) column(n int) columnSQL {
	c := &t.table.Columns[n]
	text := c.Form == listing.Words
	kept := c.Type.Name
	if text {
		kept = c.Castable()
	}
	return columnSQL{
		Number: n, Name: description.QuoteIdentifier(c.Name), Plain: c.Castable(), Kept: kept, Function: t.Own(maskedWord(n)),
		Key: n == t.table.Key, NotNull: c.NotNull, Text: text, Bounded: c.Form.InNumber() && c.Form != listing.Truth,
	}
}

// columnSQL is one column in SQL.
type columnSQL struct {
	Number   int
	Name     string
	Plain    string // the type in which a captured row holds it
	Kept     string // the type in which it is compared, if it is masked
	Function string // takes it from a row, if it is masked
	Key      bool
	NotNull  bool
	Text     bool // values are compared as texts
	Bounded  bool // PostgreSQL has a least and a greatest value of it
}
