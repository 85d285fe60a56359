package match

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// mix is a load: live queries, city x price range x bedrooms x pages, over a
// table of listings.
type mix struct {
	queries, rows, cities int
	pages                 int // of each list, at most
	width                 int // of a price range, at most, in 10,000
	sorts                 []string
}

// workload is a mix made: queries with the windows that their answers have, and
// edits of single rows.
type workload struct {
	mix
	rng    *rand.Rand
	table  []listing.Row
	byCity [][]listing.Row
	live   []queryWithWindow
}

type queryWithWindow struct {
	text   string
	window listing.Window
}

func newWorkload(m mix) *workload {
	w := &workload{mix: m, rng: rand.New(rand.NewPCG(1, 2)), byCity: make([][]listing.Row, m.cities)}
	id, price, bedrooms, area, created := number("id"), number("price"), number("bedrooms"), number("living_area"), number("created_at")
	city, propertyType, status := number("city"), number("property_type"), number("status")
	optional := columns("postal_code", "bathrooms", "latitude", "longitude")
	var cities []string
	for c := range m.cities {
		cities = append(cities, cityName(c))
	}
	for i := range m.rows {
		c := w.city()
		r := listingtest.Properties().NewRow()
		r.Nulls = optional
		set := func(column int, number int64) { r.Set(column, listing.Some(listing.Value{Number: number})) }
		set(id, int64(i+1))
		set(price, int64(100_000+w.rng.IntN(900_000))*100)
		set(bedrooms, int64(1+w.rng.IntN(6)))
		set(area, int64(500+w.rng.IntN(4000)))
		set(created, 1_210_809_600_000_000+int64(i)*420_000_000)
		r.Values[city].Text, r.Values[propertyType].Text, r.Values[status].Text = cities[c], "Residential", "for_sale"
		w.table = append(w.table, r)
		w.byCity[c] = append(w.byCity[c], r)
	}
	for c := range m.cities {
		w.addCity(c, m.queries*(c+1)/m.cities)
	}
	return w
}

func cityName(c int) string { return fmt.Sprintf("CITY_%d", c) }

// city draws a city: a few have most of the rows, as in real listings.
func (w *workload) city() int {
	f := w.rng.Float64()
	return int(float64(w.cities) * f * f)
}

// addCity adds queries until there are so many.
func (w *workload) addCity(c, enough int) {
	seen := map[string]bool{}
	for len(w.live) < enough {
		low := 100_000 + w.rng.IntN(900)*1_000
		text := fmt.Sprintf("properties?city=%s&min_price=%d&max_price=%d", cityName(c), low, low+(1+w.rng.IntN(w.width))*10_000)
		if w.rng.IntN(2) == 0 {
			text += fmt.Sprintf("&min_bedrooms=%d", 1+w.rng.IntN(5))
		}
		q := listingtest.Query(text)
		q.Sort = orderOf(w.sorts[w.rng.IntN(len(w.sorts))])
		if !seen[q.String()] {
			seen[q.String()] = true
			w.addPages(q, w.byCity[c], min(w.pages, enough-len(w.live)))
		}
	}
}

func (w *workload) addPages(q listing.Query, rows []listing.Row, pages int) {
	type placed struct {
		listing.Place
		listing.Key
	}
	var found []placed
	for i := range rows {
		if q.Filter.Match(q.Table, &rows[i]) {
			key := q.Table.KeyOf(q.Sort, &rows[i])
			found = append(found, placed{q.Table.PlaceOf(q.Sort, key), key})
		}
	}
	slices.SortFunc(found, func(a, b placed) int { return q.Table.Compare(q.Sort, a.Place, b.Place) })
	for p := range pages {
		end := (p + 1) * q.Limit
		if end >= len(found) {
			w.live = append(w.live, queryWithWindow{q.String(), listing.Window{}})
			return
		}
		w.live = append(w.live, queryWithWindow{q.String(), upTo(found[end-1].Place, found[end].Place)})
		q.After = listing.Some(found[end-1].Key)
	}
}

func (w *workload) index() *Index {
	ix := NewIndex(listingtest.Site())
	for i, q := range w.live {
		ix.Set(int64(i), q.text, q.window)
	}
	return ix
}

// edit changes the price of a row, or its city or its title.
func (w *workload) edit() Change {
	old := w.table[w.rng.IntN(len(w.table))]
	edited := listing.Row{Values: slices.Clone(old.Values), Nulls: old.Nulls}
	switch w.rng.IntN(4) {
	case 0:
		return changeOf(&old, &edited, "title")
	case 1:
		edited.Values[number("city")].Text = cityName(w.city())
	default:
		edited.Values[number("price")].Number += int64(w.rng.IntN(20_000)-10_000) * 100
	}
	return changeOf(&old, &edited)
}

// edits returns changes that touch from 1 to 20 queries, as many of each number:
// so indexes of different size are asked for as much.
func (w *workload) edits(b *testing.B, ix *Index) []Change {
	const each, most = 50, 20
	var edits []Change
	var have [most + 1]int
	for tries := 0; len(edits) < each*most; tries++ {
		c := w.edit()
		n := len(ix.Affected(&c, nil))
		if n >= 1 && n <= most && have[n] < each {
			have[n]++
			edits = append(edits, c)
		}
		if tries == 1_000_000 {
			b.Fatalf("too few edits touch so many queries: %v", have)
		}
	}
	return edits
}

// mixes are four ways to have a hundred times the live queries, with as many that
// a change touches.
func mixes() map[string]mix {
	newest := []string{"newest"}
	all := []string{"newest", "price", "-price", "area", "-area"}
	return map[string]mix{
		"cities/1k":     {1_000, 3_000, 10, 3, 40, newest}, // more cities, each with as many queries
		"cities/100k":   {100_000, 300_000, 1_000, 3, 40, newest},
		"pages/1k":      {1_000, 4_000, 4, 2, 40, newest}, // as many lists, more pages of each
		"pages/100k":    {100_000, 100_000, 4, 1_000, 40, newest},
		"ranges/1k":     {1_000, 1_200, 4, 5, 80, newest}, // more price ranges, each narrower
		"ranges/100k":   {100_000, 100_000, 40, 5, 20, newest},
		"sortings/1k":   {1_000, 1_200, 4, 5, 80, all},
		"sortings/100k": {100_000, 100_000, 40, 5, 20, all},
	}
}

// BenchmarkAffected measures one change of one row, on indexes that differ in
// size but not in how many queries a change touches.
func BenchmarkAffected(b *testing.B) {
	for _, name := range []string{"cities", "pages", "ranges", "sortings"} {
		for _, size := range []string{"1k", "100k"} {
			b.Run(name+"/"+size, func(b *testing.B) {
				w := newWorkload(mixes()[name+"/"+size])
				ix := w.index()
				edits := w.edits(b, ix)
				var texts []string
				touched, i := 0, 0
				b.ReportAllocs()
				for b.Loop() {
					texts = ix.Affected(&edits[i%len(edits)], texts[:0])
					touched += len(texts)
					i++
				}
				b.ReportMetric(float64(touched)/float64(b.N), "touched/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
			})
		}
	}
}

// BenchmarkSet measures a query that is filled again: its window goes wide and
// narrow.
func BenchmarkSet(b *testing.B) {
	w := newWorkload(mixes()["ranges/100k"])
	ix := w.index()
	number := int64(len(w.live))
	b.ReportAllocs()
	for b.Loop() {
		q := w.live[w.rng.IntN(len(w.live))]
		ix.Set(number, q.text, listing.Window{})
		ix.Set(number+1, q.text, q.window)
		number += 2
	}
}

// BenchmarkLoad measures a start with very many live queries, all at once and one by one, and their
// memory.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m := mixes()["ranges/100k"]
			m.cities *= size / m.queries
			m.queries, m.rows = size, size
			w := newWorkload(m)
			b.Run("at once", func(b *testing.B) { w.load(b, (*Index).Defer) })
			b.Run("one by one", func(b *testing.B) { w.load(b, func(*Index) {}) })
		})
	}
}

func (w *workload) load(b *testing.B, prepare func(*Index)) {
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		ix := NewIndex(listingtest.Site())
		prepare(ix)
		for i, q := range w.live {
			ix.Set(int64(i), string([]byte(q.text)), q.window)
		}
		ix.Build()
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(ix.Len()), "bytes/query")
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(w.live)), "us/query")
}
