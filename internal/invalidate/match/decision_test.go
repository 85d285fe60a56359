package match

import (
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// number returns the number of a column of properties.
func number(column string) int { return listingtest.Properties().Column(column) }

// columns returns a set of columns of properties.
func columns(names ...string) (s listing.Columns) {
	for _, name := range names {
		s |= listing.ColumnSet(number(name))
	}
	return s
}

// orderOf returns the number of an order of properties.
func orderOf(name string) int {
	sort, ok := listingtest.Properties().Sort(name)
	if !ok {
		panic(name)
	}
	return sort
}

// The page of these tests: GALT by price, two rows behind the one at 200, namely
// 300 and 400; the row at 500 showed that there is a next page.
func galtByPrice(further string) (listing.Query, listing.Window) {
	q := listingtest.Query("properties?city=GALT" + further + "&sort=price&limit=2")
	q.After = listing.Some(priceKey(200, 2))
	return q, upTo(pricePlace(400, 4), pricePlace(500, 5))
}

func priceKey(price, id int64) listing.Key {
	return listing.Key{Value: listing.Some(listing.Value{Number: 100 * price}), Key: listing.Value{Number: id}}
}

func pricePlace(price, id int64) listing.Place { return placeAt(100*price, id) }

// placeAt returns a place by its two numbers.
func placeAt(value, id int64) listing.Place {
	return listing.Place{Value: listing.Some(value), Key: id}
}

func upTo(last, ahead listing.Place) listing.Window {
	return listing.Window{Bounded: true, Last: last, Ahead: ahead}
}

func inCity(city string, price, id int, pairs []any) *listing.Row {
	r := listingtest.Property(id, append([]any{"city", city, "price", price}, pairs...)...)
	return &r
}

func galt(price, id int, pairs ...any) *listing.Row { return inCity("GALT", price, id, pairs) }

func folsom(price, id int, pairs ...any) *listing.Row { return inCity("FOLSOM", price, id, pairs) }

// changeOf is the change of properties from one row to another; nil stands for none.
func changeOf(old, new *listing.Row, hidden ...string) Change {
	return changeIn(listingtest.Properties(), old, new, columns(hidden...))
}

// changeIn is the change of a table from one row to another; nil stands for none. Rows are as
// they are captured, and hidden are columns that differ besides.
func changeIn(t *listing.Table, old, new *listing.Row, hidden listing.Columns) Change {
	c := Change{Table: t, Changed: t.AllColumns()}
	if old != nil {
		c.Old, c.HasOld = captured(t, old), true
	}
	if new != nil {
		c.New, c.HasNew = captured(t, new), true
	}
	if old != nil && new != nil {
		c.Changed = old.Differences(new, t.AllColumns()) | hidden
	}
	return c
}

// captured returns what capture keeps of a row.
func captured(t *listing.Table, r *listing.Row) listing.Row {
	kept := t.NewRow()
	for _, column := range t.Image() {
		kept.Set(column, r.Get(column))
	}
	return kept
}

// TestPage reads like the table of what a change of one row means to a page.
func TestPage(t *testing.T) {
	t.Parallel()
	q, w := galtByPrice("")
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
		{"in -> in: another title", changeOf(galt(300, 3), galt(300, 3), "title"), true},
		{"in -> in: another description, not shown", changeOf(galt(300, 3), galt(300, 3), "description"), false},
		{"in -> in: another updated_at, not shown", changeOf(galt(300, 3), galt(300, 3), "updated_at"), false},
		{"in -> in: the id", changeOf(galt(300, 3), galt(300, 9)), true},
		{"out -> out: from before to behind", changeOf(galt(100, 3), galt(900, 3)), false},
		{"out -> out: another city's", changeOf(folsom(300, 3), folsom(310, 3)), false},
		{"out -> out: another title behind", changeOf(galt(900, 9), galt(900, 9), "title"), false},
		{"out -> out: inserted behind", changeOf(nil, galt(900, 9)), false},
		{"in -> next", changeOf(galt(300, 3), galt(450, 3)), true},
		{"next -> in", changeOf(galt(500, 5), galt(350, 5)), true},
		{"next -> out: next may go", changeOf(galt(500, 5), galt(501, 5)), true},
		{"next -> out: deleted", changeOf(galt(500, 5), nil), true},
		{"next -> out: before the cursor", changeOf(galt(500, 5), galt(100, 5)), true},
		{"out -> next", changeOf(galt(900, 9), galt(450, 9)), false},
		{"out -> next: inserted", changeOf(nil, galt(450, 9)), false},
		{"next -> next: another price", changeOf(galt(500, 5), galt(450, 5)), false},
		{"next -> next: another title", changeOf(galt(500, 5), galt(500, 5), "title"), false},
	} {
		if got := affects(&q, w, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestPageBeforeCursor: a page before a cursor is one behind it in the order read backwards. Its
// window reaches to its first row, and to the row before that.
func TestPageBeforeCursor(t *testing.T) {
	t.Parallel()
	q := listingtest.Query("properties?city=GALT&sort=price&limit=2")
	q.After, q.Backward = listing.Some(priceKey(500, 5)), true
	w := upTo(pricePlace(300, 3), pricePlace(200, 2)) // 200/2, which showed that a page comes before, 300/3, 400/4, the cursor
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"inserted on the page", changeOf(nil, galt(350, 9)), true},
		{"inserted at the cursor", changeOf(nil, galt(500, 5)), false},
		{"inserted behind the cursor", changeOf(nil, galt(600, 6)), false},
		{"inserted between the page and the row before", changeOf(nil, galt(250, 9)), false},
		{"inserted before that", changeOf(nil, galt(100, 1)), false},
		{"a tie of the first row, before it", changeOf(nil, galt(300, 2)), false},
		{"a tie of the first row, behind it", changeOf(nil, galt(300, 4)), true},
		{"the row before goes", changeOf(galt(200, 2), nil), true},
		{"it moves before its place", changeOf(galt(200, 2), galt(150, 2)), true},
		{"it moves towards the page", changeOf(galt(200, 2), galt(280, 2)), false},
		{"it comes onto the page", changeOf(galt(200, 2), galt(310, 2)), true},
		{"it moves behind the cursor", changeOf(galt(200, 2), galt(700, 2)), true},
		{"a row of the page moves behind the cursor", changeOf(galt(300, 3), galt(900, 3)), true},
		{"a row from behind comes", changeOf(galt(900, 9), galt(450, 9)), true},
		{"another city's", changeOf(nil, folsom(350, 9)), false},
	} {
		if got := affects(&q, w, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"without a row before: one comes", changeOf(nil, galt(1, 1)), true},
		{"one comes behind the cursor", changeOf(nil, galt(501, 1)), false},
	} {
		if got := affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
	// NULL is last: before a cursor there is all that has a value, and nulls of a lesser key.
	q = listingtest.Query("properties?sort=area&limit=2")
	q.After, q.Backward = listing.Some(listing.Key{Key: listing.Value{Number: 7}}), true
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"a value", changeOf(nil, galt(1, 9, "living_area", 900)), true},
		{"a NULL before", changeOf(nil, galt(1, 6)), true},
		{"a NULL behind", changeOf(nil, galt(1, 8)), false},
	} {
		if got := affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("before a NULL, %s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestPageWithSearch: only PostgreSQL knows whether a row is found, so another
// column of words may move it, and nothing else.
func TestPageWithSearch(t *testing.T) {
	t.Parallel()
	q, w := galtByPrice("&q=pool")
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"in, and may have been out", changeOf(galt(300, 3), galt(300, 3), "search"), true},
		{"next, and may be out now", changeOf(galt(500, 5), galt(500, 5), "search"), true},
		{"next, another title of the same words", changeOf(galt(500, 5), galt(500, 5), "title"), false},
		{"in, another description of the same words", changeOf(galt(300, 3), galt(300, 3), "description"), false},
		{"next -> next by price", changeOf(galt(500, 5), galt(450, 5)), false},
		{"in, updated_at only", changeOf(galt(300, 3), galt(300, 3), "updated_at"), false},
		{"out by price", changeOf(galt(900, 9), galt(900, 9), "search"), false},
		{"out by city", changeOf(folsom(300, 3), folsom(300, 3), "search"), false},
		{"out -> next", changeOf(galt(900, 9), galt(450, 9), "search"), false},
	} {
		if got := affects(&q, w, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestPageWithSearchShows: a row that lies where the page reaches, and is not among its rows, is not
// found. Other words may change that, and nothing else.
func TestPageWithSearchShows(t *testing.T) {
	t.Parallel()
	q, narrow := galtByPrice("&q=pool")
	showing := func(w listing.Window, ids ...int64) listing.Window {
		w.Shown.Valid = true
		for _, id := range ids {
			w.Shown.V = append(w.Shown.V, listing.Value{Number: id})
		}
		return w
	}
	narrow = showing(narrow, 3, 4)
	first := listingtest.Query("properties?q=pool&sort=price")
	counted := listingtest.Query("properties/summary?city=GALT&q=pool")
	ordered, plain := listingtest.Query("properties?city=GALT&sort=price"), listing.Window{}
	for _, test := range []struct {
		name   string
		query  listing.Query
		window listing.Window
		change Change
		purged bool
	}{
		{"another price of a row that is not found", q, narrow, changeOf(galt(300, 9), galt(301, 9)), false},
		{"another title of it", q, narrow, changeOf(galt(300, 9), galt(300, 9), "title"), false},
		{"other words of it", q, narrow, changeOf(galt(300, 9), galt(300, 9), "search"), true},
		{"other words, and it goes behind", q, narrow, changeOf(galt(300, 9), galt(900, 9), "search"), false},
		{"other words, and it goes next to the page", q, narrow, changeOf(galt(300, 9), galt(450, 9), "search"), false},
		{"it goes behind", q, narrow, changeOf(galt(300, 9), galt(900, 9)), false},
		{"it goes next to the page", q, narrow, changeOf(galt(300, 9), galt(450, 9)), false},
		{"it leaves the filter", q, narrow, changeOf(galt(300, 9), folsom(300, 9)), false},
		{"it is deleted", q, narrow, changeOf(galt(300, 9), nil), false},
		{"it gets another key", q, narrow, changeOf(galt(300, 9), galt(300, 8)), false},
		{"it gets the key of a row that is found", q, narrow, changeOf(galt(300, 9), galt(300, 3)), false},
		{"a row that is found gets its key", q, narrow, changeOf(galt(300, 3), galt(300, 9)), true},
		{"another price of a row that is found", q, narrow, changeOf(galt(300, 3), galt(301, 3)), true},
		{"a row that is found is deleted", q, narrow, changeOf(galt(300, 3), nil), true},
		{"a row comes from behind", q, narrow, changeOf(galt(900, 9), galt(300, 9)), true},
		{"a row comes into the filter", q, narrow, changeOf(folsom(300, 9), galt(300, 9)), true},
		{"a row comes from next to the page", q, narrow, changeOf(galt(450, 9), galt(300, 9)), true},
		{"a row next to the page goes", q, narrow, changeOf(galt(450, 9), galt(900, 9)), true},
		{"a row is inserted", q, narrow, changeOf(nil, galt(300, 9)), true},

		{"a price, where nothing follows", first, showing(plain, 3), changeOf(galt(300, 9), galt(301, 9)), false},
		{"a price, where nothing is found", first, showing(plain), changeOf(galt(300, 9), galt(301, 9)), false},
		{"words, where nothing is found", first, showing(plain), changeOf(galt(300, 9), galt(300, 9), "search"), true},
		{"an INSERT, where nothing is found", first, showing(plain), changeOf(nil, galt(300, 9)), true},
		{"a price, of a page that is being read", first, plain, changeOf(galt(300, 9), galt(301, 9)), true},
		{"a price, where no row is counted", counted, showing(plain), changeOf(galt(300, 9), galt(301, 9)), false},
		{"words, where no row is counted", counted, showing(plain), changeOf(galt(300, 9), galt(300, 9), "search"), true},
		{"words of a row that leaves the other conditions", counted, showing(plain), changeOf(galt(300, 9), folsom(300, 9), "search"), false},
		{"a DELETE, where no row is counted", counted, showing(plain), changeOf(galt(300, 9), nil), false},
		{"an INSERT, where no row is counted", counted, showing(plain), changeOf(nil, galt(300, 9)), true},
		{"a row comes into the other conditions", counted, showing(plain), changeOf(folsom(300, 9), galt(300, 9)), true},
		{"a price, of a summary that is being read", counted, plain, changeOf(galt(300, 9), galt(301, 9)), true},
		{"a price, without a search", ordered, showing(plain), changeOf(galt(300, 9), galt(301, 9)), true},
	} {
		if got := affects(&test.query, test.window, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
		asked(t, listingtest.Properties(), test.query, test.window, test.change)
	}
}

// TestShownKeysOfAnEarlierContent: what a page showed says nothing of what is read now, nor of what
// the next one shows.
func TestShownKeysOfAnEarlierContent(t *testing.T) {
	t.Parallel()
	const text = "properties?q=pool"
	c := changeOf(galt(300, 3), galt(301, 3))
	shows := func(ids ...listing.Value) listing.Window { return listing.Window{Shown: listing.Some(ids)} }
	ix := NewIndex(listingtest.Site())
	for i, test := range []struct {
		window listing.Window
		number int64
		purged bool
	}{
		{shows(), 1, false},
		{listing.Window{}, 2, true},
		{shows(), 3, false},
		{shows(listing.Value{Number: 3}), 4, true},
		{shows(), 3, true}, // old news
		{shows(), 5, false},
	} {
		ix.Set(test.number, text, test.window)
		if got := len(ix.Affected(&c, nil)) > 0; got != test.purged {
			t.Errorf("registration %d: purged %v, want %v", i, got, test.purged)
		}
	}
}

// TestExplainSearch: the reasons of rule 6.
func TestExplainSearch(t *testing.T) {
	t.Parallel()
	registry := NewRegistry(listingtest.Site())
	page := registry.Live("properties?q=pool", listing.Window{Shown: listing.Some([]listing.Value{{Number: 3}})})
	summary := registry.Live("properties/summary?city=GALT&q=pool", listing.Window{Shown: listing.Some([]listing.Value(nil))})
	for _, test := range []struct {
		live   Live
		change Change
		want   string
	}{
		{page, changeOf(galt(300, 9), galt(301, 9)), "the row was not among those found, and PostgreSQL does not judge it by price"},
		{page, changeOf(galt(300, 9), galt(300, 9), "search"), "the row was not among those found; only PostgreSQL can judge whether it is now, by search"},
		{page, changeOf(galt(300, 9), nil), "the row does not come onto the page; before: where the page reaches, and not found; after: no row"},
		{page, changeOf(galt(300, 3), galt(301, 3)), "the row is on the page, which depends on price"},
		{summary, changeOf(galt(300, 9), galt(301, 9)), "the row was not among those found, and PostgreSQL does not judge it by price"},
		{summary, changeOf(galt(300, 9), galt(300, 9), "search"), "the row was not among those found; only PostgreSQL can judge whether it is now, by search"},
		{summary, changeOf(galt(300, 9), folsom(300, 9)), "the row is not among its rows, before or after: it does not meet city=GALT"},
		{summary, changeOf(galt(300, 9), nil), "the row is not among its rows, before or after"},
	} {
		if got := test.live.Explain(&test.change).String(); got != test.want {
			t.Errorf("got %q\nwant %q", got, test.want)
		}
	}
}

// TestEqualKeys: among rows of one price the id decides, in the order's direction.
func TestEqualKeys(t *testing.T) {
	t.Parallel()
	s := spaceOf(listingtest.Properties())
	rising, falling := listingtest.Query("properties?sort=price&limit=2"), listingtest.Query("properties?sort=-price&limit=2")
	rising.After, falling.After = listing.Some(priceKey(300, 2)), listing.Some(priceKey(300, 6))
	window := func(last, ahead int64) listing.Window { return upTo(pricePlace(300, last), pricePlace(300, ahead)) }
	for _, test := range []struct {
		query  listing.Query
		window listing.Window
		wants  map[int]class
	}{
		{rising, window(4, 6), map[int]class{1: out, 2: out, 3: in, 4: in, 5: next, 6: next, 7: out}},
		{falling, window(4, 2), map[int]class{7: out, 6: out, 5: in, 4: in, 3: next, 2: next, 1: out}},
	} {
		p := s.pageOf(&test.query, test.window)
		for id, want := range test.wants {
			if got := classOf(&p, s, galt(300, id)); got != want {
				t.Errorf("%s: id %d is of class %d, want %d", test.query, id, got, want)
			}
		}
	}
}

// TestNullsStandLast, in both directions, and are told apart by their ids.
func TestNullsStandLast(t *testing.T) {
	t.Parallel()
	s := spaceOf(listingtest.Properties())
	row := func(id int, area any) *listing.Row { return galt(300, id, "living_area", area) }
	first, last := listingtest.Query("properties?sort=area"), listingtest.Query("properties?sort=-area")
	first.After = listing.Some(listing.Key{Value: listing.Some(listing.Value{Number: 800}), Key: listing.Value{Number: 1}})
	last.After = listing.Some(listing.Key{Key: listing.Value{Number: 9}})
	rising := s.pageOf(&first, upTo(listing.Place{Key: 5}, listing.Place{Key: 7}))
	falling := s.pageOf(&last, upTo(listing.Place{Key: 7}, listing.Place{Key: 5}))
	for _, test := range []struct {
		page *page
		row  *listing.Row
		want class
	}{
		{&rising, row(3, 900), in},
		{&rising, row(5, nil), in},
		{&rising, row(6, nil), next},
		{&rising, row(8, nil), out},
		{&rising, row(9, 799), out},
		{&falling, row(3, 900), out},
		{&falling, row(9, nil), out},
		{&falling, row(8, nil), in},
		{&falling, row(6, nil), next},
		{&falling, row(4, nil), out},
	} {
		if got := classOf(test.page, s, test.row); got != test.want {
			t.Errorf("order %d: %+v is of class %d, want %d", test.page.sort, test.row, got, test.want)
		}
	}
}

// TestWidePage: of an empty page, or one that nothing follows, everything behind
// the cursor counts as on it.
func TestWidePage(t *testing.T) {
	t.Parallel()
	q, _ := galtByPrice("")
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
		if got := affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	q := listingtest.Query("properties/summary?city=GALT&min_area=500")
	large := func(pairs ...any) *listing.Row { return galt(300, 3, append([]any{"living_area", 900}, pairs...)...) }
	with := func(pairs ...any) Change { return changeOf(large(), large(pairs...)) }
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"inserted", changeOf(nil, large()), true},
		{"deleted", changeOf(large(), nil), true},
		{"enters", changeOf(folsom(300, 3), large()), true},
		{"leaves: NULL matches no bound", with("living_area", nil), true},
		{"another price", with("price", 301), true},
		{"another type", with("property_type", "Condo"), true},
		{"another number of bedrooms", with("bedrooms", 0), true},
		{"larger, as before in the filter", with("living_area", 901), false},
		{"another status", with("status", "sold"), false},
		{"another title", changeOf(large(), large(), "title", "description"), false},
		{"another city's", changeOf(nil, folsom(300, 3)), false},
	} {
		if got := affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
	q = listingtest.Query("properties/summary?city=GALT&min_area=500&q=pool")
	if c := changeOf(large(), large(), "search"); !affects(&q, listing.Window{}, &c) {
		t.Error("a search summary is kept though other words may not be found")
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	q := listingtest.Query("properties/3")
	for _, test := range []struct {
		name   string
		change Change
		purged bool
	}{
		{"inserted: the cached 404 goes", changeOf(nil, galt(300, 3)), true},
		{"deleted", changeOf(galt(300, 3), nil), true},
		{"another description", changeOf(galt(300, 3), galt(300, 3), "description"), true},
		{"another updated_at", changeOf(galt(300, 3), galt(300, 3), "updated_at"), true},
		{"takes the id", changeOf(galt(300, 9), galt(300, 3)), true},
		{"gives the id up", changeOf(galt(300, 3), galt(300, 9)), true},
		{"another", changeOf(galt(300, 4), galt(310, 4)), false},
		{"another, inserted", changeOf(nil, galt(300, 4)), false},
	} {
		if got := affects(&q, listing.Window{}, &test.change); got != test.purged {
			t.Errorf("%s: purged %v, want %v", test.name, got, test.purged)
		}
	}
}

// TestUnknownChange: what says nothing about itself may have changed anything.
func TestUnknownChange(t *testing.T) {
	t.Parallel()
	ix := NewIndex(listingtest.Site())
	texts := []string{"properties", "properties/3", "properties/summary?city=GALT"}
	for i, text := range texts {
		ix.Set(int64(i), text, listing.Window{})
	}
	for _, table := range []*listing.Table{nil, listingtest.Properties()} {
		for _, c := range []Change{{Table: table, Kind: WholeTable}, {Table: table, Kind: BulkChange}, {Table: table, Kind: 99}} {
			if got := ix.Affected(&c, nil); len(got) != len(texts) {
				t.Errorf("change of kind %d affects %q", c.Kind, got)
			}
			for _, text := range texts {
				q := listingtest.Query(text)
				if !affects(&q, listing.Window{}, &c) {
					t.Errorf("change of kind %d does not touch %s", c.Kind, text)
				}
			}
		}
	}
}

// TestCursorAtANull: no row with a value is behind it, in any order, and of those with a NULL
// some are, even where the column has a NOT NULL.
func TestCursorAtANull(t *testing.T) {
	t.Parallel()
	for sort, column := range map[string]string{"newest": "created_at", "-price": "price", "price": "price", "area": "living_area", "-area": "living_area"} {
		q := listing.Query{Table: listingtest.Properties(), Sort: orderOf(sort), Limit: 5}
		q.After = listing.Some(listing.Key{Key: listing.Value{Number: 9}})
		ix := NewIndex(listingtest.Site())
		ix.Set(1, q.String(), listing.Window{})
		behind := 10
		if q.Order().Descending {
			behind = 8
		}
		for _, test := range []struct {
			row  listing.Row
			want bool
		}{
			{listingtest.Property(1, "living_area", 1), false},
			{listingtest.Property(10, "price", "NaN", "created_at", "infinity", "living_area", 1), false},
			{listingtest.Property(behind, column, nil), true},
			{listingtest.Property(9, column, nil), false},
		} {
			change := changeOf(nil, &test.row)
			if got := len(ix.Affected(&change, nil)) > 0; got != test.want {
				t.Errorf("%s behind a NULL: a new row %+v touches it: %v, want %v", sort, test.row, got, test.want)
			}
		}
	}
}
