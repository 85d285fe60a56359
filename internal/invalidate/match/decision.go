package match

import "github.com/freshlist/freshlist/internal/listing"

// Affects reports whether the change may alter the query's answer, given the
// window of the cached answer (of a page; else the zero Window).
func Affects(q *listing.Query, w listing.Window, c *Change) bool {
	switch {
	case !c.bounded():
		return true
	case q.Kind == listing.PropertyKind:
		return affectsProperty(q.ID, c)
	case c.Kind == BulkChange && q.Kind == listing.SummaryKind:
		return c.Bulk.affectsSummary(&q.Filter)
	case c.Kind == BulkChange:
		p := pageOf(q, w)
		return c.Bulk.affectsPage(&q.Filter, &p)
	}
	before := c.HasOld && q.Filter.Match(&c.Old)
	after := c.HasNew && q.Filter.Match(&c.New)
	e := effectOf(c.Changed, q.Filter.HasText())
	if q.Kind == listing.SummaryKind {
		return affectsSummary(before, after, e)
	}
	p := pageOf(q, w)
	return p.affected(c, before, after, e)
}

// affectsProperty: a property's page shows every column.
func affectsProperty(id int64, c *Change) bool {
	if c.Kind == BulkChange {
		return c.Bulk.ID.meets(listing.Some(id), listing.Some(id))
	}
	return c.HasOld && c.Old.ID == id || c.HasNew && c.New.ID == id
}

// affectsSummary: a row came into the filter or left it, or is of it as before
// and differs in a column that is aggregated.
func affectsSummary(before, after bool, e effect) bool {
	return before != after || before && (e.aggregated || e.searched)
}

// affected is the decision for a page, given whether the filter matches the row
// before and after.
func (p *page) affected(c *Change, before, after bool, e effect) bool {
	from, to := out, out
	if before {
		from = p.class(&c.Old)
	}
	if after {
		to = p.class(&c.New)
	}
	return verdictOf(from, to).holds(e)
}

// verdict is what becomes of a page.
type verdict uint8

const (
	keep          verdict = iota
	purge                 // the answer differs
	purgeShown            // it differs if a shown column does
	purgeSearched         // it differs if a text search may find otherwise now
)

// verdictOf is the decision for a page, by the class of the row before and after.
//
//  1. A row that comes onto the page or leaves it changes its items.
//  2. A row that stays on it changes an item if a shown column differs. The sorted
//     columns are shown, so this covers a row that changes its place.
//  3. The row ahead of the page is the reason for its next link. When a row of
//     that stretch goes away, nothing may be left there: the link may have to go.
//  4. A row that comes to stand in that stretch confirms the link, and one that
//     moves within it still does. What is behind the window shows nowhere.
//  5. With a text search, another title or description may take the row away
//     although all that Go can compare is as before: then 3 holds instead of 4.
//
// Each change is judged by itself. Two changes of one row in one batch must not be
// merged first: with A->B, fill, B->A the sum is nothing, and the answer shows B.
func verdictOf(before, after class) verdict {
	return [3][3]verdict{
		//     to: out,  in,         next
		out:  {keep, purge, keep},
		in:   {purge, purgeShown, purge},
		next: {purge, purge, purgeSearched},
	}[before][after]
}

func (v verdict) holds(e effect) bool {
	switch v {
	case keep:
		return false
	case purge:
		return true
	case purgeShown:
		return e.shown || e.searched
	default:
		return e.searched
	}
}

// effect is what the differing columns of a change mean to a query, apart from
// where the row stands.
type effect struct {
	shown      bool // a list shows one of them
	aggregated bool // a summary counts by one of them
	searched   bool // the query's text search reads one of them, and may find otherwise
}

// searchedColumns are the columns that a text search reads.
const searchedColumns listing.Columns = 1<<listing.Title | 1<<listing.Description

func effectOf(changed listing.Columns, hasText bool) effect {
	return effect{
		shown:      changed&listing.ListColumns != 0,
		aggregated: changed&listing.SummaryColumns != 0,
		searched:   hasText && changed&searchedColumns != 0,
	}
}
