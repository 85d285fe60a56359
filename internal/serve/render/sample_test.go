package render_test

import (
	"math"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// everyCondition is the canonical text of a page with every parameter but the cursor.
const everyCondition = "properties?city=COOL,ELK_GROVE,FOLSOM,GALT,San+Jos%C3%A9&postal_code=95624,95758&property_type=Condo,Multi_Family" +
	"&status=for_sale,pending&min_price=100000&max_price=2000000.5&min_bedrooms=1&max_bedrooms=7&min_bathrooms=1.5&min_area=500&max_area=12000" +
	"&bbox=-121.5,38,-121,39&q=garden+%22old+town%22&ids=17,7&sort=-price&limit=50"

// properties are querysets of the table that ships, by the name of their golden files.
func properties() map[string]listing.Queryset {
	full, bare := fullProperty(), bareProperty()
	narrow, everything := listingtest.Query(everyCondition), listingtest.Query("properties")
	later := narrow
	later.After = listing.Some(narrow.Table.KeyOf(narrow.Sort, &full))
	row := func(id int64, items ...listing.Row) listing.Queryset {
		return listing.Queryset{Query: narrow.Table.RowQuery(listing.Value{Number: id}), Items: items}
	}
	return map[string]listing.Queryset{
		"page":            {Query: narrow, Items: []listing.Row{full, bare}, Ahead: listing.Some(narrow.Table.KeyOf(narrow.Sort, &bare))},
		"page-last":       {Query: later, Items: []listing.Row{bare}},
		"page-past":       {Query: later},
		"page-none":       {Query: narrow},
		"page-empty":      {Query: everything},
		"property":        row(17, full),
		"property-bare":   row(2, bare),
		"page-odd":        {Query: narrow, Items: []listing.Row{oddProperty(-3)}},
		"property-odd":    row(3, oddProperty(3)),
		"property-absent": row(math.MaxInt64),
		"summary":         {Query: summaryOf(narrow), Summary: fullSummary()},
		"summary-empty":   {Query: summaryOf(everything), Summary: listing.Summary{Stats: make([]listing.Stat, 1), Facets: make([][]listing.Facet, 3)}},
		"summary-odd": {Query: summaryOf(everything), Summary: listing.Summary{
			Count: 2,
			Stats: []listing.Stat{{Min: number(-5_00), Max: number(listing.NaN), Mean: number(listing.NaN)}},
			Facets: [][]listing.Facet{
				nil, nil, {{Value: number(-1), Count: 2}},
			},
		}},
	}
}

// sample returns the queryset of a name.
func sample(t *testing.T, name string) listing.Queryset {
	t.Helper()
	qs, ok := properties()[name]
	if !ok {
		t.Fatalf("there is no sample %s", name)
	}
	return qs
}

func number(n int64) listing.Null[listing.Value]   { return listing.Some(listing.Value{Number: n}) }
func word(text string) listing.Null[listing.Value] { return listing.Some(listing.Value{Text: text}) }

func summaryOf(page listing.Query) listing.Query {
	return listing.Query{Table: page.Table, Kind: listing.SummaryKind, Filter: page.Filter}
}

// fullProperty has a value in every column.
func fullProperty() listing.Row {
	return listingtest.Property(17,
		"title", "3-bed Multi-Family in Elk Grove",
		"description", "Close to the \"old town\" <garden & garage>.\n\tSecond line\\\u2028\x01é 🏡",
		"property_type", "Multi_Family", "status", "pending", "price", "1234567.05", "city", "ELK_GROVE", "postal_code", "95758",
		"bedrooms", 3, "bathrooms", "2.5", "living_area", 1540, "latitude", "38.4088", "longitude", "-121.371901",
		"created_at", "2008-05-15T00:00:00Z", "updated_at", "2008-05-15T00:00:00.0005Z")
}

// bareProperty has a value only where it must, and numbers at their edges.
func bareProperty() listing.Row {
	return listingtest.Property(2,
		"title", "A plot", "city", "San José", "bedrooms", 1, "latitude", "-0", "longitude", "1e-7",
		"created_at", "1900-01-01T00:00:00.000001Z", "updated_at", "2199-12-31T23:59:59.999999Z")
}

// oddProperty has values that the checks of the table keep out, while they stand.
func oddProperty(id int) listing.Row {
	r := listingtest.Property(id,
		"title", "", "property_type", "", "status", "gone", "price", "NaN", "city", "", "bedrooms", -1, "bathrooms", "NaN",
		"living_area", -1500, "latitude", "NaN", "longitude", "-Inf", "created_at", "infinity")
	t := listingtest.Properties()
	r.Set(t.Column("updated_at"), number(listing.InstantOf(time.Date(-43, time.March, 15, 0, 0, 0, 500_000_000, time.UTC)))) // 44 BC
	return r
}

func fullSummary() listing.Summary {
	return listing.Summary{
		Count: 18,
		Stats: []listing.Stat{{Min: number(200_000_00), Max: number(636_000_00), Mean: number(414_960_18)}},
		Facets: [][]listing.Facet{
			{{Value: word("FOLSOM"), Count: 17}, {Value: word(`"X"`), Count: 1}},
			{{Value: word("Residential"), Count: 18}},
			{{Value: number(3), Count: 16}, {Count: 2}},
		},
	}
}
