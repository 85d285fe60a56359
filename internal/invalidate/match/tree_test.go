package match

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

func TestOrderedFloats(t *testing.T) {
	t.Parallel()
	c := &listingtest.Properties().Columns[number("latitude")]
	place := func(degrees float64) int64 { return c.Order(listing.Value{Number: listing.FloatNumber(degrees)}) }
	values := []float64{-180, -121.5, -121.49999999999999, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 38.5, 180}
	for i := range len(values) - 1 {
		if place(values[i]) >= place(values[i+1]) {
			t.Errorf("%g comes not before %g", values[i], values[i+1])
		}
	}
	if place(math.Copysign(0, -1)) != place(0) {
		t.Error("the two zeros differ")
	}
	if place(-math.MaxFloat64) <= nullAt {
		t.Error("a value stands where NULL does")
	}
}

// TestPageBehindNull: it reaches over no value any more.
func TestPageBehindNull(t *testing.T) {
	t.Parallel()
	s := spaceOf(listingtest.Properties())
	for _, sort := range []string{"area", "-area"} {
		q := listingtest.Query("properties?sort=" + sort)
		q.After = listing.Some(listing.Key{Key: listing.Value{Number: 5}})
		p := s.pageOf(&q, listing.Window{})
		if got, want := p.reach(&s.orders[p.sort]).span(), (span{nullAt, nullAt}); got != want {
			t.Errorf("%s: %+v, want %+v", sort, got, want)
		}
	}
}

// randomLive makes a live query from up to three random conditions; narrow ones, wide
// ones and one-sided ones.
func randomLive(rng *rand.Rand) *liveQuery {
	s := spaceOf(listingtest.Properties())
	kind := listing.PageKind
	if rng.IntN(5) == 0 {
		kind = listing.SummaryKind
	}
	q := listing.Query{Table: s.table, Kind: kind, Sort: rng.IntN(5), Limit: listing.DefaultLimit}
	for range rng.IntN(4) {
		low := rng.Int64N(100)
		high := low + rng.Int64N(1+rng.Int64N(100))
		bound := func(name string, v int64) {
			q.Filter = append(q.Filter, listing.Condition{Parameter: parameterOf(name), Bound: listing.Value{Number: v}})
		}
		switch rng.IntN(6) {
		case 0:
			bound("min_price", low)
			bound("max_price", high)
		case 1:
			bound("min_price", low)
		case 2:
			bound("max_area", high)
		case 3:
			bound("min_bedrooms", low)
		case 4:
			bound("min_bathrooms", low)
		case 5:
			b := listing.Box{West: float64(-high), East: float64(-low), South: float64(low), North: float64(high)}
			q.Filter = append(q.Filter, listing.Condition{Parameter: parameterOf("bbox"), Box: b})
		}
	}
	var w listing.Window
	if from := rng.Int64N(100); rng.IntN(3) > 0 {
		q.After = listing.Some(listing.Key{Value: listing.Some(listing.Value{Number: from}), Key: listing.Value{Number: 1}})
		end := placeAt(from+rng.Int64N(10), 1)
		if q.Order().Descending {
			end.Value.V = from - rng.Int64N(10)
		}
		w = listing.Window{Bounded: rng.IntN(4) > 0, Last: end, Ahead: end}
	}
	return newLiveQuery(&q, newFilter(s, q.Filter, q.Filter.String(s.table)), 0, q.String(), w)
}

// parameterOf returns the number of a parameter of properties.
func parameterOf(name string) int {
	return slices.IndexFunc(listingtest.Properties().Parameters, func(p description.Parameter) bool { return p.Name == name })
}

func randomPoint(rng *rand.Rand) *point {
	var p point
	for d, c := range spaceOf(listingtest.Properties()).dimensions {
		v := rng.Int64N(110)
		switch c.Name {
		case "latitude":
			v = listing.FloatNumber(float64(v))
		case "longitude":
			v = listing.FloatNumber(-float64(v))
		}
		if p.at[d] = v; rng.IntN(8) == 0 {
			p.at[d] = nullAt
		}
	}
	return &p
}

// TestTree: after many insertions and removals, in any order, a probe finds exactly the
// queries in whose box its point lies; in one leaf and in many.
func TestTree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		size := rapid.IntRange(1, 1500).Draw(t, "size")
		root := newTree(rapid.SampledFrom([]int{16, 150, leafSize}).Draw(t, "most"))
		var lives []*liveQuery
		for range 3 * size {
			if i := rng.IntN(size); i < len(lives) {
				root.remove(lives[i])
				lives = slices.Delete(lives, i, i+1)
			} else {
				lives = append(lives, randomLive(rng))
				root.insert(lives[len(lives)-1])
			}
		}
		if got := checkTree(t, root); got != len(lives) {
			t.Fatalf("%d queries in the tree, want %d", got, len(lives))
		}
		for range 20 {
			checkProbe(t, root, lives, randomPoint(rng), randomPoint(rng))
		}
	})
}

func checkProbe(t *rapid.T, root *node, lives []*liveQuery, before, after *point) {
	within := func(l *liveQuery, p *point) bool {
		for a := range l.filter.space.axes {
			if s := l.span(a); p.at[a] < s.low || p.at[a] > s.high {
				return false
			}
		}
		return true
	}
	for _, p := range []probe{{before: before, after: before}, {before: before, after: after}} {
		p.stab(root)
		found := map[*liveQuery]candidate{}
		for _, c := range p.found {
			if _, twice := found[c.live()]; twice {
				t.Fatal("found twice")
			}
			found[c.live()] = c
		}
		for _, l := range lives {
			got, there := found[l]
			before, after := within(l, p.before), within(l, p.after)
			if got.before != before || got.after != after || there != (before || after) {
				t.Fatalf("%+v to %+v, in the box of %s: got %v %v, want %v %v", p.before, p.after, l.filter.text, got.before, got.after, before, after)
			}
			delete(found, l)
		}
		if len(found) > 0 {
			t.Fatalf("%d queries found that are not there", len(found))
		}
	}
}

// TestCostDoesNotGrow: among 10,000 live queries a change compares hardly more boxes than it
// touches queries, and reads some words of bitmaps to know which.
func TestCostDoesNotGrow(t *testing.T) {
	t.Parallel()
	newest := []string{"newest"}
	for name, m := range map[string]mix{
		"cities": {10_000, 30_000, 100, 3, 40, newest},
		"pages":  {10_000, 5_000, 1, 1000, 40, newest},
		"ranges": {10_000, 5_000, 10, 3, 8, newest},
	} {
		w := newWorkload(m)
		ix := w.index()
		const changes = 300
		var touched, boxes, words float64
		for range changes {
			c := w.edit()
			touched += float64(len(ix.Affected(&c, nil))) / changes
			b, w := lookedAt(ix, &c.Old)
			boxes += float64(b) / changes
			words += float64(w) / changes
		}
		t.Logf("%s: %.1f boxes, %.0f words for %.1f queries", name, boxes, words, touched)
		if most := 5 + 2*touched; boxes > most {
			t.Errorf("%s: a change compares with %.0f boxes, want at most %.0f", name, boxes, most)
		}
		if most := 200.0; words > most {
			t.Errorf("%s: a change reads %.0f words of bitmaps, want at most %.0f", name, words, most)
		}
	}
}

// lookedAt counts the boxes that a probe with the row compares with, and the words of
// bitmaps that it reads.
func lookedAt(ix *Index, r *listing.Row) (boxes, read int) {
	t := &ix.tables[listingtest.Properties().Number]
	var at point
	t.locate(&at, r)
	for _, s := range t.shapes {
		name, ok := t.appendBucket(nil, s.shape, r, true)
		if !ok {
			continue
		}
		p := probe{before: &at, after: &at}
		p.walk(t.buckets[string(name)])
		for i := range p.visits {
			v := &p.visits[i]
			p.fetchBitmaps(v)
			p.intersect(v)
			read += v.width * words(len(v.queries))
		}
		boxes += len(p.found)
	}
	return boxes, read
}

// TestManyValues: a filter whose lists would take too many buckets is held to
// them all the same.
func TestManyValues(t *testing.T) {
	t.Parallel()
	var cities []string
	for c := range 20 {
		cities = append(cities, cityName(c))
	}
	slices.Sort(cities)
	text := "properties?city=" + strings.Join(cities, ",") + "&property_type=Condo,Residential&status=for_sale,pending"
	ix := NewIndex(listingtest.Site())
	ix.Set(1, text, listing.Window{})
	if ix.Unparsable() > 0 {
		t.Fatal("the query does not parse")
	}
	row := func(city, propertyType, status string) *listing.Row {
		r := listingtest.Property(1, "city", city, "property_type", propertyType, "status", status)
		return &r
	}
	for _, test := range []struct {
		old, new *listing.Row
		want     int
	}{
		{nil, row("CITY_7", "Condo", "pending"), 1},
		{nil, row("CITY_7", "Condo", "sold"), 0},
		{nil, row("CITY_7", "Farm", "pending"), 0},
		{nil, row("CITY_77", "Condo", "pending"), 0},
		{row("CITY_7", "Condo", "pending"), row("CITY_7", "Farm", "pending"), 1},
		{row("CITY_7", "Farm", "pending"), row("CITY_7", "Condo", "pending"), 1},
		{row("CITY_7", "Farm", "pending"), row("CITY_8", "Farm", "pending"), 0},
		{row("CITY_7", "Condo", "pending"), row("CITY_8", "Condo", "pending"), 1},
		{row("CITY_77", "Condo", "pending"), row("CITY_8", "Condo", "pending"), 1},
	} {
		c := changeOf(test.old, test.new)
		if got := ix.Affected(&c, nil); len(got) != test.want {
			t.Errorf("%+v -> %+v: %q, want %d", test.old, test.new, got, test.want)
		}
	}
	ix.Remove(text)
	if of := &ix.tables[0]; ix.Len() != 0 || len(of.buckets) != 0 || len(of.shapes) != 0 {
		t.Errorf("the index keeps %d buckets", len(of.buckets))
	}
}

// TestTreeStaysLow: also when pages come in the order of their windows, and go.
func TestTreeStaysLow(t *testing.T) {
	t.Parallel()
	const n = 20_000
	root := newTree(64)
	var lives []*liveQuery
	s := spaceOf(listingtest.Properties())
	f := newFilter(s, nil, "")
	for i := range int64(n) {
		q := listing.Query{Table: s.table, Sort: orderOf("price"), Limit: 1}
		q.After = listing.Some(listing.Key{Value: listing.Some(listing.Value{Number: 10 * i})})
		end := placeAt(10*i+9, 0)
		l := newLiveQuery(&q, f, i, "", upTo(end, end))
		lives = append(lives, l)
		root.insert(l)
	}
	const most = 24 // 1.5 x log2(n), and some
	if got := height(root); got > most {
		t.Errorf("%d pages stand %d high, want at most %d", n, got, most)
	}
	for _, l := range lives[:n-100] {
		root.remove(l)
	}
	if got := height(root); got > 12 {
		t.Errorf("100 pages that are left stand %d high", got)
	}
}

func height(n *node) (h int) {
	if n == nil {
		return 0
	}
	for _, part := range n.parts {
		h = max(h, height(part))
	}
	return h + 1
}
