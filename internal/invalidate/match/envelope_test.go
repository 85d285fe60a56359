package match

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
)

// TestEnvelopeLeavesOthersAlone: a bulk edit of one city's rows.
func TestEnvelopeLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	bulk := Envelope{
		Changed:      listing.ColumnSet(listing.Price),
		ID:           Range[int64]{Min: 1000, Max: 2000, Valid: true},
		PropertyType: Set{Any: true},
		Status:       Set{Values: []string{"for_sale"}},
		Price:        Range[int64]{Min: 100_00, Max: 900_00, Valid: true},
		City:         Set{Values: []string{"FOLSOM", "GALT"}},
		PostalCode:   Set{}, // all NULL
		Bedrooms:     Range[int16]{Min: 2, Max: 4, Valid: true},
		Bathrooms:    Range[int16]{Any: true},
		LivingArea:   Range[int32]{Min: 500, Max: 900, Valid: true},
		Latitude:     Range[int64]{Min: listing.PlaceOf(38), Max: listing.PlaceOf(39), Valid: true},
		Longitude:    Range[int64]{Min: listing.PlaceOf(-122), Max: listing.PlaceOf(-121), Valid: true},
		CreatedAt:    Range[listing.Micros]{Min: 1000, Max: 2000, Valid: true},
		Nulls:        listing.ColumnSet(listing.PostalCode, listing.LivingArea),
	}
	at := func(value, id int64) listing.Key { return listing.Key{Value: listing.Some(value), ID: id} }
	upTo := func(k listing.Key) listing.Window { return listing.Window{Bounded: true, Last: k, Ahead: k} }
	for _, test := range []struct {
		text   string
		window listing.Window
		purged bool
	}{
		{"properties", listing.Window{}, true},
		{"properties?city=FOLSOM", listing.Window{}, true},
		{"properties?city=ELK_GROVE,FOLSOM", listing.Window{}, true},
		{"properties?city=ELK_GROVE", listing.Window{}, false},
		{"properties/summary?city=ELK_GROVE", listing.Window{}, false},
		{"properties/summary?city=GALT", listing.Window{}, true},
		{"properties?status=sold", listing.Window{}, false},
		{"properties?property_type=Condo", listing.Window{}, true},
		{"properties?postal_code=95630", listing.Window{}, false},
		{"properties?max_price=99.99", listing.Window{}, false},
		{"properties?max_price=100", listing.Window{}, true},
		{"properties?min_price=900.01", listing.Window{}, false},
		{"properties?min_price=900", listing.Window{}, true},
		{"properties?min_bedrooms=5", listing.Window{}, false},
		{"properties?min_bathrooms=99.9", listing.Window{}, true},
		{"properties?min_area=901", listing.Window{}, false},
		{"properties?bbox=-121,38,-120,39", listing.Window{}, true},
		{"properties?bbox=-120.9,38,-120,39", listing.Window{}, false},
		{"properties?q=pool", listing.Window{}, true},
		{"properties", upTo(at(2001, 1)), false},               // newest first: all rows are older
		{"properties", upTo(at(2000, 1)), true},                // equal values count, whatever the ids
		{"properties?sort=price", upTo(at(99_99, 1)), false},   // all rows are dearer
		{"properties?sort=price", upTo(at(100_00, 1)), true},   //
		{"properties?sort=-price", upTo(at(900_01, 1)), false}, // all rows are cheaper
		{"properties?sort=area", upTo(at(499, 1)), false},
		{"properties?sort=area", upTo(listing.Key{ID: 1}), true}, // the NULLs at the end
		{"properties?sort=-area", upTo(at(901, 1)), false},
		{"properties/999", listing.Window{}, false},
		{"properties/1000", listing.Window{}, true},
		{"properties/2001", listing.Window{}, false},
	} {
		q, err := listing.Parse(test.text)
		if err != nil {
			t.Fatal(err)
		}
		c := Change{Kind: BulkChange, Bulk: &bulk}
		if got := Affects(&q, test.window, &c); got != test.purged {
			t.Errorf("%s up to %s: purged %v, want %v", test.text, test.window, got, test.purged)
		}
	}
}

// TestEnvelopeOfOtherTypes: a bulk edit of Condos with few bathrooms, all of whose types and
// numbers are known, touches no list of other ones.
func TestEnvelopeOfOtherTypes(t *testing.T) {
	t.Parallel()
	bulk := Envelope{
		Changed: listing.AllColumns, PropertyType: Set{Values: []string{"Condo"}}, Bathrooms: Range[int16]{Min: 10, Max: 20, Valid: true},
	}
	for text, purged := range map[string]bool{
		"properties?property_type=Condo": true, "properties?property_type=Villa": false, "properties?property_type=Condo,Villa": true,
		"properties/summary?property_type=Villa": false, "properties?min_bathrooms=2": true, "properties?min_bathrooms=2.1": false,
		"properties/summary?min_bathrooms=2.1": false,
	} {
		q, err := listing.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Affects(&q, listing.Window{}, &Change{Kind: BulkChange, Bulk: &bulk}); got != purged {
			t.Errorf("%s: purged %t, want %t", text, got, purged)
		}
	}
}

// TestEnvelopeOfNulls: a row without an area stands on the pages at the end of a list sorted by
// it, in both directions, and on no page before.
func TestEnvelopeOfNulls(t *testing.T) {
	t.Parallel()
	nulls, values := Envelope{Changed: listing.AllColumns, Nulls: listing.ColumnSet(listing.LivingArea)}, Envelope{Changed: listing.AllColumns}
	values.LivingArea = Range[int32]{Min: 500, Max: 900, Valid: true}
	upTo := func(k listing.Key) listing.Window { return listing.Window{Bounded: true, Last: k, Ahead: k} }
	end := upTo(listing.Key{ID: 9})
	for _, sort := range []listing.Sort{listing.AreaAsc, listing.AreaDesc} {
		first, last := listing.Query{Sort: sort, Limit: 5}, listing.Query{Sort: sort, Limit: 5, After: listing.Some(listing.Key{ID: 3})}
		for _, c := range []struct {
			what   string
			query  listing.Query
			window listing.Window
			bulk   *Envelope
			purged bool
		}{
			{"a page that reaches the rows without", first, end, &nulls, true},
			{"a page before them", first, upTo(listing.Key{Value: listing.Some[int64](700), ID: 9}), &nulls, false},
			{"a page of rows without only", last, end, &nulls, true},
			{"the same, where all rows have one", last, end, &values, false},
			{"a page that reaches the rows with one, too", first, end, &values, true},
		} {
			if got := Affects(&c.query, c.window, &Change{Kind: BulkChange, Bulk: c.bulk}); got != c.purged {
				t.Errorf("sorted by %v: %s: purged %t, want %t", sort, c.what, got, c.purged)
			}
		}
	}
}

// TestEnvelopeOfHiddenColumns: what nobody shows touches nobody's lists.
func TestEnvelopeOfHiddenColumns(t *testing.T) {
	t.Parallel()
	rows := []Change{changeOf(galt(300, 3), galt(300, 3), listing.Description)}
	bulk := Change{Kind: BulkChange, Bulk: envelopeOf(rows)}
	for text, purged := range map[string]bool{
		"properties?city=GALT":                false,
		"properties/summary?city=GALT":        false,
		"properties?city=GALT&q=pool":         true,
		"properties/summary?city=GALT&q=pool": true,
		"properties/3":                        true,
	} {
		q, err := listing.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Affects(&q, listing.Window{}, &bulk); got != purged {
			t.Errorf("%s: purged %v, want %v", text, got, purged)
		}
	}
}

// TestEnvelopeCoversItsRows: a query that one of the changes touches is touched
// by the envelope of all.
func TestEnvelopeCoversItsRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOfN(rowChange(), 1, 5).Draw(t, "changes")
		bulk := Change{Kind: BulkChange, Bulk: envelopeOf(changes)}
		q := query(t)
		w := window(t, &q)
		for i := range changes {
			if Affects(&q, w, &changes[i]) && !Affects(&q, w, &bulk) {
				t.Fatalf("%s up to %s: touched by %+v, not by the envelope %+v", q, w, changes[i], bulk.Bulk)
			}
		}
	})
}
