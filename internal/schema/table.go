package schema

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// table is all that the capture SQL knows of the table that it watches.
type table struct {
	Columns []column // in the order in which programs number them
	image   []string // the columns of a captured row, in the order in which programs decode them
}

// column is one watched column.
type column struct {
	Name    identifier
	Type    string // as format_type spells it
	NotNull bool
	Bounds  bool       // an envelope says the least and the greatest value
	Set     identifier // the attribute of an envelope that says which texts occur, if one does
}

// properties is the table of listings as db/migrations makes it.
var properties = table{
	Columns: []column{
		{Name: "id", Type: "bigint", NotNull: true, Bounds: true},
		{Name: "title", Type: "text", NotNull: true},
		{Name: "description", Type: "text", NotNull: true},
		{Name: "property_type", Type: "text", NotNull: true, Set: "property_types"},
		{Name: "status", Type: "text", NotNull: true, Set: "statuses"},
		{Name: "price", Type: "numeric(14,2)", NotNull: true, Bounds: true},
		{Name: "city", Type: "text", NotNull: true, Set: "cities"},
		{Name: "postal_code", Type: "text", Set: "postal_codes"},
		{Name: "bedrooms", Type: "smallint", Bounds: true},
		{Name: "bathrooms", Type: "numeric(3,1)", Bounds: true},
		{Name: "living_area", Type: "integer", Bounds: true},
		{Name: "latitude", Type: "double precision", Bounds: true},
		{Name: "longitude", Type: "double precision", Bounds: true},
		{Name: "created_at", Type: "timestamp with time zone", NotNull: true, Bounds: true},
		{Name: "updated_at", Type: "timestamp with time zone", NotNull: true},
	},
	// Of fixed length first, so that no byte is lost to alignment.
	image: []string{
		"id", "created_at", "updated_at", "latitude", "longitude", "living_area", "bedrooms", "price", "bathrooms",
		"title", "property_type", "status", "city", "postal_code",
	},
}

// Image returns the columns of a captured row in their order.
func (t table) Image() (columns []column) {
	for _, name := range t.image {
		i := slices.IndexFunc(t.Columns, func(c column) bool { return string(c.Name) == name })
		columns = append(columns, t.Columns[i])
	}
	return columns
}

// Sets returns the columns of which an envelope says which texts occur.
func (t table) Sets() (columns []column) {
	for _, c := range t.Columns {
		if c.Set != "" {
			columns = append(columns, c)
		}
	}
	return columns
}

// Base returns the type without its precision, which a captured value need not be held
// to again.
func (c column) Base() string {
	base, _, _ := strings.Cut(c.Type, "(")
	return base
}

// identifier is a name, which templates print as SQL quotes it.
type identifier string

func (i identifier) String() string { return pgx.Identifier{string(i)}.Sanitize() }

// Literal returns the name as a string constant.
func (i identifier) Literal() string { return literal(string(i)) }

// With returns the name with a prefix.
func (i identifier) With(prefix string) identifier { return identifier(prefix) + i }

// literal returns text as a string constant of SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
