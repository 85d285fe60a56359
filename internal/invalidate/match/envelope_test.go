package match

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func textValues(texts ...string) []listing.Value {
	values := []listing.Value{} // not nil, which is any
	for _, text := range texts {
		values = append(values, listing.Value{Text: text})
	}
	return values
}

func bulkOf(e *Envelope) *Change {
	return &Change{Table: listingtest.Properties(), Kind: BulkChange, Bulk: e}
}

// TestEnvelopeLeavesOthersAlone: a bulk edit of one city's rows.
func TestEnvelopeLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	row := func(pairs ...any) listing.Row { return listingtest.Row(listingtest.Properties(), pairs...) }
	bulk := Envelope{
		Changed: columns("price"),
		Bounded: columns("id", "price", "bedrooms", "living_area", "latitude", "longitude", "created_at"), // nothing of bathrooms
		Least: row("id", 1000, "price", 100, "bedrooms", 2, "living_area", 500, "latitude", 38, "longitude", -122,
			"created_at", listing.Value{Number: 1000}),
		Greatest: row("id", 2000, "price", 900, "bedrooms", 4, "living_area", 900, "latitude", 39, "longitude", -121,
			"created_at", listing.Value{Number: 2000}),
		Sets: map[int][]listing.Value{ // nothing of types
			number("status"):      textValues("for_sale"),
			number("city"):        textValues("FOLSOM", "GALT"),
			number("postal_code"): textValues(), // all NULL
		},
		Nulls: columns("postal_code", "living_area"),
	}
	upTo := func(p listing.Place) listing.Window { return upTo(p, p) }
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
		{"properties?bbox=-121,39.1,-120,40", listing.Window{}, false},
		{"properties?q=pool", listing.Window{}, true},
		{"properties", upTo(placeAt(2001, 1)), false},               // newest first: all rows are older
		{"properties", upTo(placeAt(2000, 1)), true},                // equal values count, whatever the ids
		{"properties?sort=price", upTo(placeAt(99_99, 1)), false},   // all rows are dearer
		{"properties?sort=price", upTo(placeAt(100_00, 1)), true},   //
		{"properties?sort=-price", upTo(placeAt(900_01, 1)), false}, // all rows are cheaper
		{"properties?sort=area", upTo(placeAt(499, 1)), false},
		{"properties?sort=area", upTo(listing.Place{Key: 1}), true}, // the NULLs at the end
		{"properties?sort=-area", upTo(placeAt(901, 1)), false},
		{"properties/999", listing.Window{}, false},
		{"properties/1000", listing.Window{}, true},
		{"properties/2001", listing.Window{}, false},
	} {
		q := listingtest.Query(test.text)
		if got := affects(&q, test.window, bulkOf(&bulk)); got != test.purged {
			t.Errorf("%s up to %s: purged %v, want %v", test.text, test.window, got, test.purged)
		}
	}
}

// TestEnvelopeOfOtherTypes: a bulk edit of Condos with few bathrooms, all of whose types and
// numbers are known, touches no list of other ones.
func TestEnvelopeOfOtherTypes(t *testing.T) {
	t.Parallel()
	row := func(bathrooms string) listing.Row {
		return listingtest.Row(listingtest.Properties(), "bathrooms", bathrooms)
	}
	bulk := Envelope{
		Changed: listingtest.Properties().AllColumns(),
		Bounded: columns("bathrooms"), Least: row("1"), Greatest: row("2"),
		Sets: map[int][]listing.Value{number("property_type"): textValues("Condo")},
	}
	for text, purged := range map[string]bool{
		"properties?property_type=Condo": true, "properties?property_type=Villa": false, "properties?property_type=Condo,Villa": true,
		"properties/summary?property_type=Villa": false, "properties?min_bathrooms=2": true, "properties?min_bathrooms=2.1": false,
		"properties/summary?min_bathrooms=2.1": false,
	} {
		q := listingtest.Query(text)
		if got := affects(&q, listing.Window{}, bulkOf(&bulk)); got != purged {
			t.Errorf("%s: purged %t, want %t", text, got, purged)
		}
	}
}

// TestEnvelopeOfNulls: a row without an area stands on the pages at the end of a list sorted by
// it, in both directions, and on no page before.
func TestEnvelopeOfNulls(t *testing.T) {
	t.Parallel()
	bulk := func(least, greatest any) *Envelope {
		e := &Envelope{Changed: listingtest.Properties().AllColumns(), Bounded: columns("living_area")}
		e.Least = listingtest.Row(listingtest.Properties(), "living_area", least)
		e.Greatest = listingtest.Row(listingtest.Properties(), "living_area", greatest)
		if least == nil {
			e.Nulls = columns("living_area")
		}
		return e
	}
	nulls, values := bulk(nil, nil), bulk(500, 900)
	upTo := func(p listing.Place) listing.Window { return upTo(p, p) }
	end := upTo(listing.Place{Key: 9})
	for _, sort := range []string{"area", "-area"} {
		first := listingtest.Query("properties?sort=" + sort)
		last := first
		last.After = listing.Some(listing.Key{Key: listing.Value{Number: 3}})
		for _, c := range []struct {
			what   string
			query  listing.Query
			window listing.Window
			bulk   *Envelope
			purged bool
		}{
			{"a page that reaches the rows without", first, end, nulls, true},
			{"a page before them", first, upTo(placeAt(700, 9)), nulls, false},
			{"a page of rows without only", last, end, nulls, true},
			{"the same, where all rows have one", last, end, values, false},
			{"a page that reaches the rows with one, too", first, end, values, true},
		} {
			if got := affects(&c.query, c.window, bulkOf(c.bulk)); got != c.purged {
				t.Errorf("sorted by %v: %s: purged %t, want %t", sort, c.what, got, c.purged)
			}
		}
	}
}

// TestEnvelopeOfHiddenColumns: what nobody shows touches nobody's lists.
func TestEnvelopeOfHiddenColumns(t *testing.T) {
	t.Parallel()
	rows := []Change{changeOf(galt(300, 3), galt(300, 3), "description", "search")}
	bulk := bulkOf(envelopeOf(listingtest.Properties(), rows))
	for text, purged := range map[string]bool{
		"properties?city=GALT":                false,
		"properties/summary?city=GALT":        false,
		"properties?city=GALT&q=pool":         true,
		"properties/summary?city=GALT&q=pool": true,
		"properties/3":                        true,
	} {
		q := listingtest.Query(text)
		if got := affects(&q, listing.Window{}, bulk); got != purged {
			t.Errorf("%s: purged %v, want %v", text, got, purged)
		}
	}
}

// TestEnvelopeCoversItsRows: a query that one of the changes touches is touched
// by the envelope of all, also by one that says less.
func TestEnvelopeCoversItsRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := someTable(t)
		changes := rapid.SliceOfN(rowChange(table), 1, 5).Draw(t, "changes")
		e := envelopeOf(table, changes)
		e.Bounded &^= listing.Columns(rapid.SampledFrom([]uint64{0, 0, 0x5555555555555555, 1<<64 - 1}).Draw(t, "unbounded"))
		for c := range e.Sets {
			if c%rapid.IntRange(2, 4).Draw(t, "any") == 0 {
				e.Sets[c] = nil
			}
		}
		bulk := Change{Table: table, Kind: BulkChange, Bulk: e}
		q := query(t, table)
		w := window(t, &q)
		for i := range changes {
			if affects(&q, w, &changes[i]) && !affects(&q, w, &bulk) {
				t.Fatalf("%s up to %s: touched by %+v, not by the envelope %+v", q, w, changes[i], bulk.Bulk)
			}
		}
	})
}

// envelopeOf returns the envelope of the changes of one statement, as capture makes it.
func envelopeOf(t *listing.Table, changes []Change) *Envelope {
	e := Envelope{Least: t.NewRow(), Greatest: t.NewRow(), Sets: map[int][]listing.Value{}}
	e.Least.Nulls, e.Greatest.Nulls = t.AllColumns(), t.AllColumns()
	for _, c := range t.Image() {
		switch column := &t.Columns[c]; {
		case column.Form.InNumber() && column.Form != listing.Truth:
			e.Bounded |= listing.ColumnSet(c)
		case c == t.Key, isListed(t, c):
			e.Sets[c] = []listing.Value{}
		}
	}
	for i := range changes {
		c := &changes[i]
		e.Changed |= c.Changed
		if c.HasOld {
			e.take(t, &c.Old)
		}
		if c.HasNew {
			e.take(t, &c.New)
		}
	}
	return &e
}

// isListed reports whether a filter asks for values of a column.
func isListed(t *listing.Table, column int) bool {
	return slices.ContainsFunc(t.Parameters, func(p description.Parameter) bool {
		return p.Kind == description.AnyOf && p.Column == column && !p.Wide
	})
}

func (e *Envelope) take(t *listing.Table, r *listing.Row) {
	for i := range t.Columns {
		c, v := &t.Columns[i], r.Get(i)
		if !v.Valid {
			e.Nulls |= listing.ColumnSet(i)
			continue
		}
		if set, ok := e.Sets[i]; ok {
			e.Sets[i] = append(set, v.V)
		}
		if e.Bounded.Has(i) {
			if e.Least.Null(i) || c.Order(v.V) < c.Order(e.Least.Values[i]) {
				e.Least.Set(i, v)
			}
			if e.Greatest.Null(i) || c.Order(v.V) > c.Order(e.Greatest.Values[i]) {
				e.Greatest.Set(i, v)
			}
		}
	}
}

// TestEnvelopeOfRowsThatCome: rows that come change a summary of nothing but how many there
// are; values that they count by nothing do not.
func TestEnvelopeOfRowsThatCome(t *testing.T) {
	t.Parallel()
	agents := listingtest.JoinedSite().Table("agents")
	q := listing.Query{Table: agents, Kind: listing.SummaryKind}
	for changed, purged := range map[listing.Columns]bool{agents.AllColumns(): true, listing.ColumnSet(agents.Column("phone")): false} {
		bulk := Change{Table: agents, Kind: BulkChange, Bulk: &Envelope{Changed: changed}}
		if got := affects(&q, listing.Window{}, &bulk); got != purged {
			t.Errorf("columns %b: purged %t, want %t", changed, got, purged)
		}
	}
}
