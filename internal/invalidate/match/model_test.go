package match

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// table is the database of the model: a few properties by id.
type table map[int64]*listing.Property

// answer is what a reader of the table gets.
func (tb table) answer(q listing.Query) listing.Queryset {
	qs := listing.Queryset{Query: q}
	switch q.Kind {
	case listing.PropertyKind:
		if p, ok := tb[q.ID]; ok {
			qs.Items = []listing.Property{*p}
		}
	case listing.SummaryKind:
		qs.Summary = summarize(tb.found(q.Filter))
	default:
		items := tb.found(q.Filter)
		place := func(p *listing.Property) listing.Key { return q.Sort.Key(&p.Row) }
		slices.SortFunc(items, func(a, b listing.Property) int { return q.Sort.Compare(place(&a), place(&b)) })
		if q.After.Valid {
			items = slices.DeleteFunc(items, func(p listing.Property) bool { return q.Sort.Compare(place(&p), q.After.V) <= 0 })
		}
		for i := range items { // a list shows neither
			items[i].Description, items[i].UpdatedAt = "", 0
		}
		if len(items) > q.Limit {
			qs.Ahead = listing.Some(place(&items[q.Limit]))
			items = items[:q.Limit]
		}
		qs.Items = items
	}
	return qs
}

// found returns the properties of a filter. The text search of the model finds
// words in titles and descriptions.
func (tb table) found(f listing.Filter) []listing.Property {
	var items []listing.Property
	for _, p := range tb {
		if f.Match(&p.Row) && strings.Contains(p.Title+" "+p.Description, f.Text) {
			items = append(items, *p)
		}
	}
	return items
}

func summarize(items []listing.Property) (s listing.Summary) {
	cities, types, bedrooms := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for i, p := range items {
		if i == 0 {
			s.MinPrice, s.MaxPrice = p.Price, p.Price
		}
		s.Count++
		s.MinPrice, s.MaxPrice = min(s.MinPrice, p.Price), max(s.MaxPrice, p.Price)
		s.MeanPrice += p.Price / 100 // the sum will do: it differs where the mean does
		cities[p.City]++
		types[p.PropertyType]++
		bedrooms[fmt.Sprint(p.Bedrooms)]++
	}
	s.ByCity, s.ByPropertyType, s.ByBedrooms = facets(cities), facets(types), facets(bedrooms)
	return s
}

func facets(counts map[string]int64) (fs []listing.Facet) {
	for _, value := range slices.Sorted(maps.Keys(counts)) {
		fs = append(fs, listing.Facet{Value: listing.Some(value), Count: counts[value]})
	}
	return fs
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
	table    table
	index    Index
	number   int64
	cached   map[string]answered
	filling  []answered       // read, not filled yet; a purge disowns them
	changes  []Change         // not applied yet
	before   listing.Property // what the row updated last was
	removed  int              // cached answers that a purge removed
	needless int              // of them, those that the table still says
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

func newModel(m mutant) *model {
	return &model{mutant: m, table: table{}, cached: map[string]answered{}}
}

// history is what happens to a model.
type history struct {
	rows    []listing.Property
	queries []listing.Query // those that are asked, again and again
	steps   []step
}

// step is one event.
type step struct {
	do     string
	edits  []edited
	chosen int // which query, or which of the fills under way
}

// edited is what a statement does to one row.
type edited struct {
	property listing.Property // with the row's id
	columns  listing.Columns  // what an update takes from it
	remove   bool
}

func (m *model) run(h history) error {
	for _, p := range h.rows {
		m.table[p.ID] = &p
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
	case "bulk":
		var changes []Change
		for _, e := range s.edits {
			changes = append(changes, m.edit(e)...)
		}
		m.changes = append(m.changes, Change{Kind: BulkChange, Bulk: envelopeOf(changes)})
	case "truncate":
		clear(m.table)
		m.changes = append(m.changes, Change{Kind: WholeTable})
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
	if l, ok := m.index.lists[text]; ok && m.oldWindow && l.bounded {
		return
	}
	m.number++
	m.index.Set(m.number, text, w)
}

// edit inserts a row if there is none of its id, else updates or deletes it.
func (m *model) edit(e edited) []Change {
	id := e.property.ID
	old, ok := m.table[id]
	switch {
	case !ok:
		m.table[id] = &e.property
		return []Change{changeOf(nil, &e.property.Row)}
	case e.remove:
		delete(m.table, id)
		return []Change{changeOf(&old.Row, nil)}
	}
	m.before = *old
	return m.update(*old, merged(*old, e.property, e.columns))
}

// undo gives the row that was updated last its values back.
func (m *model) undo() {
	if p, ok := m.table[m.before.ID]; ok {
		before := *p
		m.changes = append(m.changes, m.update(before, m.before)...)
		m.before = before
	}
}

func (m *model) update(old, updated listing.Property) []Change {
	m.table[old.ID] = &updated
	c := update(old.Row, updated.Row, hiddenDifferences(&old, &updated))
	if c.Changed == 0 {
		return nil
	}
	return []Change{c}
}

func hiddenDifferences(a, b *listing.Property) (s listing.Columns) {
	if a.Title != b.Title {
		s |= listing.ColumnSet(listing.Title)
	}
	if a.Description != b.Description {
		s |= listing.ColumnSet(listing.Description)
	}
	if a.UpdatedAt != b.UpdatedAt {
		s |= listing.ColumnSet(listing.UpdatedAt)
	}
	return s
}

// merged returns p with some columns of other.
func merged(p, other listing.Property, columns listing.Columns) listing.Property {
	has := func(c listing.Column) bool { return columns&listing.ColumnSet(c) != 0 }
	if has(listing.Title) {
		p.Title = other.Title
	}
	if has(listing.Description) {
		p.Description = other.Description
	}
	if has(listing.PropertyType) {
		p.PropertyType = other.PropertyType
	}
	if has(listing.Status) {
		p.Status = other.Status
	}
	if has(listing.Price) {
		p.Price = other.Price
	}
	if has(listing.City) {
		p.City = other.City
	}
	if has(listing.PostalCode) {
		p.PostalCode = other.PostalCode
	}
	if has(listing.Bedrooms) {
		p.Bedrooms = other.Bedrooms
	}
	if has(listing.Bathrooms) {
		p.Bathrooms = other.Bathrooms
	}
	if has(listing.LivingArea) {
		p.LivingArea = other.LivingArea
	}
	if has(listing.Latitude) {
		p.Latitude = other.Latitude
	}
	if has(listing.Longitude) {
		p.Longitude = other.Longitude
	}
	if has(listing.CreatedAt) {
		p.CreatedAt = other.CreatedAt
	}
	if has(listing.UpdatedAt) {
		p.UpdatedAt = other.UpdatedAt
	}
	return p
}

// drain applies all changes that the index has not seen.
func (m *model) drain() {
	changes := m.changes
	m.changes = nil
	if m.merge {
		changes = mergeByRow(changes)
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
func mergeByRow(changes []Change) []Change {
	var merged []Change
	last := map[int64]int{}
	for _, c := range changes {
		i, ok := last[c.Old.ID]
		if c.Kind == RowChange && c.HasOld && c.HasNew && ok {
			m := &merged[i]
			m.New = c.New
			m.Changed = differing(&m.Old, &m.New) | (m.Changed|c.Changed)&^listing.ListColumns
			continue
		}
		if c.Kind == RowChange && c.HasOld && c.HasNew {
			last[c.Old.ID] = len(merged)
		}
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
	for text, a := range m.cached {
		if now := m.table.answer(a.queryset.Query); shown(now) != shown(a.queryset) {
			return fmt.Errorf("%w: %s\ncached %+v\n   now %+v\nafter\n%s", errStale, text, a.queryset, now, strings.Join(m.log, "\n"))
		}
	}
	return nil
}
