package match

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// modelIDs is how many rows the table of a model can have.
const modelIDs = 8

// histories generates histories.
func histories() *rapid.Generator[history] {
	return rapid.Custom(func(t *rapid.T) (h history) {
		for id := range rapid.Int64Range(0, modelIDs).Draw(t, "rows") {
			p := modelProperty(t)
			p.ID = id + 1
			h.rows = append(h.rows, p)
		}
		for range rapid.IntRange(1, 6).Draw(t, "queries") {
			h.queries = append(h.queries, modelQuery(t))
		}
		h.steps = rapid.SliceOfN(rapid.Custom(modelStep), 10, 120).Draw(t, "steps")
		return h
	})
}

func modelStep(t *rapid.T) step {
	s := step{
		do: rapid.SampledFrom([]string{
			"get", "get", "get", "get", "read", "fill", "edit", "edit", "edit", "undo", "drain", "drain", "bulk", "truncate",
		}).Draw(t, "do"),
		chosen: rapid.IntRange(0, 5).Draw(t, "chosen"),
	}
	switch s.do {
	case "edit":
		s.edits = rapid.SliceOfN(rapid.Custom(modelEdit), 1, 2).Draw(t, "edits")
	case "bulk":
		s.edits = rapid.SliceOfN(rapid.Custom(modelEdit), 2, 4).Draw(t, "edits")
	case "truncate":
		if s.chosen > 0 {
			s.do = "drain"
		}
	}
	return s
}

// modelQuery draws a query; half of the pages have a filter that most rows match.
func modelQuery(t *rapid.T) listing.Query {
	q := query(t)
	if q.Kind == listing.PageKind && rapid.Bool().Draw(t, "plain") {
		q.Filter = listing.Filter{City: q.Filter.City, MaxPrice: q.Filter.MaxPrice}
	}
	if q.Filter.Text != "" {
		q.Filter.Text = "pool"
	}
	q.Limit = rapid.IntRange(1, 3).Draw(t, "limit")
	return q
}

func modelProperty(t *rapid.T) listing.Property {
	return listing.Property{
		Row:         listingtest.Row(rapid.Int64Range(1, modelIDs)).Draw(t, "row"),
		Title:       rapid.SampledFrom([]string{"home", "pool"}).Draw(t, "title"),
		Description: rapid.SampledFrom([]string{"small", "with a pool"}).Draw(t, "description"),
		UpdatedAt:   listingtest.StoredInstant().Draw(t, "updated_at"),
	}
}

func modelEdit(t *rapid.T) edited {
	columns := listing.AllColumns
	if rapid.IntRange(0, 4).Draw(t, "all columns") > 0 {
		columns = listing.ColumnSet(listing.Column(rapid.IntRange(1, int(listing.UpdatedAt)).Draw(t, "column")))
	}
	return edited{modelProperty(t), columns, rapid.IntRange(0, 4).Draw(t, "remove") == 0}
}

// TestNothingStale: after every change has been applied, each cached answer is
// what the table says.
func TestNothingStale(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for range 5 {
			if err := newModel(mutant{}).run(histories().Draw(t, "history")); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestMutantsAreFoundOut: with a guard switched off, the same histories leave
// something stale.
func TestMutantsAreFoundOut(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mutant{
		"a page filled again keeps its old window": {oldWindow: true},
		"the row ahead is ignored":                 {ignoreAhead: true},
		"changes of one row are merged":            {merge: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 3000
			histories := histories()
			for seed := range most {
				if err := newModel(m).run(histories.Example(seed)); err != nil {
					t.Logf("after %d histories: %.200s", seed, err)
					return
				}
			}
			t.Errorf("nothing stale in %d histories", most)
		})
	}
}

// TestFewRemovalsAreNeedless: in the load that the cache is made for (city x price
// range x bedrooms x pages, edits of one price, title or city), at most one
// removal in twenty takes away what the table still says; and nothing is stale.
func TestFewRemovalsAreNeedless(t *testing.T) {
	t.Parallel()
	w := newWorkload(mix{rows: 500, cities: 8})
	m := newModel(mutant{})
	for _, r := range w.table {
		m.table[r.ID] = &listing.Property{Row: r, Title: "home"}
	}
	var queries []listing.Query
	for c := range 8 {
		for _, price := range []int64{300_000_00, 600_000_00, listing.MaxPrice} {
			for _, bedrooms := range []int16{0, 3} {
				q := listing.Query{Limit: listing.DefaultLimit}
				q.Filter = listing.Filter{City: []string{cityName(c)}, MaxPrice: listing.Some(price), MinBedrooms: listing.Some(bedrooms)}
				queries = append(queries, listing.Query{Kind: listing.SummaryKind, Filter: q.Filter})
				for more := true; more && len(queries)%4 != 0; {
					queries = append(queries, q)
					answer := m.table.answer(q)
					q, more = answer.NextQuery()
				}
			}
		}
	}
	for range 60 {
		for _, q := range queries {
			m.read(q)
			m.fill(len(m.filling) - 1)
		}
		c := w.edit()
		old := *m.table[c.Old.ID]
		updated := old
		updated.Price, updated.City = old.Price+c.New.Price-c.Old.Price, c.New.City
		if c.Changed == listing.ColumnSet(listing.Title) {
			updated.Title += "!"
		}
		m.changes = m.update(old, updated)
		m.drain()
		if err := m.check(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d queries, %d removals, %d needless", len(queries), m.removed, m.needless)
	if m.removed < 100 || m.needless*20 > m.removed {
		t.Errorf("%d of %d removals were needless", m.needless, m.removed)
	}
}
