package match

import (
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// tableIndex holds the live queries of one table.
type tableIndex struct {
	*space
	lists        map[string]*liveQuery    // pages and summaries, by canonical text
	summaries    int                      // of them
	rows         map[listing.Value]string // the texts of single rows, by key
	seekers      *seekers                 // those that show rows of other tables; nil if the table has no joins
	filters      map[string]*sharedFilter // the filters of lists, by their canonical text
	buckets      map[string]*node         // the lists, by the names of their buckets
	shapes       []liveShape              // of those buckets
	deferred     bool                     // no list stands in its buckets yet
	changeNumber uint64                   // number of the present change
	before       point                    // where its row was, if it was
	after        point                    // where its row is, if it is
	from, to     []byte                   // room for names of buckets
	probe        probe                    // the present one
}

func newTableIndex(t *listing.Table) tableIndex {
	return tableIndex{
		space:   newSpace(t),
		lists:   make(map[string]*liveQuery),
		rows:    make(map[listing.Value]string),
		filters: make(map[string]*sharedFilter),
		buckets: make(map[string]*node),
		seekers: newSeekers(t),
	}
}

func (t *tableIndex) add(q *listing.Query, number int64, text string, w listing.Window) {
	l := newLiveQuery(q, t.acquire(q.Filter, text), number, text, w)
	t.lists[text] = l
	t.summaries += summaries(l)
	t.insert(l)
}

func (t *tableIndex) replace(l *liveQuery, number int64, w listing.Window) {
	if number < l.number {
		return
	}
	l.number = number
	l.setShown(w)
	p := l.page
	if t.setWindow(&p, w); l.summary || p == l.page {
		return
	}
	t.remove(l)
	l.page = p
	t.insert(l)
}

// drop forgets a page or a summary.
func (t *tableIndex) drop(l *liveQuery) {
	t.remove(l)
	t.release(l.filter)
	t.seekers.remove(l.text)
	delete(t.lists, l.text)
	t.summaries -= summaries(l)
}

// summaries returns 1 for a summary, 0 for a page.
func summaries(l *liveQuery) int {
	if l.summary {
		return 1
	}
	return 0
}

// dropRow forgets a single row's query.
func (t *tableIndex) dropRow(key listing.Value, text string) {
	t.seekers.remove(text)
	delete(t.rows, key)
}

// acquire returns the one copy of a filter, that of a query's canonical text.
func (t *tableIndex) acquire(f listing.Filter, query string) *sharedFilter {
	text := f.String(t.table)
	s, ok := t.filters[text]
	if !ok {
		if at := strings.Index(query, text); at >= 0 {
			text = query[at:][:len(text)] // the same text, in memory once
		}
		s = newFilter(t.space, slices.Clone(f), text) // without the room that was left
		t.filters[text] = s
	}
	s.uses++
	return s
}

func (t *tableIndex) release(s *sharedFilter) {
	if s.uses--; s.uses == 0 {
		delete(t.filters, s.text)
	}
}

// appendAll appends every query of the table.
func (t *tableIndex) appendAll(dst []string) []string {
	for text := range t.lists {
		dst = append(dst, text)
	}
	for _, text := range t.rows {
		dst = append(dst, text)
	}
	return dst
}

// appendOfEnvelope asks every query. Changes that stand for very many rows are rare.
func (t *tableIndex) appendOfEnvelope(dst []string, e *Envelope) []string {
	for text, l := range t.lists {
		if e.affects(l) {
			dst = append(dst, text)
		}
	}
	if t.showsItem(e.Changed) {
		for key, text := range t.rows {
			if e.mayHold(t.table.KeyColumn(), key) {
				dst = append(dst, text)
			}
		}
	}
	return dst
}

// appendOfRow asks the queries of the row, and the lists in whose bucket and box it lies before
// the change or after it. It passes over the shapes that a change of these columns cannot touch.
func (t *tableIndex) appendOfRow(dst []string, c *Change) []string {
	t.build()
	if t.showsItem(c.Changed) {
		dst = t.appendItems(dst, c)
	}
	t.changeNumber++
	if c.HasOld {
		t.locate(&t.before, &c.Old)
	}
	if c.HasNew {
		t.locate(&t.after, &c.New)
	}
	for i := range t.shapes {
		s := t.shapes[i].shape
		if c.Changed&t.plain == 0 && (s&withWide == 0 || c.Changed&t.wide == 0) {
			continue
		}
		from, old := t.appendBucket(t.from[:0], s, &c.Old, c.HasOld)
		to, new := t.appendBucket(t.to[:0], s, &c.New, c.HasNew)
		t.from, t.to = from, to
		if old && new && string(from) == string(to) {
			for _, f := range t.find(from, &t.before, &t.after) {
				dst = t.appendStaying(dst, c, &f)
			}
			continue
		}
		if old {
			for _, f := range t.find(from, &t.before, &t.before) {
				dst = t.appendPassing(dst, c, &f, true, false)
			}
		}
		if new {
			for _, f := range t.find(to, &t.after, &t.after) {
				dst = t.appendPassing(dst, c, &f, false, true)
			}
		}
	}
	return dst
}

// showsItem reports whether a row's own page shows one of the columns, or is found by it, or
// finds rows of other tables by it.
func (t *tableIndex) showsItem(changed listing.Columns) bool { return changed&t.item != 0 }

// appendItems appends the queries of the row by its key, before and after.
func (t *tableIndex) appendItems(dst []string, c *Change) []string {
	key := t.table.Key
	if c.HasOld {
		dst = t.appendItem(dst, c.Old.Values[key])
	}
	if c.HasNew && !(c.HasOld && c.Old.Values[key] == c.New.Values[key]) {
		dst = t.appendItem(dst, c.New.Values[key])
	}
	return dst
}

func (t *tableIndex) appendItem(dst []string, key listing.Value) []string {
	if text, ok := t.rows[key]; ok {
		dst = append(dst, text)
	}
	return dst
}

// find returns the lists of a bucket in whose box one of the two places lies.
// They are good until the next call.
func (t *tableIndex) find(bucket []byte, before, after *point) []candidate {
	t.probe.before, t.probe.after = before, after
	t.probe.stab(t.buckets[string(bucket)])
	return t.probe.found
}

// appendStaying asks a list that the row is in the bucket of both before and
// after. Then its box says whether its filter matches, or all but that; filters
// lie far away in memory and are not asked in vain.
func (t *tableIndex) appendStaying(dst []string, c *Change, f *candidate) []string {
	g := f.hotFields()
	if !g.exact {
		filter := f.live().filter
		f.before = f.before && filter.match(&c.Old)
		f.after = f.after && filter.match(&c.New)
	}
	return t.appendAffected(dst, c, f, f.before, f.after)
}

// appendPassing asks a list that the row is in the bucket of only before or only
// after. If that is not the list's only bucket, the row may be in another of them
// on the other side; then the filter is asked about both, and the list only once.
func (t *tableIndex) appendPassing(dst []string, c *Change, f *candidate, before, after bool) []string {
	if !f.hotFields().single {
		l := f.live()
		if l.lastChange == t.changeNumber {
			return dst
		}
		l.lastChange = t.changeNumber
		before = c.HasOld && l.filter.match(&c.Old)
		after = c.HasNew && l.filter.match(&c.New)
	}
	return t.appendAffected(dst, c, f, before, after)
}

// appendAffected decides for a change of one row, given whether the row matches the filter
// before and after; or need not, for a page that does not reach to the row's place.
func (t *tableIndex) appendAffected(dst []string, c *Change, f *candidate, before, after bool) []string {
	g := f.hotFields()
	e := effect{
		shown:  c.Changed&t.shows(g) != 0,
		judged: g.wide && c.Changed&f.live().filter.wide != 0,
	}
	var affected bool
	if g.summary {
		missed := before && g.wide && f.live().missed(&c.Old, &t.before)
		affected = affectsSummary(before, after, missed, e)
	} else {
		o := &t.orders[g.sort]
		from, to := out, out
		if before {
			if from = g.class(o, &t.before); from == in && g.wide && f.live().missed(&c.Old, &t.before) {
				from = missed
			}
		}
		if after {
			to = g.class(o, &t.after)
		}
		affected = verdictOf(from, to).holds(e)
	}
	if affected {
		dst = append(dst, g.text)
	}
	return dst
}
