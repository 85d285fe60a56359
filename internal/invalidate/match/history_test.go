package match

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// modelIDs is how many rows the table of a model can have.
const modelIDs = 8

// modelKeys generates the keys of its rows.
func modelKeys(table *listing.Table) *rapid.Generator[listing.Value] {
	if table.KeyColumn().Form == listing.Whole {
		return listingtest.IDs(rapid.Int64Range(1, modelIDs))
	}
	return listingtest.RowKeys(table)
}

// histories generates histories of the answers of a table, and of all tables whose rows they show.
func histories(table *listing.Table) *rapid.Generator[history] { return historiesOf(table, modelQuery) }

// searches generates histories of pages, and a few summaries, with a condition that only PostgreSQL can judge.
func searches(table *listing.Table) *rapid.Generator[history] { return historiesOf(table, modelSearch) }

func historiesOf(table *listing.Table, query func(*rapid.T, *listing.Table) listing.Query) *rapid.Generator[history] {
	return rapid.Custom(func(t *rapid.T) history {
		h := history{site: table.Site}
		for _, of := range involved(table) {
			for _, r := range rapid.SliceOfN(listingtest.Rows(of, modelKeys(of)), 0, modelIDs).Draw(t, "rows") {
				h.rows = append(h.rows, edited{of: of, row: r})
			}
		}
		for range rapid.IntRange(1, 6).Draw(t, "queries") {
			h.queries = append(h.queries, query(t, table))
		}
		h.steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step { return modelStep(t, table) }), 10, 120).Draw(t, "steps")
		return h
	})
}

// involved returns a table and those whose rows its answers show.
func involved(table *listing.Table) []*listing.Table {
	all := []*listing.Table{table}
	for i := range table.Joins {
		if other := table.Joins[i].Inner; !slices.Contains(all, other) {
			all = append(all, other)
		}
	}
	return all
}

func modelStep(t *rapid.T, table *listing.Table) step {
	s := step{
		do: rapid.SampledFrom([]string{
			"get", "get", "get", "get", "read", "fill", "edit", "edit", "edit", "undo", "keys", "drain", "drain", "bulk", "truncate",
		}).Draw(t, "do"),
		chosen: rapid.IntRange(0, 5).Draw(t, "chosen"),
	}
	edits := rapid.Custom(func(t *rapid.T) edited {
		return modelEdit(t, rapid.SampledFrom(involved(table)).Draw(t, "of"))
	})
	switch s.do {
	case "edit":
		s.edits = rapid.SliceOfN(edits, 1, 2).Draw(t, "edits")
	case "keys":
		s.edits = rapid.SliceOfN(edits, 2, 2).Draw(t, "edits")
	case "bulk":
		s.edits = rapid.SliceOfN(edits, 2, 4).Draw(t, "edits")
	case "truncate":
		s.edits = []edited{edits.Draw(t, "of")}
		if s.chosen > 0 {
			s.do = "drain"
		}
	}
	return s
}

// modelQuery draws a query; half of the pages have a filter that most rows match.
func modelQuery(t *rapid.T, table *listing.Table) listing.Query {
	q := listingtest.Queries(table, modelKeys(table)).Draw(t, "query")
	if q.Kind == listing.PageKind && rapid.Bool().Draw(t, "plain") {
		most := rapid.IntRange(0, 1).Draw(t, "conditions")
		q.Filter = q.Filter[:min(most, len(q.Filter))]
	}
	for i := range q.Filter {
		if table.Parameters[q.Filter[i].Parameter].Kind == description.Words {
			q.Filter[i].Text = "re" // in red and green
		}
	}
	q.Limit = rapid.IntRange(1, 3).Draw(t, "limit")
	return q
}

// modelSearch draws a page, or a summary, with a condition that only PostgreSQL can judge, and at most one
// other.
func modelSearch(t *rapid.T, table *listing.Table) listing.Query {
	q := listingtest.Pages(table, modelKeys(table)).Draw(t, "page")
	if rapid.IntRange(0, 4).Draw(t, "summary") == 0 {
		q = listing.Query{Table: table, Kind: listing.SummaryKind, Filter: q.Filter}
	}
	var wide []listing.Condition
	for i := range table.Parameters {
		switch p := &table.Parameters[i]; {
		case !p.Wide:
		case p.Kind == description.Words:
			wide = append(wide, listing.Condition{Parameter: i, Text: "re"}) // in red and green
		case p.Kind == description.AnyOf:
			values := []listing.Value{listingtest.Values(table, p.Column).Draw(t, "value")}
			wide = append(wide, listing.Condition{Parameter: i, Values: values})
		}
	}
	c := rapid.SampledFrom(wide).Draw(t, "wide")
	others := slices.DeleteFunc(q.Filter, func(o listing.Condition) bool { return table.Parameters[o.Parameter].Wide })
	others = others[:min(len(others), rapid.IntRange(0, 1).Draw(t, "others"))]
	q.Filter = append(listing.Filter{c}, others...)
	slices.SortFunc(q.Filter, func(a, b listing.Condition) int { return a.Parameter - b.Parameter })
	if q.Kind == listing.PageKind {
		q.Limit = rapid.IntRange(1, 3).Draw(t, "limit")
	}
	return q
}

func modelEdit(t *rapid.T, table *listing.Table) edited {
	key := modelKeys(table).Draw(t, "key")
	e := edit(t, table, key)
	if rapid.IntRange(0, 4).Draw(t, "all columns") == 0 {
		e.columns = table.AllColumns()
	}
	e.columns &^= listing.ColumnSet(table.Key)
	e.remove = rapid.IntRange(0, 4).Draw(t, "remove") == 0
	return e
}

// modelTables are the tables that histories happen to.
func modelTables() []*listing.Table {
	return append([]*listing.Table{listingtest.Properties(), listingtest.Every(), listingtest.ByUUID()}, listingtest.JoinedSite().Tables...)
}

// TestNothingStale: after every change has been applied, each cached answer is
// what the table says.
func TestNothingStale(t *testing.T) {
	t.Parallel()
	for _, table := range modelTables() {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				for range 5 {
					if err := run(histories(table).Draw(t, "history"), mutant{}); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// TestNoSearchIsStale: the same of answers with a condition that only PostgreSQL can judge, which have more ways
// to be wrong.
func TestNoSearchIsStale(t *testing.T) {
	t.Parallel()
	for _, table := range []*listing.Table{listingtest.Properties(), listingtest.Every()} {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				for range 5 {
					if err := run(searches(table).Draw(t, "history"), mutant{}); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// TestMutantsAreFoundOut: with a guard switched off, the same histories leave
// something stale.
func TestMutantsAreFoundOut(t *testing.T) {
	t.Parallel()
	properties, homes := listingtest.Properties(), listingtest.Homes()
	for name, test := range map[string]struct {
		histories *rapid.Generator[history]
		mutant
	}{
		"a page filled again keeps its old window":     {histories(properties), mutant{oldWindow: true}},
		"the row ahead is ignored":                     {histories(properties), mutant{ignoreAhead: true}},
		"changes of one row are merged":                {histories(properties), mutant{merge: true}},
		"changes of one inner or outer row are merged": {histories(homes), mutant{merge: true}},
		"covers are what was found":                    {histories(homes), mutant{foundKeys: true}},
		"a search filled again keeps its old rows":     {searches(properties), mutant{oldShown: true}},
		"changes of one row of a search are merged":    {searches(properties), mutant{merge: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 3000
			for seed := range most {
				if err := run(test.histories.Example(seed), test.mutant); err != nil {
					t.Logf("after %d histories: %.200s", seed, err)
					return
				}
			}
			t.Errorf("nothing stale in %d histories", most)
		})
	}
}

// TestAnswerReadAgain: what an earlier answer looked for says nothing of the one that is being
// read. A home gets another agent, whose name changes while the home is read again.
func TestAnswerReadAgain(t *testing.T) {
	t.Parallel()
	homes, agents := listingtest.Homes(), listingtest.JoinedSite().Table("agents")
	home := func(agent string) edited {
		r := listingtest.Row(homes, "id", 1, "title", "A", "price", nil, "notes", nil, "agent", agent, "seller", nil, "next_to", nil)
		return edited{of: homes, row: r, columns: listing.ColumnSet(homes.Column("agent"))}
	}
	agent := func(code, name string) edited {
		r := listingtest.Row(agents, "code", code, "name", name, "phone", nil, "office", nil)
		return edited{of: agents, row: r, columns: listing.ColumnSet(agents.Column("name"))}
	}
	h := history{
		site: homes.Site,
		rows: []edited{home("a"), agent("a", "Ann"), agent("b", "Bob")},
		steps: []step{
			{do: "get"},
			{do: "edit", edits: []edited{home("b")}},
			{do: "drain"},
			{do: "read"},
			{do: "edit", edits: []edited{agent("b", "Ben")}},
			{do: "drain"},
			{do: "fill"},
		},
	}
	for _, text := range []string{"homes/1", "homes"} {
		q, err := homes.Site.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		h.queries = []listing.Query{q}
		if err := run(h, mutant{}); err != nil {
			t.Error(err)
		}
		if err := run(h, mutant{oldCovers: true}); !errors.Is(err, errStale) {
			t.Errorf("%s: with the covers of before: %v", text, err)
		}
	}
}

// TestFewRemovalsAreNeedless: in the load that the cache is made for (city x price
// range x bedrooms x pages, edits of one price, title or city), at most one
// removal in twenty takes away what the table still says; and nothing is stale.
func TestFewRemovalsAreNeedless(t *testing.T) {
	t.Parallel()
	w := newWorkload(mix{rows: 500, cities: 8})
	m := newModel(listingtest.Site(), mutant{})
	properties := listingtest.Properties()
	rows := m.tables.of(properties)
	for _, r := range w.table {
		rows[r.Values[properties.Key]] = &r
	}
	var queries []listing.Query
	for c := range 8 {
		for _, most := range []string{"300000", "600000", "999999999999.99"} {
			for _, bedrooms := range []int{0, 3} {
				filter := fmt.Sprintf("?city=%s&max_price=%s&min_bedrooms=%d", cityName(c), most, bedrooms)
				queries = append(queries, listingtest.Query("properties/summary"+filter))
				q := listingtest.Query("properties" + filter)
				for more := true; more && len(queries)%4 != 0; {
					queries = append(queries, q)
					answer := m.tables.answer(q)
					q, more = answer.NextQuery()
				}
			}
		}
	}
	title := number("title")
	for i := range 60 {
		for _, q := range queries {
			m.read(q)
			m.fill(len(m.filling) - 1)
		}
		c := w.edit()
		old := rows[c.Old.Values[properties.Key]]
		updated := listing.Row{Values: slices.Clone(old.Values), Nulls: old.Nulls}
		for _, column := range []string{"price", "city"} {
			if n := number(column); c.Changed.Has(n) {
				updated.Values[n] = c.New.Values[n]
			}
		}
		if c.Changed.Has(title) {
			updated.Values[title].Text = fmt.Sprint("edit ", i)
		}
		m.changes = m.update(properties, old, updated)
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
