package match

import "github.com/freshlist/freshlist/internal/listing"

// Index holds the live queries and finds those that a change touches. What a
// change costs depends on how many it touches, hardly on how many there are:
// pages and summaries are kept by the texts that their filters ask for and,
// within that, by their boxes in the space of rows; properties by id.
//
// The zero Index is empty and ready. It is not safe for concurrent use.
type Index struct {
	lists      map[string]*live   // pages and summaries, by canonical text
	properties map[int64]property // property queries, by id
	unknown    map[string]int64   // texts that do not parse, with their numbers
	filters    map[string]*shared // the filters of lists, by their canonical text
	buckets    map[bucket]*node   // the lists, by the texts that their filters ask for
	shapes     [shapeCount]int    // how many lists stand in buckets of each shape
	round      uint64             // number of the present change
	found      []candidate        // room for one probe's findings
}

// property is a live property query.
type property struct {
	text   string
	number int64
}

// shared is one filter and how many live queries have it: a filter's pages and
// its summary keep it in memory once.
type shared struct {
	listing.Filter
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
		ix.setUnknown(text, number)
	case q.Kind == listing.PropertyKind:
		ix.setProperty(q.ID, property{text, number})
	default:
		ix.add(&q, number, text, w)
	}
}

func (ix *Index) setUnknown(text string, number int64) {
	if ix.unknown == nil {
		ix.unknown = make(map[string]int64)
	}
	ix.unknown[text] = number
}

func (ix *Index) setProperty(id int64, p property) {
	if ix.properties == nil {
		ix.properties = make(map[int64]property)
	}
	ix.properties[id] = p
}

func (ix *Index) add(q *listing.Query, number int64, text string, w listing.Window) {
	if ix.lists == nil {
		ix.lists = make(map[string]*live)
		ix.filters = make(map[string]*shared)
		ix.buckets = make(map[bucket]*node)
	}
	l := &live{
		page:    pageOf(q, w),
		summary: q.Kind == listing.SummaryKind,
		hasText: q.Filter.HasText(),
		text:    text,
		filter:  ix.acquire(&q.Filter),
		number:  number,
	}
	ix.lists[text] = l
	ix.insert(l)
}

func (ix *Index) replace(l *live, number int64, w listing.Window) {
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
		if whole || l.touchedByEnvelope(c.Bulk) {
			dst = append(dst, l.text)
		}
	}
	for id, p := range ix.properties {
		if whole || touchesProperty(id, c) {
			dst = append(dst, p.text)
		}
	}
	return dst
}

func (ix *Index) appendProperty(dst []string, id int64) []string {
	if p, ok := ix.properties[id]; ok {
		dst = append(dst, p.text)
	}
	return dst
}

// appendLists asks the lists in whose box the row lay before the change, then
// those in whose box it only lies now.
func (ix *Index) appendLists(dst []string, c *Change) []string {
	ix.round++
	old, new := pointOf(&c.Old), pointOf(&c.New)
	update := c.HasOld && c.HasNew
	// Found in a bucket, a list is known to match the row's texts on that side of
	// the change. It matches those of the other side too if they are the same.
	known := !update || sameTexts(&c.Old, &c.New)
	if c.HasOld {
		p := probe{at: old, other: new, hasOther: update, found: ix.found[:0]}
		ix.stab(&p, &c.Old, c.Changed)
		for _, f := range p.found {
			dst = ix.appendTouched(dst, f.live, c, known, true, f.both)
		}
		ix.found = p.found
	}
	if c.HasNew && !(update && known && old == new) {
		p := probe{at: new, other: old, hasOther: update, fresh: known, found: ix.found[:0]}
		ix.stab(&p, &c.New, c.Changed)
		for _, f := range p.found {
			dst = ix.appendTouched(dst, f.live, c, known, f.both, true)
		}
		ix.found = p.found
	}
	return dst
}

// appendTouched appends the list's text if the change touches it. Whether the
// row matches the filter before and after is asked of the filter, which lies far
// away in memory, only where bucket and box leave it open.
func (ix *Index) appendTouched(dst []string, l *live, c *Change, known, before, after bool) []string {
	if !known {
		if l.round == ix.round {
			return dst // found before, in another bucket
		}
		l.round = ix.round
	}
	if !known || !l.exact {
		before = c.HasOld && l.filter.Match(&c.Old)
		after = c.HasNew && l.filter.Match(&c.New)
	}
	if l.touchedBy(c, before, after) {
		dst = append(dst, l.text)
	}
	return dst
}

// acquire returns the one copy of a filter.
func (ix *Index) acquire(f *listing.Filter) *listing.Filter {
	text := f.String()
	s, ok := ix.filters[text]
	if !ok {
		s = &shared{Filter: *f}
		ix.filters[text] = s
	}
	s.uses++
	return &s.Filter
}

func (ix *Index) release(f *listing.Filter) {
	text := f.String()
	s := ix.filters[text]
	if s.uses--; s.uses == 0 {
		delete(ix.filters, text)
	}
}
