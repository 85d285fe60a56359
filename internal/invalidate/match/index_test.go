package match

import (
	"fmt"
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
		var ix Index
		live := map[string]registered{}
		known := []string{}
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				q := query(t)
				r := registered{rapid.Int64Range(0, 9).Draw(t, "number"), q, window(t, &q), true}
				register(&ix, live, q.String(), r)
				known = append(known, q.String())
			},
			"register many": func(t *rapid.T) {
				for range 12 {
					q := query(t)
					register(&ix, live, q.String(), registered{9, q, window(t, &q), true})
				}
			},
			"register again": func(t *rapid.T) {
				if len(known) == 0 {
					t.Skip("nothing known")
				}
				text := rapid.SampledFrom(known).Draw(t, "text")
				q, err := listing.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				register(&ix, live, text, registered{rapid.Int64Range(0, 9).Draw(t, "number"), q, window(t, &q), true})
			},
			"register what nobody knows": func(t *rapid.T) {
				text := "properties?basement=" + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")
				register(&ix, live, text, registered{number: 1})
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
				if rapid.IntRange(0, 20).Draw(t, "really") == 0 {
					ix.Reset()
					clear(live)
				}
			},
			"change": func(t *rapid.T) {
				c := change().Draw(t, "change")
				var want []string
				for text, r := range live {
					if !r.good || Affects(&r.query, r.window, &c) {
						want = append(want, text)
					}
				}
				got := ix.Affected(&c, nil)
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("affected by %+v:\n got %q\nwant %q", c, got, want)
				}
			},
			"": func(t *rapid.T) {
				if ix.Len() != len(live) {
					t.Fatalf("Len() = %d, want %d", ix.Len(), len(live))
				}
				checkIndex(t, &ix)
			},
		})
	})
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
	uses := 0
	for text, s := range ix.filters {
		if s.uses <= 0 || s.String() != text {
			t.Fatalf("filter %q: %d uses of %q", text, s.uses, s.String())
		}
		uses += s.uses
	}
	if uses != len(ix.lists) {
		t.Fatalf("filters have %d uses, want %d", uses, len(ix.lists))
	}
	var shapes [shapeCount]int
	for b, n := range ix.buckets {
		if n.size == 0 {
			t.Fatalf("bucket %+v is empty", b)
		}
		shapes[b.shape] += checkTree(t, n)
	}
	if shapes != ix.shapes {
		t.Fatalf("shapes = %v, want %v", ix.shapes, shapes)
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

func ids() *rapid.Generator[int64] { return rapid.Int64Range(-1, 8) }

// query generates a query; those of one property are of one that changes name.
func query(t *rapid.T) listing.Query {
	q := listingtest.Query(ids()).Draw(t, "query")
	if q.Kind == listing.PropertyKind {
		q.ID = rapid.Int64Range(1, 8).Draw(t, "id")
	}
	return q
}

func window(t *rapid.T, q *listing.Query) listing.Window {
	if q.Kind != listing.PageKind {
		return listing.Window{}
	}
	return listingtest.Window(q.Sort, ids()).Draw(t, "window")
}

// change generates a change of one row or, now and then, of many.
func change() *rapid.Generator[Change] {
	return rapid.Custom(func(t *rapid.T) Change {
		switch rapid.IntRange(0, 19).Draw(t, "kind") {
		case 0:
			return Change{Kind: WholeTable}
		case 1:
			return Change{Kind: BulkChange, Bulk: envelopeOf(rapid.SliceOfN(rowChange(), 1, 4).Draw(t, "rows"))}
		default:
			return rowChange().Draw(t, "row")
		}
	})
}

// rowChange generates an insert, an update, mostly of few columns, or a delete.
func rowChange() *rapid.Generator[Change] {
	return rapid.Custom(func(t *rapid.T) Change {
		old := listingtest.Row(ids()).Draw(t, "old")
		switch rapid.IntRange(0, 5).Draw(t, "statement") {
		case 0:
			return Change{New: old, HasNew: true, Changed: listing.AllColumns}
		case 1:
			return Change{Old: old, HasOld: true, Changed: listing.AllColumns}
		case 2:
			return update(old, listingtest.Row(ids()).Draw(t, "new"), hidden(t))
		default:
			other := listingtest.Row(rapid.Just(old.ID)).Draw(t, "new")
			return update(old, edit(t, old, other), hidden(t))
		}
	})
}

// edit returns the row with one column of the other.
func edit(t *rapid.T, r, other listing.Row) listing.Row {
	switch rapid.IntRange(0, 9).Draw(t, "column") {
	case 0:
		r.City = other.City
	case 1:
		r.Price = other.Price
	case 2:
		r.LivingArea = other.LivingArea
	case 3:
		r.Bedrooms = other.Bedrooms
	case 4:
		r.Latitude = other.Latitude
	case 5:
		r.CreatedAt = other.CreatedAt
	case 6:
		r.PostalCode = other.PostalCode
	case 7:
		r.PropertyType = other.PropertyType
	case 8:
		r.Status = other.Status
	}
	return r
}

// hidden generates a set of the columns whose values a change does not carry.
func hidden(t *rapid.T) listing.Columns {
	return rapid.SampledFrom([]listing.Columns{
		0,
		listing.ColumnSet(listing.UpdatedAt),
		listing.ColumnSet(listing.Description),
		listing.ColumnSet(listing.Title, listing.UpdatedAt),
	}).Draw(t, "hidden")
}

// update is the change that an UPDATE of a row makes.
func update(old, new listing.Row, hidden listing.Columns) Change {
	return Change{Old: old, New: new, HasOld: true, HasNew: true, Changed: differing(&old, &new) | hidden}
}

func differing(a, b *listing.Row) (s listing.Columns) {
	add := func(c listing.Column, same bool) {
		if !same {
			s |= listing.ColumnSet(c)
		}
	}
	add(listing.ID, a.ID == b.ID)
	add(listing.PropertyType, a.PropertyType == b.PropertyType)
	add(listing.Status, a.Status == b.Status)
	add(listing.Price, a.Price == b.Price)
	add(listing.City, a.City == b.City)
	add(listing.PostalCode, a.PostalCode == b.PostalCode)
	add(listing.Bedrooms, a.Bedrooms == b.Bedrooms)
	add(listing.Bathrooms, a.Bathrooms == b.Bathrooms)
	add(listing.LivingArea, a.LivingArea == b.LivingArea)
	add(listing.Latitude, a.Latitude == b.Latitude)
	add(listing.Longitude, a.Longitude == b.Longitude)
	add(listing.CreatedAt, a.CreatedAt == b.CreatedAt)
	return s
}

// envelopeOf returns the envelope of the changes of one statement.
func envelopeOf(changes []Change) *Envelope {
	var e Envelope
	for i := range changes {
		c := &changes[i]
		e.Changed |= c.Changed
		if c.HasOld {
			e.take(&c.Old)
		}
		if c.HasNew {
			e.take(&c.New)
		}
	}
	return &e
}

func (e *Envelope) take(r *listing.Row) {
	stretch(&e.ID, r.ID)
	stretch(&e.Price, r.Price)
	stretch(&e.CreatedAt, r.CreatedAt)
	stretchNull(e, &e.Bedrooms, listing.Bedrooms, r.Bedrooms)
	stretchNull(e, &e.Bathrooms, listing.Bathrooms, r.Bathrooms)
	stretchNull(e, &e.LivingArea, listing.LivingArea, r.LivingArea)
	stretchNull(e, &e.Latitude, listing.Latitude, placed(r.Latitude))
	stretchNull(e, &e.Longitude, listing.Longitude, placed(r.Longitude))
	e.City.Values = append(e.City.Values, r.City)
	e.PropertyType.Values = append(e.PropertyType.Values, r.PropertyType)
	e.Status.Values = append(e.Status.Values, r.Status)
	if r.PostalCode.Valid {
		e.PostalCode.Values = append(e.PostalCode.Values, r.PostalCode.V)
	} else {
		e.Nulls |= listing.ColumnSet(listing.PostalCode)
	}
}

func placed(v listing.Null[float64]) listing.Null[int64] {
	return listing.Null[int64]{V: listing.PlaceOf(v.V), Valid: v.Valid}
}

func stretch[T int16 | int32 | int64 | listing.Micros](r *Range[T], v T) {
	if !r.Valid {
		*r = Range[T]{Min: v, Max: v, Valid: true}
	}
	r.Min, r.Max = min(r.Min, v), max(r.Max, v)
}

func stretchNull[T int16 | int32 | int64](e *Envelope, r *Range[T], c listing.Column, v listing.Null[T]) {
	if v.Valid {
		stretch(r, v.V)
	} else {
		e.Nulls |= listing.ColumnSet(c)
	}
}

func ExampleIndex() {
	var ix Index
	ix.Set(1, "properties?city=FOLSOM&max_price=500000", listing.Window{})
	ix.Set(2, "properties?city=GALT", listing.Window{})
	ix.Set(3, "properties/17", listing.Window{})

	old := listing.Row{ID: 17, City: "FOLSOM", Price: 510_000_00}
	cheaper := old
	cheaper.Price = 500_000_00
	texts := ix.Affected(&Change{
		Old: old, HasOld: true,
		New: cheaper, HasNew: true,
		Changed: listing.ColumnSet(listing.Price),
	}, nil)
	slices.Sort(texts)
	for _, text := range texts {
		fmt.Println(text)
	}
	// Output:
	// properties/17
	// properties?city=FOLSOM&max_price=500000
}
