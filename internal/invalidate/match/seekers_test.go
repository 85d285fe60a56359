package match

import (
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// photo is the key of a photo.
const photo = "00000000-0000-0000-0000-00000000000"

// joinedQueries returns answers that show rows of other tables, and some that do not, with the
// windows that they have.
func joinedQueries(t *testing.T) map[string]listing.Window {
	t.Helper()
	site := listingtest.JoinedSite()
	homes, agents, photos := listingtest.Homes(), site.Table("agents"), site.Table("photos")
	first := listingtest.Row(homes, "id", 1, "title", "A", "price", 50, "agent", "a", "seller", "s", "next_to", 7)
	second := listingtest.Row(homes, "id", 2, "title", "B", "price", 60, "agent", "gone", "seller", nil, "next_to", nil)
	windows := map[string]listing.Window{"homes?min_price=1000": {}} // being read
	for text, items := range map[string][]listing.Row{
		"homes?max_price=100":   {first, second},
		"homes/1":               {first},
		"homes/3":               nil,
		"homes/summary":         nil,
		"agents":                {listingtest.Row(agents, "code", "a", "name", "Ann")},
		"photos/" + photo + "1": {listingtest.Row(photos, "id", photo+"1", "home", 1, "url", "u", "caption", nil)},
	} {
		q, err := site.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		qs := listing.Queryset{Query: q, Items: items}
		windows[text] = qs.Window()
	}
	return windows
}

// TestInnerRows reads like the table of what a change means to the answers that show its row
// inside others: its key counts, before and after, and so do the columns that are shown
// inside, or that join or order.
func TestInnerRows(t *testing.T) {
	t.Parallel()
	site := listingtest.JoinedSite()
	homes, agents, photos := listingtest.Homes(), site.Table("agents"), site.Table("photos")
	ix := NewIndex(site)
	for text, w := range joinedQueries(t) {
		ix.Set(1, text, w)
	}
	const (
		page, own, none, summary = "homes?max_price=100", "homes/1", "homes/3", "homes/summary"
		wide, list, item         = "homes?min_price=1000", "agents", "photos/" + photo + "1"
	)
	update := func(table *listing.Table, row []any, edit ...any) Change {
		old, updated := listingtest.Row(table, row...), listingtest.Row(table, append(slices.Clone(row), edit...)...)
		return changeIn(table, &old, &updated, 0)
	}
	agent := func(code string) []any { return []any{"code", code, "name", "Ann", "phone", nil, "office", 1} }
	picture := func(id string, home any) []any {
		return []any{"id", photo + id, "home", home, "position", 1, "url", "u", "caption", nil}
	}
	house := func(id, price int, agent string, next any) []any {
		return []any{"id", id, "title", "A", "price", price, "notes", nil, "agent", agent, "seller", nil, "next_to", next, "listed", listing.Value{}}
	}
	inserted := func(table *listing.Table, row []any) Change {
		r := listingtest.Row(table, row...)
		return changeIn(table, nil, &r, 0)
	}
	deleted := func(table *listing.Table, row []any) Change {
		r := listingtest.Row(table, row...)
		return changeIn(table, &r, nil, 0)
	}
	ofHome := func(home int, changed string) Change {
		c := photos.Column("home")
		of := listingtest.Row(photos, "home", home)
		return Change{Table: photos, Kind: BulkChange, Bulk: &Envelope{
			Changed: listing.ColumnSet(photos.Column(changed)), Bounded: listing.ColumnSet(c), Least: of, Greatest: of,
		}}
	}
	for _, test := range []struct {
		name   string
		change Change
		want   []string
	}{
		{"an agent's new name", update(agents, agent("a"), "name", "Bob"), []string{page, own, wide, list}},
		{"his phone, which lists do not show", update(agents, agent("a"), "phone", "1"), nil},
		{"his office, which nothing shows", update(agents, agent("a"), "office", 2), nil},
		{"an agent whom nobody names", update(agents, agent("b"), "name", "Bob"), []string{wide, list}},
		{"one whom only own pages show", update(agents, agent("s"), "name", "Bob"), []string{own, wide, list}},
		{"one who was looked for and not found", inserted(agents, agent("gone")), []string{page, wide, list}},
		{"one who goes", deleted(agents, agent("a")), []string{page, own, wide, list}},
		{"a photo that comes", inserted(photos, picture("2", 1)), []string{page, own, wide}},
		{"a photo that moves in", update(photos, picture("2", 9), "home", 1), []string{page, own, wide}},
		{"a photo that moves away", update(photos, picture("2", 2), "home", 9), []string{page, wide}},
		{"a photo that loses its home", update(photos, picture("2", 2), "home", nil), []string{page, wide}},
		{"a photo of another home", update(photos, picture("2", 9), "url", "v"), []string{wide}},
		{"a photo of no home", update(photos, picture("2", nil), "url", "v"), nil},
		{"a photo's place among the others", update(photos, picture("2", 2), "position", 2), []string{page, wide}},
		{"a caption, which lists do not show", update(photos, picture("2", 1), "caption", "c"), nil},
		{"a photo with a page of its own", update(photos, picture("1", 1), "home", 9), []string{page, own, wide, item}},
		{"a home's other agent", update(homes, house(1, 50, "a", 7), "agent", "b"), []string{page, own, list}},
		{"a home's other seller", update(homes, house(1, 50, "a", 7), "seller", "t"), []string{own}},
		{"the home beside", update(homes, house(7, 500, "x", nil), "title", "C"), []string{page, own, wide}},
		{"the home behind", update(homes, house(5, 500, "x", 1), "title", "C"), []string{own, wide}},
		{"a home that is behind no more", update(homes, house(5, 500, "x", 1), "next_to", 9), []string{own}},
		{"a home that comes", inserted(homes, house(3, 500, "x", nil)), []string{none, summary, wide}},
		{"a home's price", update(homes, house(1, 50, "a", 7), "price", 60), []string{page, own, summary, wide, list, item}},
		{"many photos of a home", ofHome(1, "url"), []string{page, own, wide, item}},
		{"many photos of another home", ofHome(9, "url"), []string{wide, item}},
		{"the captions of many photos", ofHome(1, "caption"), []string{item}},
		{"all photos", Change{Table: photos, Kind: WholeTable}, []string{page, own, none, wide, item}},
		{"all agents", Change{Table: agents, Kind: WholeTable}, []string{page, own, none, wide, list}},
	} {
		got := ix.Affected(&test.change, nil)
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
	}
}

// An answer that is read again has no cover until it is filled, and a registration of before
// brings none back.
func TestCoversAreOfTheLastRegistration(t *testing.T) {
	t.Parallel()
	site, text := listingtest.JoinedSite(), "homes?max_price=100"
	covers := joinedQueries(t)[text]
	agents := site.Table("agents")
	b := listingtest.Row(agents, "code", "b", "name", "Bob", "phone", nil, "office", nil)
	c := changeIn(agents, nil, &b, 0)
	ix := NewIndex(site)
	check := func(number int64, w listing.Window, touched bool) {
		t.Helper()
		ix.Set(number, text, w)
		if got := len(ix.Affected(&c, nil)) > 0; got != touched {
			t.Errorf("registered as %d with %s: touched is %v", number, w, got)
		}
	}
	check(2, covers, false)
	check(3, listing.Window{}, true)
	check(2, covers, true)
	check(4, covers, false)
	check(5, listing.Window{Covers: covers.Covers[:1]}, true) // of another build's making
}

// A partition of Redis that begins anew numbers its registrations anew. What was known of its
// queries is forgotten with their covers, so that no registration passes for old news.
func TestCoversGoWithTheirQueries(t *testing.T) {
	t.Parallel()
	site := listingtest.JoinedSite()
	agents := site.Table("agents")
	of := func(code string) (Change, listing.Cover) {
		row := listingtest.Row(agents, "code", code, "name", "Ann", "phone", nil, "office", nil)
		return changeIn(agents, nil, &row, 0), listing.Cover{Bounded: true, Keys: []listing.Value{row.Values[agents.Key]}}
	}
	_, before := of("before")
	c, now := of("now")
	for _, text := range []string{"homes?max_price=100", "homes/1"} {
		q, err := site.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		showing := func(agent listing.Cover) (w listing.Window) {
			for _, j := range q.Joins() {
				cover := listing.Cover{Bounded: true}
				if j.Inner == agents {
					cover = agent
				}
				w.Covers = append(w.Covers, cover)
			}
			return w
		}
		for name, forget := range map[string]func(*Index){
			"one":  func(ix *Index) { ix.Remove(text) },
			"some": func(ix *Index) { ix.RemoveFunc(func(q string) bool { return q == text }) },
			"all":  (*Index).Reset,
		} {
			ix := NewIndex(site)
			ix.Set(9, text, showing(before))
			forget(ix)
			if touched := ix.Affected(&Change{Table: agents, Kind: WholeTable}, nil); len(touched) > 0 {
				t.Errorf("%s, %s forgotten: a change of all agents still touches %q", text, name, touched)
			}
			ix.Set(1, text, showing(now))
			if len(ix.Affected(&c, nil)) != 1 {
				t.Errorf("%s, %s forgotten: a change of the agent that it shows now does not touch it", text, name)
			}
		}
	}
}
