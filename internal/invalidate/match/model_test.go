package match

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// table is the database of the model: a few rows of a table by key. It compares values by
// itself, also those that only PostgreSQL compares: it need not compare them as PostgreSQL does, since
// nothing may rest on how that is.
type table map[listing.Value]*listing.Row

// answer is what a reader of the table gets.
func (tb table) answer(q listing.Query) listing.Queryset {
	qs := listing.Queryset{Query: q}
	switch q.Kind {
	case listing.RowKind:
		if r, ok := tb[q.Key]; ok {
			qs.Items = []listing.Row{*r}
		}
	case listing.SummaryKind:
		qs.Summary = summarize(q.Table, tb.found(q))
	default:
		items := tb.found(q)
		key := func(r *listing.Row) listing.Key { return q.Table.KeyOf(q.Sort, r) }
		slices.SortFunc(items, func(a, b listing.Row) int { return compareKeys(&q, key(&a), key(&b)) })
		if q.After.Valid {
			items = slices.DeleteFunc(items, func(r listing.Row) bool { return compareKeys(&q, key(&r), q.After.V) <= 0 })
		}
		if len(items) > q.Limit {
			qs.Ahead = listing.Some(key(&items[q.Limit]))
			items = items[:q.Limit]
		}
		qs.Items = items
	}
	return qs
}

// found returns the rows of a filter.
func (tb table) found(q listing.Query) []listing.Row {
	var items []listing.Row
	for _, r := range tb {
		judged := func(c listing.Condition) bool { return !judges(q.Table, &c, r) }
		if q.Filter.Match(q.Table, r) && !slices.ContainsFunc(q.Filter, judged) {
			items = append(items, *r)
		}
	}
	key := q.Table.Key // of equal values that are spelled otherwise, the least is always the same
	slices.SortFunc(items, func(a, b listing.Row) int {
		return compareValues(q.Table.KeyColumn(), false, a.Values[key], b.Values[key])
	})
	return items
}

// judges reports whether a row meets a condition that Go cannot judge.
func judges(t *listing.Table, c *listing.Condition, r *listing.Row) bool {
	p := &t.Parameters[c.Parameter]
	if !p.Wide {
		return true
	}
	if p.Kind == description.Words {
		return slices.ContainsFunc(t.Search, func(column int) bool { return strings.Contains(r.Values[column].Text, c.Text) })
	}
	v := r.Values[p.Column].Text
	switch {
	case r.Null(p.Column):
		return false
	case p.Kind == description.Min:
		return compareTexts(v, c.Bound.Text) >= 0
	case p.Kind == description.Max:
		return compareTexts(v, c.Bound.Text) <= 0
	default:
		return slices.ContainsFunc(c.Values, func(w listing.Value) bool { return strings.EqualFold(v, w.Text) })
	}
}

// compareKeys is the order of a page.
func compareKeys(q *listing.Query, a, b listing.Key) int {
	o := q.Order()
	if a.Value.Valid != b.Value.Valid {
		return cmp.Or(boolean(b.Value.Valid)-boolean(a.Value.Valid), 0)
	}
	c := cmp.Or(compareValues(o.Column, o.Wide, a.Value.V, b.Value.V), compareValues(q.Table.KeyColumn(), false, a.Key, b.Key))
	if o.Descending {
		return -c
	}
	return c
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareValues(c *listing.Column, wide bool, a, b listing.Value) int {
	switch {
	case wide:
		return compareTexts(a.Text, b.Text)
	case c.Form == listing.Float:
		return cmp.Compare(c.Order(a), c.Order(b))
	case c.Form.InNumber():
		return cmp.Compare(a.Number, b.Number)
	default:
		return strings.Compare(a.Text, b.Text)
	}
}

// compareTexts orders numbers of any length by their value, other texts somehow.
func compareTexts(a, b string) int {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(b, a))
}

func summarize(t *listing.Table, items []listing.Row) listing.Summary {
	s := listing.Summary{Count: int64(len(items))}
	for _, column := range t.Stats {
		s.Stats = append(s.Stats, statOf(&t.Columns[column], items))
	}
	for _, f := range t.Table.Facets {
		counts := map[listing.Null[listing.Value]]int64{}
		for i := range items {
			counts[items[i].Get(f.Column)]++
		}
		var facets []listing.Facet
		for v, n := range counts {
			facets = append(facets, listing.Facet{Value: v, Count: n})
		}
		slices.SortFunc(facets, func(a, b listing.Facet) int { return strings.Compare(fmt.Sprint(a.Value), fmt.Sprint(b.Value)) })
		s.Facets = append(s.Facets, facets)
	}
	return s
}

func statOf(c *listing.Column, items []listing.Row) (s listing.Stat) {
	var sum int64
	var all []string // a text will do as a mean: it differs where the mean does
	for i := range items {
		v := items[i].Get(c.Number)
		if !v.Valid {
			continue
		}
		wide := !c.Ordered()
		if !s.Min.Valid || compareValues(c, wide, v.V, s.Min.V) < 0 {
			s.Min = v
		}
		if !s.Max.Valid || compareValues(c, wide, v.V, s.Max.V) > 0 {
			s.Max = v
		}
		sum += v.V.Number
		all = append(all, v.V.Text)
	}
	slices.Sort(all)
	s.Mean = listing.Null[listing.Value]{V: listing.Value{Number: sum, Text: strings.Join(all, " ")}, Valid: len(all) > 0}
	return s
}

// shown is all that a client can see of an answer.
func shown(qs listing.Queryset) string {
	next := qs.Next()
	qs.Ahead = listing.Null[listing.Key]{} // only whether there is one
	return string(qs.Encode()) + next
}

// model is a cache over a table, with the index between them. A reader registers,
// reads and fills; statements change the table at once, and the index learns of it
// later, in order. What the cache holds after that must be what the table says.
type model struct {
	mutant
	of       *listing.Table
	table    table
	index    *Index
	number   int64
	cached   map[string]answered
	filling  []answered  // read, not filled yet; a purge disowns them
	changes  []Change    // not applied yet
	before   listing.Row // what the row updated last was
	removed  int         // cached answers that a purge removed
	needless int         // of them, those that the table still says
	log      []string
}

type answered struct {
	queryset listing.Queryset
	text     string
}

// mutant switches off what keeps the cache right. Each must be found out.
type mutant struct {
	oldWindow   bool // a page that is filled again keeps the window it had
	ignoreAhead bool // the window ends with the page's last row
	merge       bool // changes of one row in one batch become one
}

func newModel(t *listing.Table, m mutant) *model {
	return &model{mutant: m, of: t, table: table{}, index: NewIndex(t.Site), cached: map[string]answered{}}
}

// history is what happens to a model.
type history struct {
	of      *listing.Table
	rows    []listing.Row
	queries []listing.Query // those that are asked, again and again
	steps   []step
}

// step is one event.
type step struct {
	do     string
	edits  []edited
	chosen int // which query, or which of the fills under way
}

func run(h history, with mutant) error {
	m := newModel(h.of, with)
	for _, r := range h.rows {
		m.table[m.keyOf(&r)] = &r
	}
	for _, s := range h.steps {
		m.apply(h.queries, s)
		if err := m.check(); err != nil {
			return err
		}
	}
	m.drain()
	return m.check()
}

func (m *model) keyOf(r *listing.Row) listing.Value { return r.Values[m.of.Key] }

func (m *model) apply(queries []listing.Query, s step) {
	q := queries[s.chosen%len(queries)]
	m.log = append(m.log, fmt.Sprintf("%s %s %+v", s.do, q, s.edits))
	switch s.do {
	case "get":
		m.read(q)
		m.fill(len(m.filling) - 1)
	case "read":
		m.read(q)
	case "fill":
		m.fill(s.chosen)
	case "edit":
		for _, e := range s.edits {
			m.changes = append(m.changes, m.edit(e)...)
		}
	case "undo":
		m.undo()
	case "bulk":
		var changes []Change
		for _, e := range s.edits {
			changes = append(changes, m.edit(e)...)
		}
		m.changes = append(m.changes, Change{Table: m.of, Kind: BulkChange, Bulk: envelopeOf(m.of, changes)})
	case "truncate":
		clear(m.table)
		m.changes = append(m.changes, Change{Table: m.of, Kind: WholeTable})
	case "drain":
		m.drain()
	}
}

func (m *model) read(q listing.Query) {
	text := q.String()
	if _, ok := m.cached[text]; ok {
		return
	}
	// A second fill of the query takes the lease of the first.
	m.filling = slices.DeleteFunc(m.filling, func(a answered) bool { return a.text == text })
	m.set(text, listing.Window{})
	m.filling = append(m.filling, answered{m.table.answer(q), text})
}

func (m *model) fill(chosen int) {
	if len(m.filling) == 0 {
		return
	}
	chosen %= len(m.filling)
	a := m.filling[chosen]
	m.filling = slices.Delete(m.filling, chosen, chosen+1)
	m.cached[a.text] = a
	w := a.queryset.Window()
	if m.ignoreAhead {
		w.Ahead = w.Last
	}
	m.set(a.text, w)
}

func (m *model) set(text string, w listing.Window) {
	if l, ok := m.index.tables[m.of.Number].lists[text]; ok && m.oldWindow && l.bounded {
		return
	}
	m.number++
	m.index.Set(m.number, text, w)
}

// edit inserts a row if there is none of its key, else updates or deletes it.
func (m *model) edit(e edited) []Change {
	key := m.keyOf(&e.row)
	old, ok := m.table[key]
	switch {
	case !ok:
		m.table[key] = &e.row
		return []Change{changeIn(m.of, nil, &e.row, 0)}
	case e.remove:
		delete(m.table, key)
		return []Change{changeIn(m.of, old, nil, 0)}
	}
	m.before = *old
	return m.update(old, merged(old, e))
}

// undo gives the row that was updated last its values back.
func (m *model) undo() {
	if m.before.Values == nil {
		return
	}
	if r, ok := m.table[m.keyOf(&m.before)]; ok {
		m.changes = append(m.changes, m.update(r, m.before)...)
		m.before = *r
	}
}

func (m *model) update(old *listing.Row, updated listing.Row) []Change {
	m.table[m.keyOf(old)] = &updated
	c := changeIn(m.of, old, &updated, 0)
	if c.Changed == 0 {
		return nil
	}
	return []Change{c}
}

// drain applies all changes that the index has not seen.
func (m *model) drain() {
	changes := m.changes
	m.changes = nil
	if m.merge {
		changes = m.mergeByRow(changes)
	}
	for i := range changes {
		for _, text := range m.index.Affected(&changes[i], nil) {
			m.purge(text)
		}
	}
}

func (m *model) purge(text string) {
	m.filling = slices.DeleteFunc(m.filling, func(a answered) bool { return a.text == text })
	if a, ok := m.cached[text]; ok {
		delete(m.cached, text)
		m.removed++
		if shown(m.table.answer(a.queryset.Query)) == shown(a.queryset) {
			m.needless++
		}
	}
}

// mergeByRow is the optimization that must not be made.
func (m *model) mergeByRow(changes []Change) []Change {
	var merged []Change
	last := map[listing.Value]int{}
	for _, c := range changes {
		if c.Kind != RowChange || !c.HasOld || !c.HasNew {
			merged = append(merged, c)
			continue
		}
		if i, ok := last[m.keyOf(&c.Old)]; ok {
			of := &merged[i]
			of.New = c.New
			of.Changed = of.Old.Differences(&of.New, m.of.AllColumns()) | (of.Changed|c.Changed)&^m.of.ListColumns
			continue
		}
		last[m.keyOf(&c.Old)] = len(merged)
		merged = append(merged, c)
	}
	return merged
}

var errStale = errors.New("stale")

// check compares the cache with the table, if the index has seen every change.
func (m *model) check() error {
	if len(m.changes) > 0 {
		return nil
	}
	for _, text := range slices.Sorted(maps.Keys(m.cached)) {
		a := m.cached[text]
		if now := m.table.answer(a.queryset.Query); shown(now) != shown(a.queryset) {
			return fmt.Errorf("%w: %s\ncached %+v\n   now %+v\nafter\n%s", errStale, text, a.queryset, now, strings.Join(m.log, "\n"))
		}
	}
	return nil
}
