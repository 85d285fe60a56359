package match

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// tables is the database of the model: the tables of a site, by number. It compares values by
// itself, also those that only PostgreSQL compares: it need not compare them as PostgreSQL does, since
// nothing may rest on how that is.
type tables []table

// table is a few rows of a table by key.
type table map[listing.Value]*listing.Row

// of returns the rows of a table.
func (ts tables) of(t *listing.Table) table { return ts[t.Number] }

// answer is what a reader gets: rows, and those of other tables inside.
func (ts tables) answer(q listing.Query) listing.Queryset {
	qs := ts.of(q.Table).answer(q)
	for i := range qs.Items {
		for _, j := range q.Joins() {
			qs.Items[i].SetInner(j, ts.inner(j, &qs.Items[i]))
		}
	}
	return qs
}

// inner returns the inner rows of a row, in order.
func (ts tables) inner(j *listing.Join, outer *listing.Row) (rows []listing.Row) {
	sought := j.Sought(outer)
	for _, r := range ts.of(j.Inner) {
		if sought.Valid && r.Get(j.Finder().Number) == sought {
			rows = append(rows, *r)
		}
	}
	key := j.Inner.KeyColumn()
	slices.SortFunc(rows, func(a, b listing.Row) int {
		var c int
		if j.Many {
			c = compareNulls(j.Order, a.Get(j.Order.Number), b.Get(j.Order.Number))
		}
		return cmp.Or(c, compareValues(key, false, a.Values[key.Number], b.Values[key.Number]))
	})
	return rows
}

// compareNulls compares values of a column, of which NULL is the last.
func compareNulls(c *listing.Column, a, b listing.Null[listing.Value]) int {
	if !a.Valid || !b.Valid {
		return boolean(b.Valid) - boolean(a.Valid)
	}
	return compareValues(c, !c.Ordered(), a.V, b.V)
}

// answer is what a reader of the table alone gets.
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
		if q.Backward {
			slices.Reverse(items)
		}
		if q.After.Valid {
			items = slices.DeleteFunc(items, func(r listing.Row) bool {
				c := compareKeys(&q, key(&r), q.After.V)
				return c == 0 || c < 0 != q.Backward
			})
		}
		if len(items) > q.Limit {
			qs.Ahead = listing.Some(key(&items[q.Limit]))
			items = items[:q.Limit]
		}
		if q.Backward {
			slices.Reverse(items)
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
		return slices.ContainsFunc(t.Searched(), func(column int) bool { return strings.Contains(r.Values[column].Text, c.Text) })
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
		return boolean(b.Value.Valid) - boolean(a.Value.Valid)
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
	case c.Form == listing.Float, c.Form == listing.Spelled && c.Type.Kind == description.Real:
		return cmp.Compare(c.Order(a), c.Order(b))
	case c.Form == listing.Spelled && c.Type.Kind == description.Numeric:
		x, ok := new(big.Rat).SetString(a.Text)
		y, ok2 := new(big.Rat).SetString(b.Text)
		if ok && ok2 {
			return x.Cmp(y)
		}
		return cmp.Compare(c.Order(a), c.Order(b)) // NaN and the infinities
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

// model is a cache over the tables of a site, with the index between them. A reader registers,
// reads and fills; statements change the tables at once, and the index learns of it
// later, in order. What the cache holds after that must be what the tables say.
type model struct {
	mutant
	tables   tables
	index    *Index
	number   int64
	known    map[string]bool // what has a window in the index
	cached   map[string]answered
	filling  []answered // read, not filled yet; a purge disowns them
	changes  []Change   // not applied yet
	before   edited     // what the row updated last was
	removed  int        // cached answers that a purge removed
	needless int        // of them, those that the table still says
	log      []string
}

type answered struct {
	queryset listing.Queryset
	text     string
}

// mutant switches off what keeps the cache right. Each must be found out.
type mutant struct {
	oldWindow   bool // a page that is filled again keeps the window it had
	oldCovers   bool // an answer that is read again keeps the covers it had
	foundKeys   bool // a cover has only the keys of rows that were found
	ignoreAhead bool // the window ends with the page's last row
	oldShown    bool // a page that is filled again keeps the keys of the rows that it had
	merge       bool // changes of one row in one batch become one
}

func newModel(site *listing.Site, m mutant) *model {
	made := &model{mutant: m, index: NewIndex(site), cached: map[string]answered{}, known: map[string]bool{}}
	for range site.Tables {
		made.tables = append(made.tables, table{})
	}
	return made
}

// history is what happens to a model.
type history struct {
	site    *listing.Site
	rows    []edited        // that there are at first
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
	m := newModel(h.site, with)
	for _, e := range h.rows {
		m.tables.of(e.of)[e.key()] = &e.row
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
	case "keys":
		if a, b := s.edits[0], s.edits[1]; a.of == b.of {
			m.changes = append(m.changes, m.swapKeys(a.of, a.key(), b.key())...)
		}
	case "bulk":
		var changes []Change
		of := s.edits[0].of
		for _, e := range s.edits {
			if e.of == of {
				changes = append(changes, m.edit(e)...)
			}
		}
		m.changes = append(m.changes, Change{Table: of, Kind: BulkChange, Bulk: envelopeOf(of, changes)})
	case "truncate":
		of := s.edits[0].of
		clear(m.tables.of(of))
		m.changes = append(m.changes, Change{Table: of, Kind: WholeTable})
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
	if !m.oldCovers || !m.known[text] {
		m.set(q, listing.Window{})
	}
	m.filling = append(m.filling, answered{m.tables.answer(q), text})
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
	if m.foundKeys {
		w.Covers = coversOfFound(&a.queryset)
	}
	m.set(a.queryset.Query, w)
}

// coversOfFound is what covers must not be.
func coversOfFound(qs *listing.Queryset) []listing.Cover {
	found := *qs
	found.Items = slices.Clone(qs.Items)
	for _, j := range qs.Query.Joins() {
		for i := range found.Items {
			if r := &found.Items[i]; len(r.InnerOf(j)) == 0 && !j.Many {
				r.Values = slices.Clone(r.Values)
				r.Set(j.By.Number, listing.Null[listing.Value]{})
			}
		}
	}
	covers := found.Window().Covers
	for k, j := range qs.Query.Joins() {
		if j.Many {
			covers[k].Keys = slices.DeleteFunc(covers[k].Keys, func(key listing.Value) bool {
				return !slices.ContainsFunc(qs.Items, func(r listing.Row) bool { return r.Values[j.Outer.Key] == key && len(r.InnerOf(j)) > 0 })
			})
		}
	}
	return covers
}

func (m *model) set(q listing.Query, w listing.Window) {
	text := q.String()
	l, ok := m.index.tables[q.Table.Number].lists[text]
	if ok && m.oldWindow && l.bounded {
		return
	}
	if ok && m.oldShown && l.shown != nil {
		w.Shown = listing.Some(*l.shown)
	}
	m.known[text] = true
	m.number++
	m.index.Set(m.number, text, w)
}

// edit inserts a row if there is none of its key, else updates or deletes it.
func (m *model) edit(e edited) []Change {
	rows, key := m.tables.of(e.of), e.key()
	old, ok := rows[key]
	switch {
	case !ok:
		rows[key] = &e.row
		return []Change{changeIn(e.of, nil, &e.row, 0)}
	case e.remove:
		delete(rows, key)
		return []Change{changeIn(e.of, old, nil, 0)}
	}
	m.before = edited{of: e.of, row: *old}
	return m.update(e.of, old, merged(old, e))
}

// undo gives the row that was updated last its values back.
func (m *model) undo() {
	if m.before.of == nil {
		return
	}
	if r, ok := m.tables.of(m.before.of)[m.before.key()]; ok {
		m.changes = append(m.changes, m.update(m.before.of, r, m.before.row)...)
		m.before.row = *r
	}
}

func (m *model) update(of *listing.Table, old *listing.Row, updated listing.Row) []Change {
	m.tables.of(of)[old.Values[of.Key]] = &updated
	c := changeIn(of, old, &updated, 0)
	if c.Changed == 0 {
		return nil
	}
	return []Change{c}
}

// swapKeys gives a row the key of another, which gets that of the row, if there is one.
func (m *model) swapKeys(of *listing.Table, a, b listing.Value) []Change {
	rows := m.tables.of(of)
	first, second := rows[a], rows[b]
	if a == b || first == nil {
		return nil
	}
	rename := func(r *listing.Row, key listing.Value) Change {
		renamed := listing.Row{Values: slices.Clone(r.Values), Nulls: r.Nulls}
		renamed.Values[of.Key] = key
		rows[key] = &renamed
		return changeIn(of, r, &renamed, 0)
	}
	delete(rows, a)
	changes := []Change{rename(first, b)}
	if second != nil {
		changes = append(changes, rename(second, a))
	}
	return changes
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
		if shown(m.tables.answer(a.queryset.Query)) == shown(a.queryset) {
			m.needless++
		}
	}
}

// mergeByRow is the optimization that must not be made.
func (m *model) mergeByRow(changes []Change) []Change {
	var merged []Change
	type row struct {
		of  *listing.Table
		key listing.Value
	}
	last := map[row]int{}
	for _, c := range changes {
		if c.Kind != RowChange || !c.HasOld || !c.HasNew {
			merged = append(merged, c)
			continue
		}
		at := row{c.Table, c.Old.Values[c.Table.Key]}
		if i, ok := last[at]; ok {
			of := &merged[i]
			of.New = c.New
			of.Changed = of.Old.Differences(&of.New, c.Table.AllColumns()) | (of.Changed|c.Changed)&^c.Table.ListColumns
			continue
		}
		last[at] = len(merged)
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
		if now := m.tables.answer(a.queryset.Query); shown(now) != shown(a.queryset) {
			return fmt.Errorf("%w: %s\ncached %+v\n   now %+v\nafter\n%s", errStale, text, a.queryset, now, strings.Join(m.log, "\n"))
		}
	}
	return nil
}
