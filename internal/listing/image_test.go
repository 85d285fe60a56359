package listing_test

import (
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func columnNames(t *listing.Table, columns []int) (names []string) {
	for _, c := range columns {
		names = append(names, t.Columns[c].Name)
	}
	return names
}

func TestImageOfProperties(t *testing.T) {
	t.Parallel()
	p := listingtest.Properties()
	image := []string{
		"id", "created_at", "updated_at", "latitude", "longitude", "living_area", "bedrooms", "price", "bathrooms",
		"title", "property_type", "status", "city", "postal_code",
	}
	if got := columnNames(p, p.Image()); !slices.Equal(got, image) {
		t.Errorf("image %q, want %q", got, image)
	}
	if got := columnNames(p, p.Masked()); !slices.Equal(got, []string{"description", "search"}) {
		t.Errorf("masked %q", got)
	}
}

// TestImageByUse: each column of a table is in the image or masked, for one reason.
func TestImageByUse(t *testing.T) {
	t.Parallel()
	text := description.Type{Kind: description.Text, Name: "text", Collation: "default"}
	texts := description.Type{Kind: description.Array, Name: "text[]", Element: &text}
	char := description.Type{Kind: description.Char, Name: "character(3)"}
	json := description.Type{Kind: description.Other, Name: "jsonb"}
	columns := []struct {
		column description.Column
		image  bool
	}{
		{description.Column{Name: "page only", Type: text, Uses: []description.Use{description.ForItem}}, false},
		{description.Column{Name: "in lists", Type: text, Uses: []description.Use{description.ForList}}, true},
		{description.Column{Name: "counted", Type: text, Uses: []description.Use{description.ForFacet}}, true},
		{description.Column{Name: "filtered", Type: text, Uses: []description.Use{description.ForFilter}}, true},
		{description.Column{Name: "searched", Type: text, Uses: []description.Use{description.ForSearch}}, false},
		{description.Column{Name: "json in lists", Type: json, Uses: []description.Use{description.ForList}}, false},
		{description.Column{Name: "array in lists", Type: texts, Uses: []description.Use{description.ForList}}, false},
		{description.Column{Name: "array filtered", Type: texts, Uses: []description.Use{description.ForFilter}}, true},
		{description.Column{Name: "char filtered", Type: char, Uses: []description.Use{description.ForFilter}}, true},
		{description.Column{Name: "char in lists", Type: char, Uses: []description.Use{description.ForList}}, false},
		{description.Column{Name: "real", Type: description.Type{Kind: description.Real, Name: "real", Bytes: 4}, Uses: []description.Use{description.ForOrder}}, true},
		{description.Column{Name: "flag of the page", Type: description.Type{Kind: description.Boolean, Name: "boolean", Bytes: 1}, Uses: []description.Use{description.ForItem}}, true},
		{description.Column{Name: "uuid", Type: description.Type{Kind: description.UUID, Name: "uuid", Bytes: 16}, NotNull: true, Uses: []description.Use{description.ForKey}}, true},
	}
	d := description.Description{Tables: []description.Table{{Name: "things", Key: len(columns) - 1}}}
	table := &d.Tables[0]
	var image, masked []string
	for i, c := range columns {
		table.Columns = append(table.Columns, c.column)
		if c.column.Has(description.ForList) {
			table.List = append(table.List, i)
		}
		if c.column.Has(description.ForFacet) {
			table.Facets = append(table.Facets, description.Facet{Column: i})
		}
		if c.column.Name == "array filtered" {
			table.Parameters = append(table.Parameters, description.Parameter{Kind: description.Contains, Column: i})
		}
		if c.image {
			image = append(image, c.column.Name)
		} else {
			masked = append(masked, c.column.Name)
		}
	}
	things := listing.NewSite(&d).Tables[0]
	got := columnNames(things, things.Image())
	if want := []string{"uuid", "real"}; !slices.Equal(got[:2], want) {
		t.Errorf("first %q, want %q", got[:2], want)
	}
	slices.Sort(got)
	slices.Sort(image)
	if !slices.Equal(got, image) {
		t.Errorf("image %q, want %q", got, image)
	}
	if got := columnNames(things, things.Masked()); !slices.Equal(got, masked) {
		t.Errorf("masked %q, want %q", got, masked)
	}
}
