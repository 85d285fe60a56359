package listing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// The covers of an answer are what it looked for in other tables, found or not: what its rows'
// joining columns hold, or its rows' own keys. They stand behind the window's places.
func TestCovers(t *testing.T) {
	t.Parallel()
	homes := listingtest.Homes()
	a := listingtest.Row(homes, "id", 4, "price", 50, "agent", "it's, a", "seller", "s", "next_to", 7)
	b := listingtest.Row(homes, "id", 2, "price", 60, "agent", "", "seller", "s", "next_to", nil)
	long := listingtest.Row(homes, "id", 2, "agent", strings.Repeat("x", 9000), "seller", "s", "next_to", nil)
	nobody, ahead := listing.Null[listing.Key]{}, listing.Some(key(number(70), 9))
	for _, test := range []struct {
		query string
		items []listing.Row
		ahead listing.Null[listing.Key]
		want  string
	}{
		{"homes?sort=price&limit=2", []listing.Row{a, b}, ahead, "60/2/70/9|,0,'it%27s%2C+a|,2,4|,7"},
		{"homes", []listing.Row{b, b}, nobody, "|,0|,2|"},
		{"homes", nil, nobody, "|||"},
		{"homes", []listing.Row{long}, nobody, "|*|,2|"},
		{"homes/4", []listing.Row{a}, nobody, "|,'it%27s%2C+a|,4|,'s|,7|,4"},
		{"homes/4", nil, nobody, "||,4|||,4"},
		{"homes/summary", nil, nobody, ""},
		{"photos", nil, nobody, ""},
	} {
		q, err := homes.Site.Parse(test.query)
		if err != nil {
			t.Fatal(err)
		}
		qs := listing.Queryset{Query: q, Items: test.items, Ahead: test.ahead}
		text := qs.Window().String()
		if text != test.want {
			t.Errorf("%s: window %q, want %q", test.query, text, test.want)
		}
		if back, err := listing.ParseWindow(text); err != nil || back.String() != text {
			t.Errorf("%q: %+v, %v", text, back, err)
		}
	}
	for _, s := range []string{
		"|", "|1", "|,", "|,1,1", "|,2,1", "|,x", "|,01", "|,'", "|,''", "|*", "|*|*", "|,'%6", "|,'%61", "|**", "1/2/3/4|*", "1/2|,1", "|,1|", "|,1,",
	} {
		good := []string{"|", "|,1|"} // no key in one table, or in the second
		if w, err := listing.ParseWindow(s); (err == nil) != slices.Contains(good, s) {
			t.Errorf("%q: %+v, %v", s, w, err)
		}
	}
}

// Each join says which columns of the inner rows are shown, and on which it depends what is
// shown; and what joins is among the columns that the outer rows have.
func TestJoins(t *testing.T) {
	t.Parallel()
	homes := listingtest.Homes()
	var got []string
	for _, q := range []listing.Query{{Table: homes, Kind: listing.PageKind}, homes.RowQuery(listing.Value{Number: 1}), {Table: homes, Kind: listing.SummaryKind}} {
		got = append(got, fmt.Sprint(homes.Names(q.Columns())))
		for _, j := range q.Joins() {
			got = append(got, fmt.Sprint(j.Name, " by ", j.Finder().Name, ": ", j.Inner.Names(j.Shown), " ", j.Inner.Names(j.Used&^j.Shown)))
		}
	}
	want := []string{
		"[id title price listed agent next_to]",
		"agent by code: [code name] []", "photos by home: [id url] [home position]", "next by id: [id title price] []",
		"[id title price notes agent seller next_to]",
		"agent by code: [code name] []", "photos by home: [id url] [home position]", "seller by code: [code name] []",
		"next by id: [id title price] []", "behind by next_to: [id title price] [next_to]",
		"[]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
