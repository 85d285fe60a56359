package match

import (
	"slices"

	"github.com/freshlist/freshlist/internal/listing"
)

// seekers are the live queries of one table whose answers show rows of other tables, and the
// keys that they looked for there: their covers. A change of such a row is looked up by its key,
// before and after, and so costs as much as queries looked for it, however many there are.
//
// A query and a list of queries that looked for one key know each other by place, in as few
// bytes as do: a page of twenty rows stands in twenty lists for each of its joins.
type seekers struct {
	table   *listing.Table
	pages   []*listing.Join  // that pages show
	own     []*listing.Join  // that a row's own page shows
	byText  map[string]int32 // places in queries, by canonical text
	queries []seeker         //
	lists   []seekList       // those without a key first, one for each of the table's joins
	byKey   []map[listing.Value]int32
	unused  []int32 // places in queries
	empty   []int32 // places in lists
}

// seeker is a live query of which covers are kept.
type seeker struct {
	text       string
	number     int64  // of its registration
	lastChange uint64 // the last change that it was found by
	own        bool   // whether it asks for one row
	stands     []seekPlace
}

// seekPlace is where a query stands in a list.
type seekPlace struct{ list, at int32 }

// seekList is the queries that looked for one key in the rows of a join; or, without a key, those
// that may have looked for any.
type seekList struct {
	join int32
	key  listing.Value
	refs []seekRef
}

// seekRef is a query in a list, and which of its places this is.
type seekRef struct{ query, place int32 }

// newSeekers returns nil if no answers of the table show rows of other tables.
func newSeekers(t *listing.Table) *seekers {
	if len(t.Joins) == 0 {
		return nil
	}
	page, own := listing.Query{Table: t, Kind: listing.PageKind}, listing.Query{Table: t, Kind: listing.RowKind}
	s := &seekers{table: t, pages: page.Joins(), own: own.Joins(), byText: make(map[string]int32)}
	for i := range t.Joins {
		s.lists = append(s.lists, seekList{join: int32(i)})
		s.byKey = append(s.byKey, make(map[listing.Value]int32))
	}
	return s
}

// set notes the covers of a live query, or replaces what is known of it. What has a lower
// number than the known one is old news and ignored. A missing cover is wide.
func (s *seekers) set(number int64, text string, own bool, covers []listing.Cover) {
	if s == nil {
		return
	}
	joins := s.pages
	if own {
		joins = s.own
	}
	if len(joins) == 0 {
		return
	}
	i, known := s.byText[text]
	switch {
	case !known:
		i = s.add(seeker{text: text, own: own})
	case number < s.queries[i].number:
		return
	}
	s.queries[i].number = number
	s.withdraw(i)
	if len(covers) != len(joins) {
		covers = make([]listing.Cover, len(joins))
	}
	for k, j := range joins {
		switch c := &covers[k]; {
		case own && j.Many: // its cover is its own key, whatever has been read
		case !c.Bounded:
			s.stand(i, int32(j.Number))
		default:
			for _, key := range c.Keys {
				s.stand(i, s.listOf(int32(j.Number), key))
			}
		}
	}
}

func (s *seekers) add(q seeker) (at int32) {
	if n := len(s.unused); n > 0 {
		at, s.unused = s.unused[n-1], s.unused[:n-1]
		s.queries[at] = q
	} else {
		at = int32(len(s.queries))
		s.queries = append(s.queries, q)
	}
	s.byText[q.text] = at
	return at
}

// remove forgets a query.
func (s *seekers) remove(text string) {
	if s == nil {
		return
	}
	i, known := s.byText[text]
	if !known {
		return
	}
	s.withdraw(i)
	delete(s.byText, text)
	s.queries[i] = seeker{}
	s.unused = append(s.unused, i)
}

// listOf returns the list of a key, which it makes if need be.
func (s *seekers) listOf(join int32, key listing.Value) (at int32) {
	at, known := s.byKey[join][key]
	if known {
		return at
	}
	made := seekList{join: join, key: key}
	if n := len(s.empty); n > 0 {
		at, s.empty = s.empty[n-1], s.empty[:n-1]
		s.lists[at] = made
	} else {
		at = int32(len(s.lists))
		s.lists = append(s.lists, made)
	}
	s.byKey[join][key] = at
	return at
}

// stand puts a query into a list.
func (s *seekers) stand(query, list int32) {
	q, l := &s.queries[query], &s.lists[list]
	q.stands = append(q.stands, seekPlace{list, int32(len(l.refs))})
	l.refs = append(l.refs, seekRef{query, int32(len(q.stands) - 1)})
}

// withdraw takes a query out of all its lists; the last one of each takes its place there.
func (s *seekers) withdraw(query int32) {
	for _, p := range s.queries[query].stands {
		l := &s.lists[p.list]
		n := len(l.refs) - 1
		moved := l.refs[n]
		l.refs[p.at] = moved
		s.queries[moved.query].stands[moved.place].at = p.at
		l.refs = l.refs[:n]
		switch {
		case n == 0 && int(p.list) >= len(s.byKey):
			delete(s.byKey[l.join], l.key)
			*l = seekList{}
			s.empty = append(s.empty, p.list)
		case n < cap(l.refs)/4:
			l.refs = slices.Clone(l.refs)
		}
	}
	s.queries[query].stands = s.queries[query].stands[:0]
}

// coversOf returns the covers that are known of a query, nil if there are none.
func (s *seekers) coversOf(text string) []listing.Cover {
	if s == nil {
		return nil
	}
	i, known := s.byText[text]
	if !known {
		return nil
	}
	q, joins := &s.queries[i], s.pages
	if q.own {
		joins = s.own
	}
	covers := make([]listing.Cover, len(joins))
	for k, j := range joins {
		c := &covers[k]
		c.Bounded = true
		for _, p := range q.stands {
			switch l := &s.lists[p.list]; {
			case int(l.join) != j.Number:
			case int(p.list) == j.Number:
				c.Bounded = false
			default:
				c.Keys = append(c.Keys, l.key)
			}
		}
	}
	return covers
}

// found notes by which change a query is found, and reports whether it is the first time.
func (q *seeker) found(change uint64) bool {
	first := q.lastChange != change
	q.lastChange = change
	return first
}

// note has what a change has been found to touch already not be found again.
func (s *seekers) note(texts []string, change uint64) {
	for _, text := range texts {
		if i, known := s.byText[text]; known {
			s.queries[i].lastChange = change
		}
	}
}

func (s *seekers) appendList(dst []string, list int32, change uint64) []string {
	for _, ref := range s.lists[list].refs {
		if q := &s.queries[ref.query]; q.found(change) {
			dst = append(dst, q.text)
		}
	}
	return dst
}

// appendOwn appends the query of a row of the table itself.
func (s *seekers) appendOwn(dst []string, text string, change uint64) []string {
	if i, known := s.byText[text]; known && s.queries[i].found(change) {
		dst = append(dst, text)
	}
	return dst
}

// An inside is a join in whose inner rows a change may be, and the index of the outer table.
type inside struct {
	*listing.Join
	outer *tableIndex
}

// appendAll appends all queries that show rows of the join.
func (n *inside) appendAll(dst []string, change uint64) []string {
	for i := range n.outer.seekers.queries {
		q := &n.outer.seekers.queries[i]
		if q.text != "" && (q.own || n.Lists) && q.found(change) {
			dst = append(dst, q.text)
		}
	}
	return dst
}

// appendOfRow appends the queries that looked for the row, by its key before the change or after
// it, if a column differs that is shown inside, or that joins or orders.
func (n *inside) appendOfRow(dst []string, c *Change, change uint64) []string {
	if c.Changed&n.Used == 0 {
		return dst
	}
	var before, after listing.Null[listing.Value]
	finder := n.Finder().Number
	if c.HasOld {
		before = c.Old.Get(finder)
	}
	if c.HasNew {
		after = c.New.Get(finder)
	}
	if before.Valid {
		dst = n.appendOfKey(dst, before.V, change)
	}
	if after.Valid && after != before {
		dst = n.appendOfKey(dst, after.V, change)
	}
	if before.Valid || after.Valid { // else no row has found it
		dst = n.outer.seekers.appendList(dst, int32(n.Number), change)
	}
	return dst
}

// appendOfKey appends the queries that looked for a key.
func (n *inside) appendOfKey(dst []string, key listing.Value, change uint64) []string {
	s := n.outer.seekers
	if list, ok := s.byKey[n.Number][key]; ok {
		dst = s.appendList(dst, list, change)
	}
	if n.Many {
		if text, ok := n.outer.rows[key]; ok {
			dst = s.appendOwn(dst, text, change)
		}
	}
	return dst
}

// appendOfEnvelope appends the queries that looked for a key that some row of the envelope may
// have. It asks each key.
func (n *inside) appendOfEnvelope(dst []string, e *Envelope, change uint64) []string {
	if e.Changed&n.Used == 0 {
		return dst
	}
	s, finder := n.outer.seekers, n.Finder()
	for key, list := range s.byKey[n.Number] {
		if e.mayHold(finder, key) {
			dst = s.appendList(dst, list, change)
		}
	}
	if n.Many {
		for key, text := range n.outer.rows {
			if e.mayHold(finder, key) {
				dst = s.appendOwn(dst, text, change)
			}
		}
	}
	return s.appendList(dst, int32(n.Number), change)
}
