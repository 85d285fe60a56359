package match

import (
	"slices"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// An envelope's box holds every row of its statement, before and after. A query
// whose own box does not meet it cannot have changed; any other is purged.

// affects is the decision for a live page or summary.
func (e *Envelope) affects(l *liveQuery) bool {
	s := l.filter.space
	return e.Changed&l.depends() != 0 && e.meets(s.table, l.filter.Filter) &&
		(l.summary || e.reaches(&s.orders[l.sort], &l.page))
}

// depends returns the columns that the answer depends on: those that it shows, or counts by and
// adds up, those that its filter compares, and the key, which rows that come or go have in any
// case. A summary of nothing but how many rows there are depends on no other.
func (l *liveQuery) depends() listing.Columns {
	s := l.filter.space
	return s.shows(&l.hotFields) | l.filter.Columns(s.table) | listing.ColumnSet(s.table.Key)
}

// meets reports whether some row of the envelope may match the filter.
func (e *Envelope) meets(t *listing.Table, f listing.Filter) bool {
	for i := range f {
		if !e.meetsOne(t, &f[i]) {
			return false
		}
	}
	return true
}

func (e *Envelope) meetsOne(t *listing.Table, c *listing.Condition) bool {
	p := &t.Parameters[c.Parameter]
	if p.Wide {
		return true
	}
	column := &t.Columns[p.Column]
	switch p.Kind {
	case description.AnyOf:
		return slices.ContainsFunc(c.Values, func(v listing.Value) bool { return e.mayHold(column, v) })
	case description.Min:
		return e.overlaps(column, span{column.Order(c.Bound), highest})
	case description.Max:
		return e.overlaps(column, span{lowest, column.Order(c.Bound)})
	case description.BBox:
		latitude, longitude := column, &t.Columns[t.Place.Longitude]
		return e.overlaps(latitude, degrees(latitude, c.Box.South, c.Box.North)) &&
			e.overlaps(longitude, degrees(longitude, c.Box.West, c.Box.East))
	}
	return true
}

// mayHold reports whether some row may have a value in a column.
func (e *Envelope) mayHold(c *listing.Column, v listing.Value) bool {
	if set := e.Sets[c.Number]; set != nil && !slices.Contains(set, v) {
		return false
	}
	at := c.Order(v)
	return e.overlaps(c, span{at, at})
}

// overlaps reports whether some row may have a value in a stretch.
func (e *Envelope) overlaps(c *listing.Column, s span) bool {
	n := c.Number
	if !e.Bounded.Has(n) || !c.Ordered() {
		return true
	}
	if e.Least.Null(n) || e.Greatest.Null(n) {
		return e.Least.Null(n) != e.Greatest.Null(n) // no row has a value if both are NULL
	}
	return c.Order(e.Least.Values[n]) <= s.high && c.Order(e.Greatest.Values[n]) >= s.low
}

// reaches reports whether some row of the envelope may stand behind the page's
// cursor and not behind its window. It compares the order's column alone: equal
// values count as reached whatever the keys.
func (e *Envelope) reaches(o *order, p *page) bool {
	r := p.reach(o)
	if r.null && e.Nulls.Has(o.column.Number) {
		return true
	}
	s := span{lowest, highest}
	if r.low.Valid {
		s.low = r.low.V
	}
	if r.high.Valid {
		s.high = r.high.V
	}
	return r.values && (o.wide || e.overlaps(o.column, s))
}
