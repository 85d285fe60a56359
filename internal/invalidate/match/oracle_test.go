package match

import (
	"slices"
	"sync"

	"github.com/freshlist/freshlist/internal/listing"
)

// affects is the decision for one query, without an index: whether the change may alter the
// query's answer, given the window of the cached answer (of a page; else the zero Window).
func affects(q *listing.Query, w listing.Window, c *Change) bool {
	s := spaceOf(q.Table)
	switch {
	case c.Table == nil, affectsInside(q, w, c):
		return true
	case c.Table != q.Table:
		return false
	case !c.bounded():
		return true
	case q.Kind == listing.RowKind:
		return affectsRow(q, c)
	case c.Kind == BulkChange:
		return c.Bulk.affects(newLiveQuery(q, newFilter(s, q.Filter, ""), 0, "", w))
	}
	before := c.HasOld && q.Filter.Match(q.Table, &c.Old)
	after := c.HasNew && q.Filter.Match(q.Table, &c.New)
	judged := c.Changed&q.Filter.WideColumns(q.Table) != 0
	if q.Kind == listing.SummaryKind {
		missed := before && isMissed(q, w, nil, &c.Old)
		return affectsSummary(before, after, missed, effect{c.Changed&q.Table.SummaryColumns != 0, judged})
	}
	from, to := out, out
	p := s.pageOf(q, w)
	if before {
		from = classOf(&p, s, &c.Old)
		if from == in && isMissed(q, w, &p, &c.Old) {
			from = missed
		}
	}
	if after {
		to = classOf(&p, s, &c.New)
	}
	return verdictOf(from, to).holds(effect{c.Changed&q.Columns() != 0, judged})
}

// isMissed reports whether a row before a change would have been among the answer's rows if it met the
// conditions that only PostgreSQL can judge. It meets the others, and is of a page's class in.
func isMissed(q *listing.Query, w listing.Window, p *page, r *listing.Row) bool {
	switch {
	case !w.Shown.Valid, q.Filter.WideColumns(q.Table) == 0, slices.Contains(w.Shown.V, r.Values[q.Table.Key]):
		return false
	case q.Kind == listing.SummaryKind:
		return true
	case q.Order().Wide:
		return false
	}
	s := spaceOf(q.Table)
	var at point
	s.locate(&at, r)
	return p.holds(&s.orders[p.sort], &at)
}

// affectsInside reports whether the change may alter the rows that are shown inside the answer's.
func affectsInside(q *listing.Query, w listing.Window, c *Change) bool {
	joins := q.Joins()
	for i, j := range joins {
		var cover listing.Cover
		if len(w.Covers) == len(joins) {
			cover = w.Covers[i]
		}
		if j.Many && q.Kind == listing.RowKind {
			cover = listing.Cover{Bounded: true, Keys: []listing.Value{q.Key}}
		}
		if j.Inner == c.Table && (!c.bounded() || altersInside(j, cover, c)) {
			return true
		}
	}
	return false
}

func altersInside(j *listing.Join, cover listing.Cover, c *Change) bool {
	finder := j.Finder()
	if c.Kind == BulkChange {
		return c.Bulk.Changed&j.Used != 0 &&
			(!cover.Bounded || slices.ContainsFunc(cover.Keys, func(key listing.Value) bool { return c.Bulk.mayHold(finder, key) }))
	}
	found := func(exists bool, r *listing.Row) bool {
		return exists && !r.Null(finder.Number) && (!cover.Bounded || slices.Contains(cover.Keys, r.Values[finder.Number]))
	}
	return c.Changed&j.Used != 0 && (found(c.HasOld, &c.Old) || found(c.HasNew, &c.New))
}

// affectsRow: a row's own page is found by its key and shows some columns.
func affectsRow(q *listing.Query, c *Change) bool {
	switch key := q.Table.Key; {
	case c.Kind == BulkChange:
		return c.Bulk.Changed&q.Columns() != 0 && c.Bulk.mayHold(q.Table.KeyColumn(), q.Key)
	default:
		return c.Changed&q.Columns() != 0 && (c.HasOld && c.Old.Values[key] == q.Key || c.HasNew && c.New.Values[key] == q.Key)
	}
}

// classOf returns where a row of the filter stands to a page.
func classOf(p *page, s *space, r *listing.Row) class {
	var at point
	s.locate(&at, r)
	return p.class(&s.orders[p.sort], &at)
}

var spaces sync.Map

// spaceOf returns the space of a table, the same each time.
func spaceOf(t *listing.Table) *space {
	s, ok := spaces.Load(t)
	if !ok {
		s, _ = spaces.LoadOrStore(t, newSpace(t))
	}
	return s.(*space)
}
