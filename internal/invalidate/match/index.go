package match

import (
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// Index holds the live queries of a site's tables and finds those that a change touches. What
// a change costs depends above all on how many it touches, little on how many there are:
// pages and summaries are kept by the values that their filters list and, within that, by
// their boxes in the space of rows; single rows by key. All that show rows of other tables are
// kept by the keys that they looked for there, too.
//
// The zero Index is empty and of no site: every query is unknown to it, and taken to be
// touched by every change. An Index is not safe for concurrent use.
type Index struct {
	site    *listing.Site
	tables  []tableIndex    // by the tables' numbers
	insides [][]inside      // by the tables' numbers: where their rows are shown inside others
	change  uint64          // number of the present change, of those that are looked for there
	unknown map[string]bool // texts that do not parse
}

// NewIndex returns an empty index of a site.
func NewIndex(site *listing.Site) *Index {
	ix := &Index{}
	ix.Use(site)
	return ix
}

// Use makes the index one of another site, or of none if it is nil. It forgets every query.
func (ix *Index) Use(site *listing.Site) {
	*ix = Index{site: site, unknown: make(map[string]bool)}
	if site != nil {
		ix.tables, ix.insides = make([]tableIndex, len(site.Tables)), make([][]inside, len(site.Tables))
		for i, t := range site.Tables {
			ix.tables[i] = newTableIndex(t)
			for k := range t.Joins {
				j := &t.Joins[k]
				ix.insides[j.Inner.Number] = append(ix.insides[j.Inner.Number], inside{j, &ix.tables[i]})
			}
		}
	}
}

// Reset forgets every query.
func (ix *Index) Reset() { ix.Use(ix.site) }

// Defer is for who is about to set very many queries of an empty index: they are only noted until
// Build is called, or until the index is asked, and then found their places all at once. That takes a
// fraction of the time. Of an index that is not empty it changes nothing.
func (ix *Index) Defer() {
	if ix.Len() > 0 {
		return
	}
	for i := range ix.tables {
		ix.tables[i].deferred = true
	}
}

// Build ends what Defer has begun.
func (ix *Index) Build() {
	for i := range ix.tables {
		ix.tables[i].build()
	}
}

// Set makes a query live, with the window that its cached answer covers, or replaces what is
// known of it. A registration with a lower number than the known one is old news and ignored.
// A text that does not parse (a query of another description, or a newer build's) is taken to
// be touched by every change.
func (ix *Index) Set(number int64, text string, w listing.Window) {
	t := ix.tableOf(text)
	if t == nil {
		ix.setUnknown(text)
		return
	}
	if l, ok := t.lists[text]; ok {
		t.replace(l, number, w)
		if !l.summary {
			t.seekers.set(number, text, false, w.Covers)
		}
		return
	}
	q, err := ix.site.Parse(text)
	switch {
	case err != nil:
		ix.setUnknown(text)
	case q.Kind == listing.RowKind:
		t.rows[q.Key] = text
		t.seekers.set(number, text, true, w.Covers)
	default:
		t.add(&q, number, text, w)
		if q.Kind == listing.PageKind {
			t.seekers.set(number, text, false, w.Covers)
		}
	}
}

func (ix *Index) setUnknown(text string) {
	if ix.unknown == nil {
		ix.unknown = make(map[string]bool)
	}
	ix.unknown[text] = true
}

// tableOf returns the index of the table that a canonical text asks for, nil if it asks for
// none.
func (ix *Index) tableOf(text string) *tableIndex {
	if ix.site == nil {
		return nil
	}
	name := text
	if end := strings.IndexAny(text, "/?"); end >= 0 {
		name = text[:end]
	}
	if t := ix.site.Table(name); t != nil {
		return &ix.tables[t.Number]
	}
	return nil
}

// Remove forgets a query.
func (ix *Index) Remove(text string) {
	if _, ok := ix.unknown[text]; ok {
		delete(ix.unknown, text)
		return
	}
	t := ix.tableOf(text)
	if t == nil {
		return
	}
	if l, ok := t.lists[text]; ok {
		t.drop(l)
	} else if q, err := ix.site.Parse(text); err == nil && q.Kind == listing.RowKind {
		t.dropRow(q.Key, text)
	}
}

// RemoveFunc forgets the queries that match.
func (ix *Index) RemoveFunc(match func(text string) bool) {
	for text := range ix.unknown {
		if match(text) {
			delete(ix.unknown, text)
		}
	}
	for i := range ix.tables {
		t := &ix.tables[i]
		for text, l := range t.lists {
			if match(text) {
				t.drop(l)
			}
		}
		for key, text := range t.rows {
			if match(text) {
				t.dropRow(key, text)
			}
		}
	}
}

// Len returns the number of live queries.
func (ix *Index) Len() int {
	n := len(ix.unknown)
	for i := range ix.tables {
		n += len(ix.tables[i].lists) + len(ix.tables[i].rows)
	}
	return n
}

// Kinds is how many live queries of each kind a table has.
type Kinds struct {
	Table     string `json:"table"` // its name in addresses
	Lists     int    `json:"lists"`
	Summaries int    `json:"summaries"`
	Rows      int    `json:"rows"`
}

// Kinds appends to dst how many live queries of each kind every table has.
func (ix *Index) Kinds(dst []Kinds) []Kinds {
	for i := range ix.tables {
		t := &ix.tables[i]
		dst = append(dst, Kinds{t.table.Name, len(t.lists) - t.summaries, t.summaries, len(t.rows)})
	}
	return dst
}

// Unparsable returns how many live queries every change is taken to touch.
func (ix *Index) Unparsable() int { return len(ix.unknown) }

// Affected appends to dst the canonical texts of the queries that the change may alter, each
// once, in no order.
func (ix *Index) Affected(c *Change, dst []string) []string {
	for text := range ix.unknown {
		dst = append(dst, text)
	}
	if !ix.knows(c.Table) {
		for i := range ix.tables {
			dst = ix.tables[i].appendAll(dst)
		}
		return dst
	}
	from := len(dst)
	switch t := &ix.tables[c.Table.Number]; {
	case !c.bounded():
		dst = t.appendAll(dst)
	case c.Kind == BulkChange:
		dst = t.appendOfEnvelope(dst, c.Bulk)
	default:
		dst = t.appendOfRow(dst, c)
	}
	if insides := ix.insides[c.Table.Number]; len(insides) > 0 {
		dst = ix.appendInsides(dst, from, c, insides)
	}
	return dst
}

// appendInsides appends the queries that show rows of the changed table inside others. From some
// place on, dst has the queries that the change touches as one of their own table.
func (ix *Index) appendInsides(dst []string, from int, c *Change, insides []inside) []string {
	ix.change++
	if s := ix.tables[c.Table.Number].seekers; s != nil {
		s.note(dst[from:], ix.change)
	}
	for i := range insides {
		switch n := &insides[i]; {
		case !c.bounded():
			dst = n.appendAll(dst, ix.change)
		case c.Kind == BulkChange:
			dst = n.appendOfEnvelope(dst, c.Bulk, ix.change)
		default:
			dst = n.appendOfRow(dst, c, ix.change)
		}
	}
	return dst
}

// knows reports whether a change's table is one of the index's site, as any of its
// description's programs has made it.
func (ix *Index) knows(t *listing.Table) bool {
	return t != nil && ix.site != nil && (t.Site == ix.site || t.Site.Identity == ix.site.Identity)
}
