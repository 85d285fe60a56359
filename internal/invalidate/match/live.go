package match

import "github.com/freshlist/freshlist/internal/listing"

// Live is one live query with the window that its cached answer covers. It says why a change
// affects it or spares it, by the same decisions as an Index, which finds the affected ones
// among very many without asking each. It is safe for concurrent use, and stays what it is when
// the index changes that it was taken from.
type Live struct {
	text  string
	table *space        // nil: its text does not parse
	list  *liveQuery    // of a page or a summary
	key   listing.Value // of a single row

	covers []listing.Cover // of its joins; nil: all are wide
	brief  bool            // its decisions name no condition and no column
}

// Text returns the query's canonical text.
func (l *Live) Text() string { return l.text }

// Table returns the table that the query asks for; nil if its text does not parse.
func (l *Live) Table() *listing.Table {
	if l.table == nil {
		return nil
	}
	return l.table.table
}

// Registry makes Lives of a site's tables. It is safe for concurrent use.
type Registry struct {
	site   *listing.Site
	spaces []*space // by the tables' numbers
}

// NewRegistry returns what makes Lives of a site's tables.
func NewRegistry(site *listing.Site) *Registry {
	r := &Registry{site: site}
	for _, t := range site.Tables {
		r.spaces = append(r.spaces, newSpace(t))
	}
	return r
}

// Live returns the live query of a canonical text and a window.
func (r *Registry) Live(text string, w listing.Window) Live {
	q, err := r.site.Parse(text)
	if err != nil {
		return Live{text: text}
	}
	s := r.spaces[q.Table.Number]
	if q.Kind == listing.RowKind {
		return Live{text: text, table: s, key: q.Key, covers: w.Covers}
	}
	return Live{text: text, table: s, list: newLiveQuery(&q, newFilter(s, q.Filter, ""), 0, text, w), covers: w.Covers}
}

// Live returns one of the index's queries; false if it is not in it.
func (ix *Index) Live(text string) (Live, bool) {
	if ix.unknown[text] {
		return Live{text: text}, true
	}
	t := ix.tableOf(text)
	if t == nil {
		return Live{}, false
	}
	if l, ok := t.lists[text]; ok {
		return t.liveList(l), true
	}
	q, err := ix.site.Parse(text)
	if err != nil || q.Kind != listing.RowKind || t.rows[q.Key] != text {
		return Live{}, false
	}
	return t.liveRow(q.Key, text), true
}

// All returns every live query as it is now, in no order.
func (ix *Index) All() []Live {
	all := make([]Live, 0, ix.Len())
	for text := range ix.unknown {
		all = append(all, Live{text: text})
	}
	for i := range ix.tables {
		t := &ix.tables[i]
		copies := make([]liveQuery, 0, len(t.lists))
		for _, l := range t.lists {
			copies = append(copies, *l)
			all = append(all, Live{text: l.text, table: t.space, list: &copies[len(copies)-1], covers: t.seekers.coversOf(l.text)})
		}
		for key, text := range t.rows {
			all = append(all, t.liveRow(key, text))
		}
	}
	return all
}

// liveList returns a page or a summary as it is now.
func (t *tableIndex) liveList(l *liveQuery) Live {
	kept := *l
	return Live{text: l.text, table: t.space, list: &kept, covers: t.seekers.coversOf(l.text)}
}

// liveRow returns the query of a single row as it is now.
func (t *tableIndex) liveRow(key listing.Value, text string) Live {
	return Live{text: text, table: t.space, key: key, covers: t.seekers.coversOf(text)}
}

// Some returns about n live queries of a table, drawn without a plan, lists before single rows.
func (ix *Index) Some(t *listing.Table, n int) []Live {
	if !ix.knows(t) {
		return nil
	}
	of := &ix.tables[t.Number]
	some := make([]Live, 0, n)
	for _, l := range of.lists {
		if len(some) == n {
			return some
		}
		some = append(some, of.liveList(l))
	}
	for key, text := range of.rows {
		if len(some) == n {
			break
		}
		some = append(some, of.liveRow(key, text))
	}
	return some
}
