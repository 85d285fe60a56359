package match

import "github.com/freshlist/freshlist/internal/listing"

// Index holds the live queries and finds those that a change touches. What a
// change costs depends above all on how many it touches, little on how many there are:
// pages and summaries are kept by the texts that their filters ask for and,
// within that, by their boxes in the space of rows; properties by id.
//
// The zero Index is empty and ready. It is not safe for concurrent use.
type Index struct {
	lists        map[string]*liveQuery    // pages and summaries, by canonical text
	properties   map[int64]string         // the texts of property queries, by id
	unknown      map[string]bool          // texts that do not parse
	filters      map[string]*sharedFilter // the filters of lists, by their canonical text
	buckets      map[bucket]*node         // the lists, by the texts that their filters ask for
	shapes       [shapeCount]int          // how many lists stand in buckets of each shape
	changeNumber uint64                   // number of the present change
	probe        probe                    // the present one
}

// sharedFilter is one filter and how many live queries have it: a filter's pages and
// its summary keep it in memory once.
type sharedFilter struct {
	listing.Filter
	text string // its canonical text
	uses int
}

// Set makes a query live, with the window that its cached answer covers, or
// replaces what is known of it. A registration with a lower number than the
// known one is old news and ignored. A text that does not parse (a newer build's
// query) is taken to be touched by every change.
func (ix *Index) Set(number int64, text string, w listing.Window) {
	if l, ok := ix.lists[text]; ok {
		ix.replace(l, number, w)
		return
	}
	q, err := listing.Parse(text)
	switch {
	case err != nil:
		put(&ix.unknown, text, true)
	case q.Kind == listing.PropertyKind:
		put(&ix.properties, q.ID, text)
	default:
		ix.add(&q, number, text, w)
	}
}

// put sets m[k] = v in a map that may not be there yet.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[k] = v
}

func (ix *Index) add(q *listing.Query, number int64, text string, w listing.Window) {
	l := &liveQuery{
		hotFields: hotFields{page: pageOf(q, w), summary: q.Kind == listing.SummaryKind, hasText: q.Filter.HasText(), text: text},
		filter:    ix.acquire(&q.Filter),
		number:    number,
	}
	put(&ix.lists, text, l)
	ix.insert(l)
}

func (ix *Index) replace(l *liveQuery, number int64, w listing.Window) {
	if number < l.number {
		return
	}
	l.number = number
	p := l.page
	if p.setWindow(w); p == l.page || l.summary {
		return
	}
	ix.remove(l)
	l.page = p
	ix.insert(l)
}

// Remove forgets a query.
func (ix *Index) Remove(text string) {
	if l, ok := ix.lists[text]; ok {
		ix.remove(l)
		ix.release(l.filter)
		delete(ix.lists, text)
		return
	}
	delete(ix.unknown, text)
	if q, err := listing.Parse(text); err == nil {
		delete(ix.properties, q.ID)
	}
}

// Reset forgets every query.
func (ix *Index) Reset() { *ix = Index{} }

// Len returns the number of live queries.
func (ix *Index) Len() int { return len(ix.lists) + len(ix.properties) + len(ix.unknown) }

// Unparsable returns how many live queries every change is taken to touch.
func (ix *Index) Unparsable() int { return len(ix.unknown) }

// Affected appends to dst the canonical texts of the queries that the change may
// alter, each once, in no order.
func (ix *Index) Affected(c *Change, dst []string) []string {
	for text := range ix.unknown {
		dst = append(dst, text)
	}
	if c.Kind != RowChange {
		return ix.appendFromAll(dst, c)
	}
	if c.HasOld {
		dst = ix.appendProperty(dst, c.Old.ID)
	}
	if c.HasNew && !(c.HasOld && c.Old.ID == c.New.ID) {
		dst = ix.appendProperty(dst, c.New.ID)
	}
	return ix.appendLists(dst, c)
}

// appendFromAll asks every query. Changes that stand for very many rows are rare.
func (ix *Index) appendFromAll(dst []string, c *Change) []string {
	whole := !c.bounded()
	for _, l := range ix.lists {
		if whole || l.affectedByEnvelope(c.Bulk) {
			dst = append(dst, l.text)
		}
	}
	for id, text := range ix.properties {
		if whole || affectsProperty(id, c) {
			dst = append(dst, text)
		}
	}
	return dst
}

func (ix *Index) appendProperty(dst []string, id int64) []string {
	if text, ok := ix.properties[id]; ok {
		dst = append(dst, text)
	}
	return dst
}

// appendLists asks the lists in whose bucket and box the row lies before the
// change or after it. It passes over the shapes that a change of these columns
// cannot touch: lists show neither description nor updated_at, but a text search
// reads the former.
func (ix *Index) appendLists(dst []string, c *Change) []string {
	ix.changeNumber++
	before, after := pointOf(&c.Old), pointOf(&c.New)
	for s := range shape(shapeCount) {
		if e := effectOf(c.Changed, s&withSearch != 0); ix.shapes[s] == 0 || !e.shown && !e.searched {
			continue
		}
		from, old := bucketOf(s, &c.Old, c.HasOld)
		to, new := bucketOf(s, &c.New, c.HasNew)
		switch {
		case old && new && from == to:
			for _, f := range ix.find(from, before, after) {
				dst = ix.appendStaying(dst, c, &f)
			}
			continue
		case old:
			for _, f := range ix.find(from, before, before) {
				dst = ix.appendPassing(dst, c, &f, true, false)
			}
		}
		if new {
			for _, f := range ix.find(to, after, after) {
				dst = ix.appendPassing(dst, c, &f, false, true)
			}
		}
	}
	return dst
}

// find returns the lists of a bucket in whose box one of the two places lies.
// They are good until the next call.
func (ix *Index) find(b bucket, before, after point) []candidate {
	ix.probe.before, ix.probe.after = before, after
	ix.probe.stab(ix.buckets[b])
	return ix.probe.found
}

// appendStaying asks a list that the row is in the bucket of both before and
// after. Then its box says whether its filter matches, or all but that; filters
// lie far away in memory and are not asked in vain.
func (ix *Index) appendStaying(dst []string, c *Change, f *candidate) []string {
	g := f.hotFields()
	if !g.exact {
		filter := f.live().filter
		f.before = f.before && filter.Match(&c.Old)
		f.after = f.after && filter.Match(&c.New)
	}
	if g.affectedBy(c, f.before, f.after) {
		dst = append(dst, g.text)
	}
	return dst
}

// appendPassing asks a list that the row is in the bucket of only before or only
// after. If that is not the list's only bucket, the row may be in another of them
// on the other side; then the filter is asked about both, and the list only once.
func (ix *Index) appendPassing(dst []string, c *Change, f *candidate, before, after bool) []string {
	g := f.hotFields()
	if !g.single {
		l := f.live()
		if l.lastChange == ix.changeNumber {
			return dst
		}
		l.lastChange = ix.changeNumber
		before = c.HasOld && l.filter.Match(&c.Old)
		after = c.HasNew && l.filter.Match(&c.New)
	}
	if g.affectedBy(c, before, after) {
		dst = append(dst, g.text)
	}
	return dst
}

// acquire returns the one copy of a filter.
func (ix *Index) acquire(f *listing.Filter) *sharedFilter {
	text := f.String()
	s, ok := ix.filters[text]
	if !ok {
		s = &sharedFilter{Filter: *f, text: text}
		put(&ix.filters, text, s)
	}
	s.uses++
	return s
}

func (ix *Index) release(s *sharedFilter) {
	if s.uses--; s.uses == 0 {
		delete(ix.filters, s.text)
	}
}
