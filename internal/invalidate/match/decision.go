package match

import "github.com/freshlist/freshlist/internal/listing"

// affectsSummary: a row came into the filter or left it, or is of it as before
// and differs in a column that is aggregated. A row that was missed was of the filter but for
// what only PostgreSQL can judge: see rule 6 of verdictOf.
func affectsSummary(before, after, missed bool, e effect) bool {
	if missed {
		return after && e.judged
	}
	return before != after || before && (e.shown || e.judged)
}

// verdict is what becomes of a page.
type verdict uint8

const (
	keep        verdict = iota
	purge               // the answer differs
	purgeShown          // it differs if a shown column does
	purgeJudged         // it differs if PostgreSQL may judge the row otherwise now
)

// verdictOf is the decision for a page, by the class of the row before and after.
//
//  1. A row that comes onto the page or leaves it changes its items.
//  2. A row that stays on it changes an item if a shown column differs. The order's
//     column counts as shown, so this covers a row that changes its place.
//  3. The row ahead of the page is the reason for its next link. When a row of
//     that stretch goes away, nothing may be left there: the link may have to go.
//  4. A row that comes to stand in that stretch confirms the link, and one that
//     moves within it still does. What is behind the window shows nowhere.
//  5. With a condition that only PostgreSQL can judge, such as a text search, another
//     value of a column that it reads may take the row away although all that Go can
//     compare is as before: then 3 holds instead of 4.
//  6. With such a condition, a row that lies where the page reaches and is not shown there does
//     not meet it. Other values of the columns that it reads may bring the row onto the page;
//     nothing else does.
//
// Rule 6 needs the page to be what PostgreSQL would have answered just before the change. It was: it
// is what its snapshot shows, and each change since then has been judged and has left it as it was.
//
// Each change is judged by itself. Two changes of one row in one batch must not be
// merged first: with A->B, fill, B->A the sum is nothing, and the answer shows B.
func verdictOf(before, after class) verdict {
	return [4][3]verdict{
		//       to: out,  in,         next
		out:    {keep, purge, keep},
		in:     {purge, purgeShown, purge},
		next:   {purge, purge, purgeJudged},
		missed: {keep, purgeJudged, keep},
	}[before][after]
}

func (v verdict) holds(e effect) bool {
	switch v {
	case keep:
		return false
	case purge:
		return true
	case purgeShown:
		return e.shown || e.judged
	default:
		return e.judged
	}
}

// effect is what the differing columns of a change mean to a query, apart from
// where the row stands.
type effect struct {
	shown  bool // its answer shows one of them, or counts by it
	judged bool // a condition that only PostgreSQL can judge reads one of them
}

// shows returns the columns that a live page shows, or that a summary counts by or adds up.
func (s *space) shows(g *hotFields) listing.Columns {
	if g.summary {
		return s.table.SummaryColumns
	}
	return s.orders[g.sort].shown
}
