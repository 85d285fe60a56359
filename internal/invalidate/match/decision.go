package match

import "github.com/freshlist/freshlist/internal/listing"

// Touches reports whether the change may alter the query's answer, given the
// window of the cached answer (of a page; else the zero Window).
func Touches(q *listing.Query, w listing.Window, c *Change) bool {
	if !c.bounded() {
		return true
	}
	switch q.Kind {
	case listing.PropertyKind:
		return touchesProperty(q.ID, c)
	case listing.SummaryKind:
		return touchesSummary(&q.Filter, c)
	default:
		return touchesPage(&page{filter: &q.Filter, sort: q.Sort, after: q.After, window: w}, c)
	}
}

// touchesProperty: a property's page shows every column.
func touchesProperty(id int64, c *Change) bool {
	if c.Kind == BulkChange {
		return c.Bulk.ID.meets(listing.Some(id), listing.Some(id))
	}
	return c.HasOld && c.Old.ID == id || c.HasNew && c.New.ID == id
}

// touchesSummary: a row came into the filter or left it, or stayed and differs in
// a column that is aggregated.
func touchesSummary(f *listing.Filter, c *Change) bool {
	if c.Kind == BulkChange {
		relevant := listing.SummaryColumns | f.Columns()
		return c.Bulk.Changed&relevant != 0 && c.Bulk.meets(f)
	}
	before := c.HasOld && f.Match(&c.Old)
	after := c.HasNew && f.Match(&c.New)
	if before != after {
		return true
	}
	return before && (c.Changed&listing.SummaryColumns != 0 || maySearch(f, c.Changed))
}

func touchesPage(p *page, c *Change) bool {
	if c.Kind == BulkChange {
		return shows(p.filter, c.Bulk.Changed) && c.Bulk.meets(p.filter) && c.Bulk.reaches(p)
	}
	before, after := out, out
	if c.HasOld {
		before = p.class(&c.Old)
	}
	if c.HasNew {
		after = p.class(&c.New)
	}
	switch pageVerdict(before, after) {
	case purge:
		return true
	case purgeShown:
		return shows(p.filter, c.Changed)
	case purgeSearch:
		return maySearch(p.filter, c.Changed)
	default:
		return false
	}
}

// verdict is what becomes of a page.
type verdict uint8

const (
	keep        verdict = iota
	purge               // the answer differs
	purgeShown          // it differs if a shown column does
	purgeSearch         // it differs if the text search may find otherwise now
)

// pageVerdict is the decision for a page, by the class of the row before and after.
//
//  1. A row that comes onto the page or leaves it changes its items.
//  2. A row that stays on it changes an item if a shown column differs. The sorted
//     columns are shown, so this covers a row that changes its place.
//  3. The row ahead of the page is the reason for its next link. When a row of
//     that stretch goes away, nothing may be left there: the link may have to go.
//  4. A row that comes to stand in that stretch confirms the link, and one that
//     moves within it still does. What is behind the window shows nowhere.
//  5. With a text search, another title or description may take a row away
//     although all that Go can compare is as before: then 4 becomes 3.
//
// Each change is judged by itself. Two changes of one row in one batch must not be
// merged first: with A->B, fill, B->A the sum is nothing, and the answer shows B.
func pageVerdict(before, after class) verdict {
	return [3][3]verdict{
		//        to: out,  in,         next
		out:  {keep, purge, keep},
		in:   {purge, purgeShown, purge},
		next: {purge, purge, purgeSearch},
	}[before][after]
}

// shows reports whether a page of the filter can look different after a change
// of these columns. A list shows every column that its filter compares but the
// description, which a text search reads.
func shows(f *listing.Filter, changed listing.Columns) bool {
	return changed&listing.ListColumns != 0 || maySearch(f, changed)
}

// maySearch reports whether a change of these columns may change what the
// filter's text search, if it has one, finds.
func maySearch(f *listing.Filter, changed listing.Columns) bool {
	return f.HasText() && changed&searchedColumns != 0
}

// searchedColumns are the columns that a text search reads.
const searchedColumns listing.Columns = 1<<listing.Title | 1<<listing.Description
