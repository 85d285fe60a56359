package match

import (
	"slices"

	"github.com/freshlist/freshlist/internal/listing"
)

// liveQuery is a live page or summary.
type liveQuery struct {
	hotFields
	lastChange uint64 // the last change that it was asked about
	filter     *sharedFilter
	number     int64            // of its registration
	shown      *[]listing.Value // of a wide query: the keys of its rows; nil if they are not known
}

// hotFields is what is read of a live query for each change: all that decides whether the
// change affects it, except its filter. The leaves keep copies of it side by side.
type hotFields struct {
	page           // of a summary: not used
	summary bool   // whether it is one
	wide    bool   // whether only PostgreSQL can judge a condition of its filter
	exact   bool   // whether its buckets and its box hold just the rows of its filter
	single  bool   // whether it is exact and stands in one bucket only
	text    string // its canonical text
}

// sharedFilter is one filter and how many live queries have it: a filter's pages and
// its summary keep it in memory once.
type sharedFilter struct {
	listing.Filter
	space   *space
	text    string // its canonical text
	uses    int
	wide    listing.Columns // those that the conditions read which only PostgreSQL can judge
	shape   shape
	exact   bool // whether buckets and boxes hold just its rows
	buckets uint8
}

func newFilter(s *space, f listing.Filter, text string) *sharedFilter {
	made := &sharedFilter{Filter: f, space: s, text: text, wide: f.WideColumns(s.table), exact: true}
	of, buckets := s.shapeOf(f)
	made.shape, made.buckets = of, uint8(buckets)
	for i := range f {
		made.exact = made.exact && s.exact(&f[i], of)
	}
	return made
}

// match reports whether a row is of the filter, as far as Go can tell.
func (f *sharedFilter) match(r *listing.Row) bool { return f.Match(f.space.table, r) }

func newLiveQuery(q *listing.Query, f *sharedFilter, number int64, text string, w listing.Window) *liveQuery {
	l := &liveQuery{filter: f, number: number}
	l.text, l.wide, l.exact, l.single = text, f.shape&withWide != 0, f.exact, f.exact && f.buckets == 1
	if l.summary = q.Kind == listing.SummaryKind; !l.summary {
		l.page = f.space.pageOf(q, w)
	}
	l.setShown(w)
	return l
}

// setShown notes the keys of the answer's rows. They say nothing of a page whose order only
// PostgreSQL knows: nobody else can tell where it ends.
func (l *liveQuery) setShown(w listing.Window) {
	l.shown = nil
	ordered := l.summary || !l.filter.space.orders[l.sort].wide
	if keys := w.Shown.V; l.wide && w.Shown.Valid && ordered {
		l.shown = &keys
	}
}

// missed reports whether a row that the answer did not show, though all that Go can compare spoke for
// it, is known not to have met the conditions that only PostgreSQL can judge. The row is of the
// filter, and of a page's class in.
func (l *liveQuery) missed(r *listing.Row, at *point) bool {
	if l.shown == nil || slices.Contains(*l.shown, r.Values[l.filter.space.table.Key]) {
		return false
	}
	return l.summary || l.holds(&l.filter.space.orders[l.sort], at)
}

// span returns the stretch of one axis outside of which no row can be of the
// query: its filter's, and for a page's order what the page reaches over.
func (l *liveQuery) span(a dimension) span {
	f := l.filter
	s := everything()
	for i := range f.Filter {
		s = s.intersect(f.space.span(&f.Filter[i], a))
	}
	if o := &f.space.orders[l.sort]; !l.summary && o.dimension == a {
		s = s.intersect(l.reach(o).span())
	}
	return s
}

// box is what a query spans on every axis.
type box [mostAxes]span

func (l *liveQuery) box() (b box) {
	for a := range l.filter.space.axes {
		b[a] = l.span(a)
	}
	return b
}
