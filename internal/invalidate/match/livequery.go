package match

// liveQuery is a live page or summary.
type liveQuery struct {
	hotFields
	lastChange uint64 // the last change that it was asked about
	filter     *sharedFilter
	number     int64 // of its registration
}

// hotFields is what is read of a live query for each change: all that decides whether the
// change affects it, except its filter. The leaves keep copies of it side by side.
type hotFields struct {
	page           // of a summary: not used
	summary bool   // whether it is one
	hasText bool   // whether its filter has a text search
	exact   bool   // whether its buckets hold rows to all lists of its filter
	single  bool   // whether it is exact and stands in one bucket only
	text    string // its canonical text
}

// span returns the stretch of one axis outside of which no row can be of the
// query: its filter's, and for a page's sorted column what the page reaches over.
func (l *liveQuery) span(d dimension) span {
	s := filterSpan(&l.filter.Filter, d)
	if !l.summary && d == sortedBy(l.sort) {
		s = s.intersect(l.reach().span())
	}
	return s
}

// box is what a query spans on every axis.
type box [dimensions]span

func (l *liveQuery) box() (b box) {
	for d := range dimensions {
		b[d] = l.span(d)
	}
	return b
}

// affectedBy is the decision for a change of one row, given whether the row
// matches the filter before and after; or need not, for a page that does not
// reach to the row's place.
func (g *hotFields) affectedBy(c *Change, before, after bool) bool {
	e := effectOf(c.Changed, g.hasText)
	if g.summary {
		return affectsSummary(before, after, e)
	}
	return g.affected(c, before, after, e)
}

// affectedByEnvelope is the decision for a change of many rows.
func (l *liveQuery) affectedByEnvelope(e *Envelope) bool {
	if l.summary {
		return e.affectsSummary(&l.filter.Filter)
	}
	return e.affectsPage(&l.filter.Filter, &l.page)
}
