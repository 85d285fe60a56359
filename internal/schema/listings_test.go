package schema

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/db"
	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/pgtest"
)

// shipped resolves the description that ships against the migrated database.
func shipped(t *testing.T) *description.Description {
	t.Helper()
	url := pgtest.New(t)
	if err := Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	file, faults := description.Parse("db/listings.yaml", db.Listings)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	catalog, err := ReadCatalog(t.Context(), conn, file.Relations())
	if err != nil {
		t.Fatal(err)
	}
	if warnings := description.Review(file, catalog); len(warnings) > 0 {
		t.Error(warnings)
	}
	d, faults := description.Resolve(file, catalog)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return d
}

// The columns of listings stand in the description that ships, in the table that capture
// knows and in package listing. Until one goes, none may differ from the others.
func TestShippedDescription(t *testing.T) {
	t.Parallel()
	d := shipped(t)
	table := d.Table("properties")
	if table == nil || d.Site.Home != "properties" || len(d.Tables) != 1 {
		t.Fatalf("the tables are %+v", d.Tables)
	}
	var captured, described []column
	for _, c := range properties.Columns {
		captured = append(captured, column{Name: c.Name, Type: c.Type, NotNull: c.NotNull})
	}
	for _, c := range table.Columns {
		described = append(described, column{Name: identifier(c.Name), Type: c.Type.Name, NotNull: c.NotNull})
	}
	if !slices.Equal(captured, described) {
		t.Errorf("captured are %v, described %v", captured, described)
	}
	for what, got := range map[string][]string{
		"parameters": names(table.Parameters, func(p description.Parameter) string { return p.Name }),
		"orders":     names(table.Orders, func(o description.Order) string { return o.Name }),
		"list":       names(table.List, func(n int) string { return table.Columns[n].Member }),
		"facets":     names(table.Facets, func(f description.Facet) string { return f.Name }),
		"stats":      names(table.Stats, func(n int) string { return table.Columns[n].Member }),
		"compared":   compared(table),
	} {
		if want := listed()[what]; !slices.Equal(got, want) {
			t.Errorf("%s: the description has\n%v, package listing\n%v", what, got, want)
		}
	}
	if shown := columnSet(table.List); shown != listing.ListColumns {
		t.Errorf("lists show the columns %b, in package listing %b", shown, listing.ListColumns)
	}
	if shown := columnSet(table.Item); shown != listing.AllColumns {
		t.Errorf("a row's own page shows the columns %b, in package listing %b", shown, listing.AllColumns)
	}
	for i, o := range table.Orders {
		s := listing.Sort(i)
		if int(s.Column()) != o.Column || s.Descending() != o.Descending || o.Wide {
			t.Errorf("order %s is %+v, in package listing of column %d, descending %t", s, o, s.Column(), s.Descending())
		}
	}
	for i, c := range table.Columns {
		api := !slices.Contains([]string{"id", "created_at", "updated_at"}, c.Name)
		if (c.Write == description.Settable) != api || (c.Write == description.SetNow) != (c.Name == "updated_at") {
			t.Errorf("column %d, %s: a write does %q to it", i, c.Name, c.Write)
		}
	}
}

func names[T any](list []T, name func(T) string) (names []string) {
	for _, v := range list {
		names = append(names, name(v))
	}
	return names
}

// compared are the columns whose values decide whether a row is on a page.
func compared(t *description.Table) (names []string) {
	for _, c := range t.Columns {
		if c.Compared() {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

func columnSet(columns []int) (s listing.Columns) {
	for _, n := range columns {
		s |= listing.ColumnSet(listing.Column(n))
	}
	return s
}

// listed is what package listing knows, read off what it writes.
func listed() map[string][]string {
	known := map[string][]string{
		"list": {"id", "title", "property_type", "status", "price", "city", "postal_code", "bedrooms", "bathrooms", "living_area",
			"latitude", "longitude", "created_at"},
		"facets": {"by_city", "by_property_type", "by_bedrooms"},
		"stats":  {"price"},
	}
	everything := listing.Query{Limit: listing.DefaultLimit}
	fill(reflect.ValueOf(&everything.Filter).Elem())
	for pair := range strings.SplitSeq(everything.RawQuery(), "&") {
		name, _, _ := strings.Cut(pair, "=")
		known["parameters"] = append(known["parameters"], name)
	}
	for s := listing.Newest; s <= listing.AreaDesc; s++ {
		known["orders"] = append(known["orders"], s.String())
	}
	// A row of package listing is what filters and orders look at, by the columns' names.
	row := reflect.TypeFor[listing.Row]()
	for i := range row.NumField() {
		known["compared"] = append(known["compared"], columnOf(row.Field(i).Name))
	}
	slices.Sort(known["compared"])
	return known
}

// columnOf returns the column of a Go field: LivingArea is living_area.
func columnOf(field string) string {
	if field == "ID" {
		return "id"
	}
	var b strings.Builder
	for i, r := range field {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// fill gives every condition of a filter a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.ValueOf([]string{"x"}))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	}
}
