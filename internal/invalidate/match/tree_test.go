package match

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
)

func TestOrderedFloats(t *testing.T) {
	t.Parallel()
	values := []float64{-180, -121.5, -121.49999999999999, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 38.5, 180}
	for i := range len(values) - 1 {
		if listing.PlaceOf(values[i]) >= listing.PlaceOf(values[i+1]) {
			t.Errorf("%g comes not before %g", values[i], values[i+1])
		}
	}
	if listing.PlaceOf(math.Copysign(0, -1)) != listing.PlaceOf(0) {
		t.Error("the two zeros differ")
	}
	if listing.PlaceOf(-math.MaxFloat64) <= nullAt {
		t.Error("a value stands where NULL does")
	}
}

// TestPageBehindNull: it reaches over no value any more.
func TestPageBehindNull(t *testing.T) {
	t.Parallel()
	for _, s := range []listing.Sort{listing.AreaAsc, listing.AreaDesc} {
		p := pageOf(&listing.Query{Sort: s, After: listing.Some(listing.Key{ID: 5})}, listing.Window{})
		if got, want := p.reach().span(), (span{nullAt, nullAt}); got != want {
			t.Errorf("%s: %+v, want %+v", s, got, want)
		}
	}
}

// randomLive makes a live query from up to three random conditions; narrow ones, wide
// ones and one-sided ones.
func randomLive(rng *rand.Rand) *liveQuery {
	q := listing.Query{Sort: listing.Sort(rng.IntN(5)), Limit: listing.DefaultLimit}
	f := &q.Filter
	for range rng.IntN(4) {
		low := rng.Int64N(100)
		high := low + rng.Int64N(1+rng.Int64N(100))
		switch rng.IntN(6) {
		case 0:
			f.MinPrice, f.MaxPrice = listing.Some(low), listing.Some(high)
		case 1:
			f.MinPrice = listing.Some(low)
		case 2:
			f.MaxArea = listing.Some(int32(high))
		case 3:
			f.MinBedrooms = listing.Some(int16(low))
		case 4:
			f.MinBathrooms = listing.Some(int16(low))
		case 5:
			f.Box = listing.Some(listing.Box{West: float64(-high), East: float64(-low), South: float64(low), North: float64(high)})
		}
	}
	l := &liveQuery{hotFields: hotFields{page: pageOf(&q, listing.Window{}), summary: rng.IntN(5) == 0}, filter: &sharedFilter{Filter: *f}}
	if from := rng.Int64N(100); rng.IntN(3) > 0 {
		q.After = listing.Some(listing.Key{Value: listing.Some(from), ID: 1})
		end := listing.Key{Value: listing.Some(from + rng.Int64N(10)), ID: 1}
		if q.Sort.Descending() {
			end.Value.V = from - rng.Int64N(10)
		}
		l.page = pageOf(&q, listing.Window{Bounded: rng.IntN(4) > 0, Last: end, Ahead: end})
	}
	return l
}

func randomPoint(rng *rand.Rand) (p point) {
	for d := range dimensions {
		if p[d] = rng.Int64N(110); rng.IntN(8) == 0 {
			p[d] = nullAt
		}
	}
	p[byLatitude], p[byLongitude] = listing.PlaceOf(float64(p[byLatitude])), listing.PlaceOf(-float64(p[byLongitude]))
	return p
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

func checkProbe(t *rapid.T, root *node, lives []*liveQuery, before, after point) {
	within := func(l *liveQuery, p point) bool {
		for d := range dimensions {
			if s := l.span(d); p[d] < s.low || p[d] > s.high {
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
				t.Fatalf("%+v to %+v, in the box of %s: got %v %v, want %v %v", p.before, p.after, l.filter.String(), got.before, got.after, before, after)
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
	newest := []listing.Sort{listing.Newest}
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
	at := pointOf(r)
	for s := range shape(shapeCount) {
		b, ok := bucketOf(s, r, true)
		if !ok || ix.shapes[s] == 0 {
			continue
		}
		p := probe{before: at, after: at}
		p.walk(ix.buckets[b])
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
	var f listing.Filter
	for c := range 20 {
		f.City = append(f.City, cityName(c))
	}
	slices.Sort(f.City)
	f.PropertyType = []string{"Condo", "Residential"}
	f.Status = []string{"for_sale", "pending"}
	q := listing.Query{Filter: f, Limit: listing.DefaultLimit}
	var ix Index
	ix.Set(1, q.String(), listing.Window{})
	row := func(city, propertyType, status string) *listing.Row {
		return &listing.Row{ID: 1, City: city, PropertyType: propertyType, Status: status}
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
	ix.Remove(q.String())
	if ix.Len() != 0 || len(ix.buckets) != 0 || ix.shapes != [shapeCount]int{} {
		t.Errorf("the index keeps %d buckets", len(ix.buckets))
	}
}

// TestTreeStaysLow: also when pages come in the order of their windows, and go.
func TestTreeStaysLow(t *testing.T) {
	t.Parallel()
	const n = 20_000
	root := newTree(64)
	var lives []*liveQuery
	for i := range int64(n) {
		end := listing.Key{Value: listing.Some(10*i + 9)}
		q := listing.Query{Sort: listing.PriceAsc, After: listing.Some(listing.Key{Value: listing.Some(10 * i)})}
		l := &liveQuery{hotFields: hotFields{page: pageOf(&q, listing.Window{Bounded: true, Last: end, Ahead: end})}, filter: &sharedFilter{Filter: q.Filter}}
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
