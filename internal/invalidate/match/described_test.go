package match

import (
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// These tests are of what other tables have and properties has not.

// asked is a query of a table, and whether an index says that a change touches it.
func asked(t *testing.T, table *listing.Table, q listing.Query, w listing.Window, c Change) bool {
	t.Helper()
	ix := NewIndex(table.Site)
	ix.Set(1, q.String(), w)
	if ix.Unparsable() > 0 {
		t.Fatalf("%s does not parse", q)
	}
	got := len(ix.Affected(&c, nil)) > 0
	if alone := affects(&q, w, &c); got != alone {
		t.Fatalf("%s: the index says %v, the query alone %v", q, got, alone)
	}
	return got
}

func queryOf(t *testing.T, table *listing.Table, text string) listing.Query {
	t.Helper()
	q, err := table.Site.Parse(table.Name + text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// everyRow returns a row of the table every with NULL in all columns but these.
func everyRow(table *listing.Table, key string, pairs ...any) *listing.Row {
	r := listingtest.Row(table, append([]any{table.KeyColumn().Name, key}, pairs...)...)
	given := listing.ColumnSet(table.Key)
	for i := 0; i < len(pairs); i += 2 {
		given |= listing.ColumnSet(table.Column(pairs[i].(string)))
	}
	r.Nulls |= table.AllColumns() &^ given
	return &r
}

// TestTies: texts with the same beginning may stand in any order, as far as their numbers tell.
func TestTies(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	text := func(key, text string) *listing.Row { return everyRow(every, key, "bytewise", text) }
	up, down := queryOf(t, every, "?sort=bytewise&limit=2"), queryOf(t, every, "?sort=-bytewise&limit=2")
	place := func(r *listing.Row) listing.Place { return every.PlaceOf(up.Sort, every.KeyOf(up.Sort, r)) }
	after := func(q listing.Query, r *listing.Row) listing.Query {
		q.After = listing.Some(every.KeyOf(q.Sort, r))
		return q
	}
	beginning := upTo(place(text("k", "beginning m")), place(text("k", "beginning n")))
	for _, test := range []struct {
		name   string
		query  listing.Query
		window listing.Window
		change Change
		want   bool
	}{
		{"before the cursor", after(up, text("k", "beginning b")), beginning, changeIn(every, nil, text("a", "a"), 0), false},
		{"it may be behind the cursor", after(up, text("k", "beginning b")), listing.Window{}, changeIn(every, nil, text("a", "beginning c"), 0), true},
		{"the same, falling", after(down, text("k", "beginning b")), listing.Window{}, changeIn(every, nil, text("z", "beginning a"), 0), true},
		{"it may be at the end", up, beginning, changeIn(every, nil, text("z", "beginning a"), 0), true},
		{"the same, falling", down, beginning, changeIn(every, nil, text("a", "beginning z"), 0), true},
		{"behind the end", up, beginning, changeIn(every, nil, text("a", "begins"), 0), false},
		{"it moves there", up, beginning, changeIn(every, text("z", "beginning z"), text("z", "beginning a"), 0), true},
		{"it may be the row ahead that goes", up, beginning, changeIn(every, text("k", "beginning n"), nil, 0), true},
		{"another hidden column", up, beginning, changeIn(every, text("k", "beginning n"), text("k", "beginning n"), listing.ColumnSet(every.Column("changed"))), false},
	} {
		if got := asked(t, every, test.query, test.window, test.change); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}

	byUUID := listingtest.ByUUID()
	row := func(id string) *listing.Row {
		r := listingtest.Row(byUUID, "id", "123e4567-e89b-12d3-a456-"+id, "name", "a", "price", 5, "latitude", nil, "longitude", nil)
		return &r
	}
	q := queryOf(t, byUUID, "?sort=price&limit=1")
	end := byUUID.PlaceOf(q.Sort, byUUID.KeyOf(q.Sort, row("000000000005")))
	for _, cursor := range []bool{true, false} {
		q.After = listing.Null[listing.Key]{V: byUUID.KeyOf(q.Sort, row("000000000002")), Valid: cursor}
		for _, id := range []string{"000000000001", "000000000004", "000000000009"} {
			if !asked(t, byUUID, q, upTo(end, end), changeIn(byUUID, nil, row(id), 0)) {
				t.Errorf("cursor %v: a row that may be on the page does not touch it: %s", cursor, id)
			}
		}
	}
}

// TestShownOfTies: a row is taken for one that is not found only if it lies on the page for certain. Of an
// order that only PostgreSQL knows none does.
func TestShownOfTies(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	row := func(key, text string) *listing.Row { return everyRow(every, key, "bytewise", text, "loose", "a") }
	up := queryOf(t, every, "?loose=A&sort=bytewise&limit=2")
	behind, unordered := up, queryOf(t, every, "?loose=A&sort=words")
	behind.After = listing.Some(every.KeyOf(up.Sort, row("k", "beginning b")))
	place := func(text string) listing.Place { return every.PlaceOf(up.Sort, every.KeyOf(up.Sort, row("k", text))) }
	shows := func(w listing.Window) listing.Window {
		w.Shown = listing.Some([]listing.Value{{Text: "k"}})
		return w
	}
	upToEnd, upToTie := upTo(place("beginning m"), place("z")), upTo(place("a"), place("beginning z"))
	for _, test := range []struct {
		name   string
		query  listing.Query
		window listing.Window
		at     string
		want   bool
	}{
		{"on the page", up, upToEnd, "a", false},
		{"it may be behind the last row", up, upToEnd, "beginning n", true},
		{"it may be the row ahead", up, upToTie, "beginning z", true},
		{"behind the cursor", behind, listing.Window{}, "c", false},
		{"it may be before the cursor", behind, listing.Window{}, "beginning a", true},
		{"the order is PostgreSQL's", unordered, listing.Window{}, "a", true},
	} {
		c := changeIn(every, row("l", test.at), row("l", test.at), listing.ColumnSet(every.Column("whole")))
		if got := asked(t, every, test.query, shows(test.window), c); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// few returns properties as a site has it that shows only a few of its columns.
func few() *listing.Table {
	d := *listingtest.Site().Description
	d.Tables = slices.Clone(d.Tables)
	d.Tables[0].List = []int{number("title")}
	d.Tables[0].Item = []int{number("title"), number("status")}
	return listing.NewSite(&d).Tables[0]
}

// TestUnshownColumns: what is not shown counts where rows are filtered or ordered by it, and
// nowhere else.
func TestUnshownColumns(t *testing.T) {
	t.Parallel()
	table := few()
	for _, test := range []struct {
		text   string
		window listing.Window
		old    *listing.Row
		new    *listing.Row
		want   bool
	}{
		{"?sort=price&limit=2", upTo(pricePlace(400, 4), pricePlace(500, 5)), galt(300, 3), galt(301, 3), true},
		{"?sort=area&limit=2", listing.Window{}, galt(300, 3), galt(301, 3), false},
		{"?sort=area&limit=2", listing.Window{}, galt(300, 3), galt(300, 4), true},
		{"?city=GALT", listing.Window{}, galt(300, 3), folsom(300, 3), true},
		{"?min_bedrooms=2", listing.Window{}, galt(300, 3, "bedrooms", 1), galt(300, 3, "bedrooms", 2), true},
		{"?min_bedrooms=2", listing.Window{}, galt(300, 3, "bedrooms", 2), galt(300, 3, "bedrooms", 3), false},
		{"/summary?min_bathrooms=2", listing.Window{}, galt(300, 3, "bathrooms", "1.5"), galt(300, 3, "bathrooms", 2), true},
		{"/3", listing.Window{}, galt(300, 3), galt(301, 3), false},
		{"/3", listing.Window{}, galt(300, 3), galt(300, 3, "status", "sold"), true},
		{"/3", listing.Window{}, galt(300, 3), galt(300, 4), true},
		{"/3", listing.Window{}, galt(300, 3), nil, true},
	} {
		c := changeIn(table, test.old, test.new, 0)
		q := queryOf(t, table, test.text)
		if got := asked(t, table, q, test.window, c); got != test.want {
			t.Errorf("%s, %+v to %+v: %v, want %v", test.text, test.old, test.new, got, test.want)
		}
		bulk := Change{Table: table, Kind: BulkChange, Bulk: envelopeOf(table, []Change{c})}
		if test.want && !asked(t, table, q, test.window, bulk) {
			t.Errorf("%s, %+v to %+v: the envelope does not touch it", test.text, test.old, test.new)
		}
	}
}

// TestWideOrder: of an order that only PostgreSQL knows every row of the filter counts as on
// the page, whatever its cursor and its window say.
func TestWideOrder(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	q := queryOf(t, every, "?flag=true&sort=words")
	if !q.Order().Wide {
		t.Fatal("the order is not wide")
	}
	row := func(words string, flag any) *listing.Row {
		return everyRow(every, "k", "words", words, "flag", flag)
	}
	q.After = listing.Some(every.KeyOf(q.Sort, row("m", "true")))
	w := upTo(listing.Place{Value: listing.Some[int64](1)}, listing.Place{Value: listing.Some[int64](1)})
	for _, test := range []struct {
		name   string
		change Change
		want   bool
	}{
		{"a row before the cursor comes", changeIn(every, nil, row("a", "true"), 0), true},
		{"one behind the window comes", changeIn(every, nil, row("z", "true"), 0), true},
		{"one moves", changeIn(every, row("a", "true"), row("z", "true"), 0), true},
		{"one of another filter moves", changeIn(every, row("a", "false"), row("z", "false"), 0), false},
		{"an unshown column differs", changeIn(every, row("a", "true"), row("a", "true"), listing.ColumnSet(every.Column("changed"))), false},
	} {
		if got := asked(t, every, q, w, test.change); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	bulk := Change{Table: every, Kind: BulkChange, Bulk: envelopeOf(every, []Change{changeIn(every, nil, row("a", "true"), 0)})}
	if !asked(t, every, q, w, bulk) {
		t.Error("a bulk edit of rows before the cursor does not touch it")
	}
}

// TestWideConditions: only a change of a column that such a condition reads may change what it
// says; till then it counts as met.
func TestWideConditions(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	row := func(pairs ...any) *listing.Row { return everyRow(every, "k", pairs...) }
	for text, wants := range map[string][3]bool{ // another loose, another hundreds, another hidden column
		"/summary?loose=red":             {true, true, false}, // it counts by hundreds
		"/summary?hundreds=100":          {false, true, false},
		"?hundreds=100&loose=red":        {true, true, false},
		"/summary?loose=red&max_real=1":  {false, false, false}, // of no real
		"/summary?flag=true":             {false, false, false},
		"/summary?flag=true&loose=red":   {false, false, false}, // of another flag
		"/summary?fixed=a&min_wide=1":    {false, false, false},
		"?loose=red&sort=small&limit=1":  {true, true, false}, // it shows both
		"?flag=true&loose=red&sort=-day": {false, false, false},
	} {
		q := queryOf(t, every, text)
		for i, column := range []string{"loose", "hundreds", "changed"} {
			if got := asked(t, every, q, listing.Window{}, changeIn(every, row(), row(), listing.ColumnSet(every.Column(column)))); got != wants[i] {
				t.Errorf("%s, another %s: %v, want %v", text, column, got, wants[i])
			}
		}
	}
}

// TestManyColumns: what boxes and buckets have no room for is held to all the same.
func TestManyColumns(t *testing.T) {
	t.Parallel()
	every := listingtest.Every()
	s := spaceOf(every)
	row := func(pairs ...any) *listing.Row { return everyRow(every, "k", pairs...) }
	for _, test := range []struct {
		parameter string
		text      string
		without   *listing.Row
		with      *listing.Row
	}{
		{"min_percent", "?min_percent=50", row("percent", 49), row("percent", 50)},
		{"max_hidden", "/summary?max_hidden=5", row("hidden", 6), row("hidden", 5)},
		{"bbox", "?bbox=1,2,3,4", row("latitude", 3, "longitude", 4), row("latitude", 3, "longitude", 3)},
		{"short", "?short=a,b", row("short", "c"), row("short", "b")},
		{"whole", "/summary?whole=1,2", row("whole", 3), row("whole", 1)},
	} {
		p := s.parameters[slices.IndexFunc(s.parameters, func(p parameter) bool { return p.Name == test.parameter })]
		if p.axis != none || p.list != none {
			t.Errorf("there is room for %s", test.parameter)
		}
		q := queryOf(t, every, test.text)
		for _, c := range []struct {
			old, new *listing.Row
			want     bool
		}{
			{nil, test.with, true}, {nil, test.without, false}, {test.with, nil, true}, {test.without, nil, false},
			{test.with, test.without, true}, {test.without, test.with, true}, {test.without, row(), false},
		} {
			if got := asked(t, every, q, listing.Window{}, changeIn(every, c.old, c.new, 0)); got != c.want {
				t.Errorf("%s, %+v to %+v: %v, want %v", test.text, c.old, c.new, got, c.want)
			}
		}
	}
}

// TestOtherSite: a change of a table that the index does not know may have changed anything;
// one of the same description, made anew, is known.
func TestOtherSite(t *testing.T) {
	t.Parallel()
	texts := []string{"properties?city=GALT", "properties/3"}
	with := func(ix *Index) *Index {
		for _, text := range texts {
			ix.Set(1, text, listing.Window{})
		}
		return ix
	}
	again := listing.NewSite(listingtest.Site().Description).Table("properties")
	var none Index
	for _, test := range []struct {
		name  string
		index *Index
		table *listing.Table
		want  int
	}{
		{"its own", NewIndex(listingtest.Site()), listingtest.Properties(), 0},
		{"the same again", NewIndex(listingtest.Site()), again, 0},
		{"another site's", NewIndex(listingtest.Site()), listingtest.Every(), 2},
		{"none", NewIndex(listingtest.Site()), nil, 2},
		{"without a site", &none, listingtest.Properties(), 2},
		{"of another site", NewIndex(listingtest.EverySite()), listingtest.Every(), 2},
	} {
		ix := with(test.index)
		c := changeOf(nil, folsom(300, 4))
		if c.Table = test.table; test.table == listingtest.Every() {
			c = changeIn(test.table, nil, everyRow(test.table, "k"), 0)
		}
		if got := ix.Affected(&c, nil); len(got) != test.want {
			t.Errorf("%s: %q, want %d", test.name, got, test.want)
		}
		if ix.Len() != 2 {
			t.Errorf("%s: Len() = %d", test.name, ix.Len())
		}
		for _, text := range texts {
			ix.Remove(text)
		}
		if ix.Len() != 0 {
			t.Errorf("%s: Len() = %d when all are removed", test.name, ix.Len())
		}
		with(ix).Use(listingtest.Site())
		if ix.Len() != 0 || with(ix).Unparsable() != 0 || ix.Len() != 2 {
			t.Errorf("%s: another site makes %d of %d unparsable", test.name, ix.Unparsable(), ix.Len())
		}
	}
}

// TestWholeTable: a change of one table leaves the others' queries alone, but not what nobody
// knows.
func TestWholeTable(t *testing.T) {
	t.Parallel()
	ix := NewIndex(listingtest.EverySite())
	for _, text := range []string{"every", "every/summary", "by-uuid", "by-uuid/123e4567-e89b-12d3-a456-426614174000", "properties"} {
		ix.Set(1, text, listing.Window{})
	}
	got := ix.Affected(&Change{Table: listingtest.ByUUID(), Kind: WholeTable}, nil)
	slices.Sort(got)
	if want := []string{"by-uuid", "by-uuid/123e4567-e89b-12d3-a456-426614174000", "properties"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
