package listing_test

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestWindowText(t *testing.T) {
	t.Parallel()
	for _, table := range tables() {
		keys := listingtest.RowKeys(table)
		rapid.Check(t, func(t *rapid.T) {
			w := listingtest.Windows(table, listingtest.Sorts(table).Draw(t, "sort"), keys).Draw(t, "window")
			q := listingtest.Queries(table, keys).Draw(t, "query")
			w.Shown = listingtest.Shown(keys).Draw(t, "shown")
			w.Covers = listingtest.Covers(&q).Draw(t, "covers")
			if back, err := listing.ParseWindow(w.String()); err != nil || !reflect.DeepEqual(back, w) {
				t.Fatalf("%s: got %+v, %v, want %+v", w, back, err, w)
			}
		})
	}
	for _, s := range []string{
		"/", "1", "1/2", "1/2/3", "1/2/3/", "/1/2/3", "1/2/3/4/", "1/2/3/4/5", "1/2/3/x", "~/~/1/2", "-/1/2/3", "+1/2/3/4", "01/2/3/4", "1/2/3/-0",
		"1/2/3/9223372036854775808", " 1/2/3/4", "~~/1/2/3",
		";1", ";,", ";,2,1", ";,1,1", ";,01", ";,x", ";,'", ";,'%61", ";*", ";;", ";,1;", "|,1;,1", "1/2/3;,1", "1/2/3/4,1",
	} {
		if w, err := listing.ParseWindow(s); err == nil {
			t.Errorf("%q taken for %+v", s, w)
		}
	}
}

func FuzzParseWindow(f *testing.F) {
	for _, s := range []string{"", "35000000/17/35100000/9", "~/17/~/18", "-1/1/~/-5", "1/2/3/4/5", ";", "1/2/3/4;,-1,2", ";,'a%2Cb|,4|*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if w, err := listing.ParseWindow(s); err == nil && w.String() != s {
			t.Fatalf("%q taken for %s", s, w)
		}
	})
}

// TestWindowOfAnAnswer: it is narrow only if a row follows the page.
func TestWindowOfAnAnswer(t *testing.T) {
	t.Parallel()
	page := listingtest.Query("properties?sort=area&limit=2")
	items := []listing.Row{listingtest.Property(4, "living_area", 900), listingtest.Property(9)}
	ahead := listing.Some(key(null, 11))
	for name, test := range map[string]struct {
		qs     listing.Queryset
		window string
		next   bool
	}{
		"a row follows": {listing.Queryset{Query: page, Items: items, Ahead: ahead}, "~/9/~/11", true},
		"none follows":  {listing.Queryset{Query: page, Items: items}, "", false},
		"empty":         {listing.Queryset{Query: page}, "", false},
		"a summary":     {listing.Queryset{Query: listingtest.Query("properties/summary")}, "", false},
		"a property":    {listing.Queryset{Query: listingtest.Query("properties/4"), Items: items[:1]}, "", false},
	} {
		if got := test.qs.Window().String(); got != test.window {
			t.Errorf("%s: window %q, want %q", name, got, test.window)
		}
		next, ok := test.qs.NextQuery()
		if ok != test.next || ok != (test.qs.Next() != "") {
			t.Errorf("%s: next %v (%s), want %v", name, ok, test.qs.Next(), test.next)
		}
		if ok && next.After != listing.Some(key(null, 9)) {
			t.Errorf("%s: next is behind %+v", name, next.After)
		}
	}
}

// The keys of a page's rows are in its window if only PostgreSQL can judge a condition, whatever
// follows the page, and so is that a summary has none. Not if they are very long, or if only PostgreSQL
// knows the order.
func TestWindowOfASearch(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	row := func(key string) listing.Row { return listingtest.Row(every, "Key", key, "words", "a", "bytewise", "a") }
	rows := []listing.Row{row("b"), row("a, b")}
	ahead := listing.Some(listing.Key{Value: text("b"), Key: text("c").V})
	none := listing.Null[listing.Key]{}
	const places = "-2233785415175766016/-2221364910921613312/-2161727821137838080/-2089670227099910144"
	for _, test := range []struct {
		query string
		items []listing.Row
		ahead listing.Null[listing.Key]
		want  string
	}{
		{"every?q=pool&sort=bytewise&limit=2", rows, ahead, places + ";,'a%2C+b,'b"},
		{"every?q=pool&sort=bytewise&limit=2", rows, none, ";,'a%2C+b,'b"},
		{"every?loose=a&sort=bytewise&limit=2", rows[:1], none, ";,'b"},
		{"every?q=pool&sort=bytewise&limit=2", nil, none, ";"},
		{"every?sort=bytewise&limit=2", rows, none, ""},
		{"every?q=pool&sort=words&limit=2", rows, none, ""},
		{"every?q=pool&sort=bytewise&limit=2", []listing.Row{row(strings.Repeat("x", 9000))}, none, ""},
		{"every/summary?q=pool", nil, none, ";"},
		{"every/summary?bytewise=a", nil, none, ""},
		{"every/b", rows[:1], none, ""},
	} {
		q, err := every.Site.Parse(test.query)
		if err != nil {
			t.Fatal(err)
		}
		qs := listing.Queryset{Query: q, Items: test.items, Ahead: test.ahead}
		text := qs.Window().String()
		if text != test.want {
			t.Errorf("%s: window %q, want %q", test.query, text, test.want)
		}
		if back, err := listing.ParseWindow(text); err != nil || !reflect.DeepEqual(back, qs.Window()) {
			t.Errorf("%q: got %+v, %v", text, back, err)
		}
	}
	q, err := every.Site.Parse("every/summary?q=pool")
	if err != nil {
		t.Fatal(err)
	}
	if qs := (listing.Queryset{Query: q, Summary: listing.Summary{Count: 1}}); qs.Window().Shown.Valid {
		t.Error("a summary knows the rows that it counts")
	}
}

// The window of an order that only PostgreSQL knows is wide, and a page whose last row leaves
// no room for a cursor has no next one.
func TestWindowOfTexts(t *testing.T) {
	t.Parallel()
	table := listingtest.Every()
	item := func(key, words string) listing.Row {
		return listingtest.Row(table, "Key", key, "words", words, "bytewise", words)
	}
	for _, test := range []struct {
		query, words, window string
		next                 bool
	}{
		{"every?sort=bytewise&limit=1", "a", "-2233785415175766016/-2161727821137838080/-2161727821137838080/-2089670227099910144", true},
		{"every?sort=words&limit=1", "a", "", true},
		{"every?sort=words&limit=1", strings.Repeat("x", 700), "", true},
		{"every?sort=words&limit=1", strings.Repeat("x", 900), "", false},
	} {
		q, err := table.Site.Parse(test.query)
		if err != nil {
			t.Fatal(err)
		}
		qs := listing.Queryset{Query: q, Items: []listing.Row{item("b", test.words)}, Ahead: listing.Some(listing.Key{Value: text("b"), Key: text("c").V})}
		if got := qs.Window().String(); got != test.window {
			t.Errorf("%s: window %q, want %q", test.query, got, test.window)
		}
		next, ok := qs.NextQuery()
		if ok != test.next || ok != (qs.Next() != "") {
			t.Errorf("%s, %d bytes: next %v", test.query, len(test.words), ok)
		}
		if back, err := table.Site.Parse(next.String()); ok && (err != nil || !reflect.DeepEqual(back, next)) {
			t.Errorf("%s: got %+v, %v", next, back, err)
		}
	}
}

// A page before a cursor reaches backwards. Each page leads to both of its neighbours, as far as
// there may be any.
func TestNeighboursOfAPage(t *testing.T) {
	t.Parallel()
	page := listingtest.Query("properties?sort=area&limit=2")
	behind, before := page, page
	behind.After = listing.Some(key(number(800), 2))
	before.After, before.Backward = listing.Some(key(null, 11)), true
	items := []listing.Row{listingtest.Property(4, "living_area", 900), listingtest.Property(9)}
	ahead := listing.Some(key(number(850), 3))
	first, last := listing.Some(key(number(900), 4)), listing.Some(key(null, 9))
	none := listing.Null[listing.Key]{}
	for name, test := range map[string]struct {
		qs         listing.Queryset
		window     string
		prev, next listing.Null[listing.Key]
	}{
		"the first page":                     {listing.Queryset{Query: page, Items: items, Ahead: ahead}, "~/9/850/3", none, last},
		"behind a cursor":                    {listing.Queryset{Query: behind, Items: items, Ahead: ahead}, "~/9/850/3", first, last},
		"the last page":                      {listing.Queryset{Query: behind, Items: items}, "", first, none},
		"behind the last row":                {listing.Queryset{Query: behind}, "", none, none},
		"before a cursor":                    {listing.Queryset{Query: before, Items: items, Ahead: ahead}, "900/4/850/3", first, last},
		"before a cursor, from the first on": {listing.Queryset{Query: before, Items: items}, "", none, last},
	} {
		if got := test.qs.Window().String(); got != test.window {
			t.Errorf("%s: window %q, want %q", name, got, test.window)
		}
		prev, ok := test.qs.PrevQuery()
		if ok != test.prev.Valid || ok && (prev.After != test.prev || !prev.Backward) || ok != (test.qs.Prev() != "") {
			t.Errorf("%s: prev is %v, %s", name, ok, test.qs.Prev())
		}
		next, ok := test.qs.NextQuery()
		if ok != test.next.Valid || ok && (next.After != test.next || next.Backward) {
			t.Errorf("%s: next is %v, %s", name, ok, test.qs.Next())
		}
	}
	empty := listing.Queryset{Query: before}
	if next := empty.Next(); next != "/v1/"+page.String() || empty.Prev() != "" {
		t.Errorf("before the first row: next is %s", next)
	}
}
