package match

import (
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
)

// The page of these tests: GALT by price, two rows behind the one at 200, namely
// 300 and 400; the row at 500 showed that there is a next page.
func galtByPrice() (listing.Query, listing.Window) {
	q := listing.Query{Sort: listing.PriceAsc, Limit: 2, After: listing.Some(priceKey(200, 2))}
	q.Filter.City = []string{"GALT"}
	return q, listing.Window{Bounded: true, Last: priceKey(400, 4), Ahead: priceKey(500, 5)}
}

func priceKey(price, id int64) listing.Key {
	return listing.Key{Value: listing.Some(price), ID: id}
}

func galt(price, id int64) *listing.Row { return &listing.Row{ID: id, City: "GALT", Price: price} }

func folsom(price, id int64) *listing.Row { return &listing.Row{ID: id, City: "FOLSOM", Price: price} }

// changeOf is the change from one row to another; nil stands for none.
func changeOf(old, new *listing.Row, hidden ...listing.Column) Change {
	c := Change{Changed: listing.AllColumns}
	if old != nil {
		c.Old, c.HasOld = *old, true
	}
	if new != nil {
		c.New, c.HasNew = *new, true
	}
	if old != nil && new != nil {
		c.Changed = differing(old, new) | listing.ColumnSet(hidden...)
	}
	return c
}

// TestPage reads like the table of what a change of one row means to a page.
func TestPage(t *testing.T) {
	t.Parallel()
	q, w := galtByPrice()
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"out -> in: it comes over the cursor", changeOf(galt(100, 3), galt(300, 3)), true},
		{"out -> in: it comes from behind", changeOf(galt(900, 3), galt(300, 3)), true},
		{"out -> in: it enters the filter", changeOf(folsom(300, 3), galt(300, 3)), true},
		{"out -> in: it is inserted", changeOf(nil, galt(300, 3)), true},
		{"in -> out: it goes before the cursor", changeOf(galt(300, 3), galt(100, 3)), true},
		{"in -> out: it goes behind", changeOf(galt(300, 3), galt(900, 3)), true},
		{"in -> out: it leaves the filter", changeOf(galt(300, 3), folsom(300, 3)), true},
		{"in -> out: it is deleted", changeOf(galt(300, 3), nil), true},
		{"in -> in: another price", changeOf(galt(300, 3), galt(301, 3)), true},
		{"in -> in: another title", changeOf(galt(300, 3), galt(300, 3), listing.Title), true},
		{"in -> in: another description, not shown", changeOf(galt(300, 3), galt(300, 3), listing.Description), false},
		{"in -> in: another updated_at, not shown", changeOf(galt(300, 3), galt(300, 3), listing.UpdatedAt), false},
		{"in -> in: the id", changeOf(galt(300, 3), galt(300, 9)), true},
		{"out -> out: from before to behind", changeOf(galt(100, 3), galt(900, 3)), false},
		{"out -> out: another city's", changeOf(folsom(300, 3), folsom(310, 3)), false},
		{"out -> out: another title behind", changeOf(galt(900, 9), galt(900, 9), listing.Title), false},
		{"out -> out: inserted behind", changeOf(nil, galt(900, 9)), false},
		{"in -> next", changeOf(galt(300, 3), galt(450, 3)), true},
		{"next -> in", changeOf(galt(500, 5), galt(350, 5)), true},
		{"next -> out: next may go", changeOf(galt(500, 5), galt(501, 5)), true},
		{"next -> out: deleted", changeOf(galt(500, 5), nil), true},
		{"next -> out: before the cursor", changeOf(galt(500, 5), galt(100, 5)), true},
		{"out -> next", changeOf(galt(900, 9), galt(450, 9)), false},
		{"out -> next: inserted", changeOf(nil, galt(450, 9)), false},
		{"next -> next: another price", changeOf(galt(500, 5), galt(450, 5)), false},
		{"next -> next: another title", changeOf(galt(500, 5), galt(500, 5), listing.Title), false},
	} {
		if got := Affects(&q, w, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestPageWithSearch: only PostgreSQL knows whether a row is found, so another
// title or description may move it.
func TestPageWithSearch(t *testing.T) {
	t.Parallel()
	q, w := galtByPrice()
	q.Filter.Text = "pool"
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"in, and may have been out", changeOf(galt(300, 3), galt(300, 3), listing.Description), true},
		{"next, and may be out now", changeOf(galt(500, 5), galt(500, 5), listing.Description), true},
		{"next, and may be out now: title", changeOf(galt(500, 5), galt(500, 5), listing.Title), true},
		{"next -> next by price", changeOf(galt(500, 5), galt(450, 5)), false},
		{"in, updated_at only", changeOf(galt(300, 3), galt(300, 3), listing.UpdatedAt), false},
		{"out by price", changeOf(galt(900, 9), galt(900, 9), listing.Description), false},
		{"out by city", changeOf(folsom(300, 3), folsom(300, 3), listing.Description), false},
		{"out -> next", changeOf(galt(900, 9), galt(450, 9), listing.Description), false},
	} {
		if got := Affects(&q, w, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestEqualKeys: among rows of one price the id decides, in the sort's direction.
func TestEqualKeys(t *testing.T) {
	t.Parallel()
	rising := listing.Query{Sort: listing.PriceAsc, Limit: 2, After: listing.Some(priceKey(300, 2))}
	falling := listing.Query{Sort: listing.PriceDesc, Limit: 2, After: listing.Some(priceKey(300, 6))}
	window := func(last, ahead int64) listing.Window {
		return listing.Window{Bounded: true, Last: priceKey(300, last), Ahead: priceKey(300, ahead)}
	}
	for _, test := range []struct {
		query  listing.Query
		window listing.Window
		wants  map[int64]class
	}{
		{rising, window(4, 6), map[int64]class{1: out, 2: out, 3: in, 4: in, 5: next, 6: next, 7: out}},
		{falling, window(4, 2), map[int64]class{7: out, 6: out, 5: in, 4: in, 3: next, 2: next, 1: out}},
	} {
		p := pageOf(&test.query, test.window)
		for id, want := range test.wants {
			if got := p.class(galt(300, id)); got != want {
				t.Errorf("%s: id %d is of class %d, want %d", test.query.Sort, id, got, want)
			}
		}
	}
}

// TestNullsStandLast, in both directions, and are told apart by their ids.
func TestNullsStandLast(t *testing.T) {
	t.Parallel()
	null := func(id int64) listing.Key { return listing.Key{ID: id} }
	row := func(id int64, area listing.Null[int32]) *listing.Row { return &listing.Row{ID: id, LivingArea: area} }
	some := listing.Some[int32](900)
	rising := pageOf(&listing.Query{Sort: listing.AreaAsc, After: listing.Some(listing.Key{Value: listing.Some[int64](800), ID: 1})},
		listing.Window{Bounded: true, Last: null(5), Ahead: null(7)})
	falling := pageOf(&listing.Query{Sort: listing.AreaDesc, After: listing.Some(null(9))},
		listing.Window{Bounded: true, Last: null(7), Ahead: null(5)})
	for _, test := range []struct {
		page *page
		row  *listing.Row
		want class
	}{
		{&rising, row(3, some), in},
		{&rising, row(5, listing.Null[int32]{}), in},
		{&rising, row(6, listing.Null[int32]{}), next},
		{&rising, row(8, listing.Null[int32]{}), out},
		{&rising, row(9, listing.Some[int32](799)), out},
		{&falling, row(3, some), out},
		{&falling, row(9, listing.Null[int32]{}), out},
		{&falling, row(8, listing.Null[int32]{}), in},
		{&falling, row(6, listing.Null[int32]{}), next},
		{&falling, row(4, listing.Null[int32]{}), out},
	} {
		if got := test.page.class(test.row); got != test.want {
			t.Errorf("%s: %+v is of class %d, want %d", test.page.sort, test.row, got, test.want)
		}
	}
}

// TestWidePage: of an empty page, or one that nothing follows, everything behind
// the cursor counts as on it.
func TestWidePage(t *testing.T) {
	t.Parallel()
	q, _ := galtByPrice()
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"appended", changeOf(nil, galt(900, 9)), true},
		{"gone", changeOf(galt(900, 9), nil), true},
		{"before the cursor", changeOf(nil, galt(100, 9)), false},
		{"at the cursor", changeOf(nil, galt(200, 2)), false},
		{"another city's", changeOf(nil, folsom(900, 9)), false},
	} {
		if got := Affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	q := listing.Query{Kind: listing.SummaryKind}
	q.Filter.City = []string{"GALT"}
	q.Filter.MinArea = listing.Some[int32](500)
	large := func(mutate func(*listing.Row)) *listing.Row {
		r := galt(300, 3)
		r.LivingArea = listing.Some[int32](900)
		if mutate != nil {
			mutate(r)
		}
		return r
	}
	with := func(mutate func(*listing.Row)) Change { return changeOf(large(nil), large(mutate)) }
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"inserted", changeOf(nil, large(nil)), true},
		{"deleted", changeOf(large(nil), nil), true},
		{"enters", changeOf(folsom(300, 3), large(nil)), true},
		{"leaves: NULL matches no bound", with(func(r *listing.Row) { r.LivingArea = listing.Null[int32]{} }), true},
		{"another price", with(func(r *listing.Row) { r.Price++ }), true},
		{"another type", with(func(r *listing.Row) { r.PropertyType = "Condo" }), true},
		{"another number of bedrooms", with(func(r *listing.Row) { r.Bedrooms = listing.Some[int16](0) }), true},
		{"larger, as before in the filter", with(func(r *listing.Row) { r.LivingArea = listing.Some[int32](901) }), false},
		{"another status", with(func(r *listing.Row) { r.Status = "sold" }), false},
		{"another title", changeOf(large(nil), large(nil), listing.Title, listing.Description), false},
		{"another city's", changeOf(nil, folsom(300, 3)), false},
	} {
		if got := Affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
	q.Filter.Text = "pool"
	if c := changeOf(large(nil), large(nil), listing.Description); !Affects(&q, listing.Window{}, &c) {
		t.Error("a search summary is kept though another description may not be found")
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	q := listing.Query{Kind: listing.PropertyKind, ID: 3}
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"inserted: the cached 404 goes", changeOf(nil, galt(300, 3)), true},
		{"deleted", changeOf(galt(300, 3), nil), true},
		{"another description", changeOf(galt(300, 3), galt(300, 3), listing.Description), true},
		{"another updated_at", changeOf(galt(300, 3), galt(300, 3), listing.UpdatedAt), true},
		{"takes the id", changeOf(galt(300, 9), galt(300, 3)), true},
		{"gives the id up", changeOf(galt(300, 3), galt(300, 9)), true},
		{"another", changeOf(galt(300, 4), galt(310, 4)), false},
		{"another, inserted", changeOf(nil, galt(300, 4)), false},
	} {
		if got := Affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestUnknownChange: what says nothing about itself may have changed anything.
func TestUnknownChange(t *testing.T) {
	t.Parallel()
	var ix Index
	texts := []string{"properties", "properties/3", "properties/summary?city=GALT"}
	for i, text := range texts {
		ix.Set(int64(i), text, listing.Window{})
	}
	for _, c := range []Change{{Kind: WholeTable}, {Kind: BulkChange}, {Kind: 99}} {
		if got := ix.Affected(&c, nil); len(got) != len(texts) {
			t.Errorf("change of kind %d affects %q", c.Kind, got)
		}
		for _, text := range texts {
			q, err := listing.Parse(text)
			if err != nil || !Affects(&q, listing.Window{}, &c) {
				t.Errorf("change of kind %d does not touch %s (%v)", c.Kind, text, err)
			}
		}
	}
}
