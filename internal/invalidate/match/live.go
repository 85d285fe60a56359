package match

import "github.com/freshlist/freshlist/internal/listing"

// live is a live page or summary.
type live struct {
	page           // of a summary: not used
	summary bool   // whether it is one
	hasText bool   // whether its filter has a text search
	exact   bool   // whether its buckets hold rows to all lists of its filter
	single  bool   // whether it is exact and stands in one bucket only
	text    string // its canonical text
	round   uint64 // the last change that it was asked about
	filter  *listing.Filter
	number  int64 // of its registration
}

// span returns the stretch of one axis outside of which no row can be of the
// query: its filter's, and for a page's sorted column what the page reaches over.
func (l *live) span(d dimension) span {
	s := filterSpan(l.filter, d)
	if !l.summary && d == sortedBy(l.sort) {
		s = s.intersect(l.reach().span())
	}
	return s
}

// touchedBy is the decision for a change of one row, given whether the row
// matches the filter before and after; or need not, for a page that does not
// reach to the row's place.
func (l *live) touchedBy(c *Change, before, after bool) bool {
	e := effectOf(c.Changed, l.hasText)
	if l.summary {
		return touchesSummary(before, after, e)
	}
	return l.touched(c, before, after, e)
}

// touchedByEnvelope is the decision for a change of many rows.
func (l *live) touchedByEnvelope(e *Envelope) bool {
	if l.summary {
		return e.touchesSummary(l.filter)
	}
	return e.touchesPage(l.filter, &l.page)
}
