package match

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// registered is what a test knows of one live query.
type registered struct {
	number int64
	query  listing.Query
	window listing.Window
	good   bool // whether its text parses
}

// TestIndexFindsWhatEveryQueryAskedWouldFind holds the index to the decision:
// after any history of registrations and removals, the affected queries are those
// that say so themselves.
func TestIndexFindsWhatEveryQueryAskedWouldFind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		site := rapid.SampledFrom(sites()).Draw(t, "site")
		ix := NewIndex(site)
		live := map[string]registered{}
		known := []string{}
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				q := query(t, someTableOf(t, site))
				r := registered{rapid.Int64Range(0, 9).Draw(t, "number"), q, window(t, &q), true}
				register(ix, live, q.String(), r)
				known = append(known, q.String())
			},
			"register many": func(t *rapid.T) {
				for range 12 {
					q := query(t, someTableOf(t, site))
					register(ix, live, q.String(), registered{9, q, window(t, &q), true})
				}
			},
			"register again": func(t *rapid.T) {
				if len(known) == 0 {
					t.Skip("nothing known")
				}
				text := rapid.SampledFrom(known).Draw(t, "text")
				q, err := site.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				register(ix, live, text, registered{rapid.Int64Range(0, 9).Draw(t, "number"), q, window(t, &q), true})
			},
			"register what nobody knows": func(t *rapid.T) {
				text := someTableOf(t, site).Name + "?basement=" + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")
				register(ix, live, text, registered{number: 1})
			},
			"remove": func(t *rapid.T) {
				if len(known) == 0 {
					t.Skip("nothing known")
				}
				text := rapid.SampledFrom(known).Draw(t, "text")
				ix.Remove(text)
				delete(live, text)
			},
			"reset": func(t *rapid.T) {
				if rapid.IntRange(0, 10).Draw(t, "really") == 0 {
					ix.Reset()
					clear(live)
					if rapid.Bool().Draw(t, "defer") {
						ix.Defer()
					}
				}
			},
			"build": func(*rapid.T) { ix.Build() },
			"change": func(t *rapid.T) {
				c := change(t, site)
				var want []string
				for text, r := range live {
					if !r.good || affects(&r.query, r.window, &c) {
						want = append(want, text)
					}
				}
				got := ix.Affected(&c, nil)
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("affected by %+v:\n got %q\nwant %q", c, got, want)
				}
				checkExplained(t, ix, live, &c, got)
			},
			"": func(t *rapid.T) {
				if ix.Len() != len(live) {
					t.Fatalf("Len() = %d, want %d", ix.Len(), len(live))
				}
				checkIndex(t, ix)
			},
		})
	})
}

// checkExplained fails unless each live query says of a change what the index has found, and why:
// one that the index gave, and one made of the text and the window.
func checkExplained(t *rapid.T, ix *Index, live map[string]registered, c *Change, affected []string) {
	registry := NewRegistry(ix.site)
	if all := ix.All(); len(all) != len(live) {
		t.Fatalf("All returns %d of %d", len(all), len(live))
	} else if len(all) > 0 {
		if d := all[0].Explain(c); d.Purged != slices.Contains(affected, all[0].Text()) {
			t.Fatalf("%q of All says of %+v: %+v", all[0].Text(), c, d)
		}
	}
	for text, r := range live {
		kept, ok := ix.Live(text)
		if !ok || kept.Text() != text {
			t.Fatalf("Live(%q) = %q, %v", text, kept.Text(), ok)
		}
		made := registry.Live(text, r.window)
		for _, l := range []Live{kept, made} {
			d := l.Explain(c)
			if _, want := slices.BinarySearch(affected, text); d.Purged != want || d.String() == "" {
				t.Fatalf("%q says of %+v: %+v (%s), the index %v", text, c, d, d, want)
			}
			if brief := l.Judge(c); brief.Purged != d.Purged || brief.Rule != d.Rule {
				t.Fatalf("%q judges of %+v: %+v, and explains %+v", text, c, brief, d)
			}
		}
	}
}

func register(ix *Index, live map[string]registered, text string, r registered) {
	ix.Set(r.number, text, r.window)
	if before, ok := live[text]; !ok || r.number >= before.number {
		live[text] = r
	}
}

// checkIndex fails if the index keeps anything that no live query needs, or if a
// tree's own account of itself is wrong.
func checkIndex(t *rapid.T, ix *Index) {
	for i := range ix.tables {
		checkTable(t, &ix.tables[i])
	}
}

func checkTable(t *rapid.T, ix *tableIndex) {
	if ix.seekers != nil {
		checkSeekers(t, ix)
	}
	uses := 0
	for text, s := range ix.filters {
		if s.uses <= 0 || s.String(ix.table) != text {
			t.Fatalf("filter %q: %d uses of %q", text, s.uses, s.String(ix.table))
		}
		uses += s.uses
	}
	if uses != len(ix.lists) {
		t.Fatalf("filters have %d uses, want %d", uses, len(ix.lists))
	}
	shapes := map[shape]int{}
	for name, n := range ix.buckets {
		if n.size == 0 {
			t.Fatalf("bucket %q is empty", name)
		}
		shapes[shape(name[0])|shape(name[1])<<8] += checkTree(t, n)
	}
	counted := map[shape]int{}
	for _, s := range ix.shapes {
		counted[s.shape] += s.uses
	}
	if !maps.Equal(shapes, counted) {
		t.Fatalf("shapes = %v, want %v", counted, shapes)
	}
}

// checkSeekers fails if queries and lists disagree about who stands where.
func checkSeekers(t *rapid.T, ix *tableIndex) {
	s := ix.seekers
	want := len(ix.rows)
	for _, l := range ix.lists {
		want += boolean(!l.summary && len(s.pages) > 0)
	}
	if len(s.own) == 0 {
		want -= len(ix.rows)
	}
	if len(s.byText) != want || len(s.queries) != want+len(s.unused) {
		t.Fatalf("covers of %d queries, in %d places of which %d are unused, want %d", len(s.byText), len(s.queries), len(s.unused), want)
	}
	stands, refs := 0, 0
	for text, i := range s.byText {
		q := &s.queries[i]
		stands += len(q.stands)
		for place, p := range q.stands {
			if q.text != text || s.lists[p.list].refs[p.at] != (seekRef{i, int32(place)}) {
				t.Fatalf("%s does not stand where it says: %+v", text, q)
			}
		}
	}
	keys := len(s.byKey) + len(s.empty)
	for join, lists := range s.byKey {
		keys += len(lists)
		for key, i := range lists {
			if l := &s.lists[i]; l.key != key || int(l.join) != join || len(l.refs) == 0 {
				t.Fatalf("the list of %v of join %d is %+v", key, join, l)
			}
		}
	}
	for i := range s.lists {
		refs += len(s.lists[i].refs)
	}
	if stands != refs || keys != len(s.lists) {
		t.Fatalf("queries stand in %d places, lists have %d; %d lists, want %d", stands, refs, len(s.lists), keys)
	}
}

func checkTree(t *rapid.T, n *node) (size int) {
	if n == nil {
		return 0
	}
	size = len(n.leaf.queries)
	for _, part := range n.parts {
		size += checkTree(t, part)
	}
	switch {
	case size != n.size || n.inner && len(n.leaf.queries) > 0:
		t.Fatalf("node says %d of %d queries", n.size, size)
	case !n.inner:
		checkLeaf(t, &n.leaf)
	default:
		if s := extent(n.parts[cross].collect(nil), n.axis); s.low < n.across.low || s.high > n.across.high {
			t.Fatalf("boxes across the cut span %v, the node says %v", s, n.across)
		}
	}
	return size
}

// checkLeaf compares every entry with its query, and every bit with its box.
func checkLeaf(t *rapid.T, f *leaf) {
	if len(f.entries) != len(f.queries) || words(len(f.queries)) > f.room {
		t.Fatalf("%d entries, room for %d words, of %d queries", len(f.entries), f.room, len(f.queries))
	}
	for i, l := range f.queries {
		b := l.box()
		if f.entries[i].hotFields != l.hotFields || f.lacksAxis(&b) {
			t.Fatalf("entry %+v of query %+v with box %v", f.entries[i], l, b)
		}
	}
	for k, a := range f.axes[:f.width] {
		start := func(c uint16) int64 { return f.block(a, c/lineWords)[c%lineWords] }
		for c := range a.cells {
			cell := span{start(c), math.MaxInt64}
			if c+1 < a.cells {
				cell.high = start(c+1) - 1
			}
			for i := range 64 * f.room {
				reaches := false
				if i < len(f.queries) {
					side := f.queries[i].span(a.dimension)
					reaches = side.low <= side.high && side.low <= cell.high && cell.low <= side.high
					if side != f.side(i, k) {
						t.Fatalf("side %v of query %d, want %v", f.side(i, k), i, side)
					}
				}
				if f.bitmap(a.first + c)[i/64]>>(i%64)&1 != 0 != reaches {
					t.Fatalf("query %d reaches into the cell %v: %v, which its bit denies", i, cell, reaches)
				}
			}
		}
	}
}

// sites are what random tests run over: the site that ships, one with a column of every type and
// with more columns than boxes and shapes have room for, and one with rows inside rows.
func sites() []*listing.Site {
	return []*listing.Site{listingtest.Site(), listingtest.EverySite(), listingtest.JoinedSite()}
}

func someTableOf(t *rapid.T, site *listing.Site) *listing.Table {
	return rapid.SampledFrom(site.Tables).Draw(t, "table")
}

func someTable(t *rapid.T) *listing.Table {
	return someTableOf(t, rapid.SampledFrom(sites()).Draw(t, "site"))
}

// keys generates keys of a table, so few that they meet often.
func keys(table *listing.Table) *rapid.Generator[listing.Value] {
	if table.KeyColumn().Form == listing.Whole {
		return listingtest.IDs(rapid.Int64Range(-1, 8))
	}
	return listingtest.RowKeys(table)
}

func query(t *rapid.T, table *listing.Table) listing.Query {
	return listingtest.Queries(table, keys(table)).Draw(t, "query")
}

// window generates a window that an answer of the query may have.
func window(t *rapid.T, q *listing.Query) listing.Window {
	var w listing.Window
	if q.Kind == listing.PageKind {
		w = listingtest.Windows(q.Table, q.Sort, keys(q.Table)).Draw(t, "window")
		direction := 1
		if q.Backward {
			direction, w.Last, w.Ahead = -1, w.Ahead, w.Last
		}
		if w.Bounded && q.After.Valid && direction*q.Table.Compare(q.Sort, w.Last, q.Table.PlaceOf(q.Sort, q.After.V)) < 0 {
			w = listing.Window{} // no window ends before its cursor
		}
	}
	if q.Kind != listing.RowKind {
		w.Shown = listingtest.Shown(keys(q.Table)).Draw(t, "shown")
	}
	w.Covers = listingtest.Covers(q).Draw(t, "covers")
	return w
}

// change generates a change of one row or, now and then, of many.
func change(t *rapid.T, site *listing.Site) Change {
	table := someTableOf(t, site)
	switch rapid.IntRange(0, 19).Draw(t, "kind") {
	case 0:
		return Change{Table: rapid.SampledFrom([]*listing.Table{table, nil}).Draw(t, "of"), Kind: WholeTable}
	case 1:
		rows := rapid.SliceOfN(rowChange(table), 1, 4).Draw(t, "rows")
		return Change{Table: table, Kind: BulkChange, Bulk: envelopeOf(table, rows)}
	default:
		return rowChange(table).Draw(t, "row")
	}
}

// rowChange generates an insert, an update, mostly of few columns, or a delete.
func rowChange(table *listing.Table) *rapid.Generator[Change] {
	return rapid.Custom(func(t *rapid.T) Change {
		old := listingtest.Rows(table, keys(table)).Draw(t, "old")
		switch rapid.IntRange(0, 5).Draw(t, "statement") {
		case 0:
			return changeIn(table, nil, &old, 0)
		case 1:
			return changeIn(table, &old, nil, 0)
		case 2:
			other := listingtest.Rows(table, keys(table)).Draw(t, "new")
			return changeIn(table, &old, &other, 0)
		default:
			edited := merged(&old, edit(t, table, old.Values[table.Key]))
			return changeIn(table, &old, &edited, 0)
		}
	})
}

// edited is what a statement does to one row.
type edited struct {
	of      *listing.Table
	row     listing.Row     // with the row's key
	columns listing.Columns // what an update takes from it
	remove  bool
}

// edit generates values for a few columns of a row.
func edit(t *rapid.T, table *listing.Table, key listing.Value) edited {
	e := edited{of: table, row: listingtest.Rows(table, rapid.Just(key)).Draw(t, "edited")}
	for range rapid.IntRange(1, 2).Draw(t, "columns") {
		e.columns |= listing.ColumnSet(rapid.IntRange(0, len(table.Columns)-1).Draw(t, "column"))
	}
	return e
}

func (e *edited) key() listing.Value { return e.row.Values[e.of.Key] }

// merged returns a row with some columns of another.
func merged(r *listing.Row, e edited) listing.Row {
	m := listing.Row{Values: slices.Clone(r.Values), Nulls: r.Nulls}
	for c := range m.Values {
		if e.columns.Has(c) {
			m.Set(c, e.row.Get(c))
		}
	}
	return m
}

func ExampleIndex() {
	ix := NewIndex(listingtest.Site())
	ix.Set(1, "properties?city=FOLSOM&max_price=500000", listing.Window{})
	ix.Set(2, "properties?city=GALT", listing.Window{})
	ix.Set(3, "properties/17", listing.Window{})

	texts := ix.Affected(&Change{
		Table: listingtest.Properties(),
		Old:   listingtest.Property(17, "city", "FOLSOM", "price", 510_000), HasOld: true,
		New: listingtest.Property(17, "city", "FOLSOM", "price", 500_000), HasNew: true,
		Changed: listing.ColumnSet(listingtest.Properties().Column("price")),
	}, nil)
	slices.Sort(texts)
	for _, text := range texts {
		fmt.Println(text)
	}
	// Output:
	// properties/17
	// properties?city=FOLSOM&max_price=500000
}
