// Package listingtest has described tables for tests, rows of them, and generators of rows and
// queries for property-based tests.
package listingtest

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// PropertiesListings describes the table of properties, and nothing else, as far as the tests that know
// its columns by name go. The table itself is made by the migrations.
//
//go:embed properties.yaml
var PropertiesListings string

// The description of PropertiesListings, as it is resolved against the migrated database. A test of
// internal/schema holds it to that.
//
//go:embed properties.json
var properties []byte

// Site returns the site of PropertiesListings: one table, properties.
var Site = sync.OnceValue(func() *listing.Site { return site(properties) })

// site returns the site of a description as Encode has written it.
func site(text []byte) *listing.Site {
	d, err := description.Decode(bytes.TrimSuffix(text, []byte("\n")))
	if err != nil {
		panic(err)
	}
	return listing.NewSite(d)
}

// Properties returns the table of properties.
func Properties() *listing.Table { return Site().Table("properties") }

// Row returns a row of a table with values for some columns: name, value, name, value and so
// on. A value is nil for NULL, an int for a whole number in the column's own unit (350000 of a
// price is 350000.00), or a text as PostgreSQL spells the value.
func Row(t *listing.Table, pairs ...any) listing.Row {
	r := t.NewRow()
	for i := 0; i < len(pairs); i += 2 {
		c := t.Column(pairs[i].(string))
		if c < 0 {
			panic(fmt.Sprintf("%s has no column %v", t.Name, pairs[i]))
		}
		r.Set(c, Value(&t.Columns[c], pairs[i+1]))
	}
	return r
}

// Property returns a row of properties of an id: a cheap house without any optional value,
// made when instants begin. Further values are as for Row.
func Property(id int, pairs ...any) listing.Row {
	usual := []any{
		"id", id, "title", "A house", "description", "", "property_type", "Residential", "status", "for_sale", "price", 0, "city", "FOLSOM",
		"postal_code", nil, "bedrooms", nil, "bathrooms", nil, "living_area", nil, "latitude", nil, "longitude", nil,
		"created_at", "2000-01-01T00:00:00Z", "updated_at", "2000-01-01T00:00:00Z",
	}
	return Row(Properties(), append(usual, pairs...)...)
}

// Value returns a value of a column, from what Row takes.
func Value(c *listing.Column, v any) listing.Null[listing.Value] {
	switch v := v.(type) {
	case nil:
		return listing.Null[listing.Value]{}
	case int:
		return spelled(c, strconv.Itoa(v))
	case string:
		return spelled(c, v)
	case listing.Value:
		return listing.Some(v)
	default:
		panic(fmt.Sprintf("%T is no value", v))
	}
}

func spelled(c *listing.Column, text string) listing.Null[listing.Value] {
	ends := map[string]int64{"infinity": listing.Infinity, "-infinity": listing.LongAgo, "NaN": listing.NaN}
	if end, ok := ends[text]; ok && c.Form.InNumber() && c.Form != listing.Float {
		return listing.Some(listing.Value{Number: end})
	}
	if c.Form == listing.Float {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(err)
		}
		return listing.Some(listing.Value{Number: listing.FloatNumber(f)})
	}
	if c.Form == listing.JSON {
		return listing.Some(listing.Value{Text: text})
	}
	free := c.Unchecked()
	v, must := free.ParseValue(text)
	if must != "" {
		panic(fmt.Sprintf("%q of column %s must be %s", text, c.Name, must))
	}
	return listing.Some(v)
}

// Query returns the query of a canonical text: of Site or of EverySite.
func Query(text string) listing.Query {
	q, err := Site().Parse(text)
	if err != nil {
		var of error
		if q, of = EverySite().Parse(text); of != nil {
			panic(errors.Join(err, of))
		}
	}
	return q
}
