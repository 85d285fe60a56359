package match

import (
	"cmp"
	"math"

	"github.com/freshlist/freshlist/internal/listing"
)

// order is one of a table's orders.
type order struct {
	column, key *listing.Column
	dimension   dimension // of the column
	descending  bool
	backward    bool            // pages of it are read from its end: places are turned around once more
	wide        bool            // only PostgreSQL knows it: then it has no dimension, and its pages no ends
	shown       listing.Columns // the columns that the items of its pages have
}

func newOrder(s *space, sort int, backward bool) order {
	q := listing.Query{Table: s.table, Kind: listing.PageKind, Sort: sort}
	of := q.Order()
	o := order{column: of.Column, key: s.table.KeyColumn(), descending: of.Descending, backward: backward, wide: of.Wide, shown: q.Columns(), dimension: none}
	if !o.wide {
		o.dimension = s.dimension(o.column)
	}
	return o
}

// page is the stretch of an order that a live page covers: what lies behind its cursor, up to
// the row that showed that there is a next page. A page before a cursor covers what lies behind it
// in the order that is read backwards, up to the row that showed that there is a page before. (The
// other link, back to where it came from, depends on its rows only.) It is kept in a short form,
// since an index holds very many.
type page struct {
	after, last, ahead place  // the cursor and the window's two places
	sort               uint16 // the number of its order in the space
	hasAfter           bool   // whether there is a cursor
	bounded            bool   // whether the window has an end; else it is wide
}

func (s *space) pageOf(q *listing.Query, w listing.Window) page {
	p := page{sort: uint16(q.Sort)}
	if q.Backward {
		p.sort += uint16(len(s.table.Orders))
	}
	if o := &s.orders[p.sort]; q.After.Valid && !o.wide {
		p.hasAfter, p.after = true, o.placeOf(s.table.PlaceOf(q.Sort, q.After.V))
	}
	s.setWindow(&p, w)
	return p
}

func (s *space) setWindow(p *page, w listing.Window) {
	p.bounded, p.last, p.ahead = false, place{}, place{}
	if o := &s.orders[p.sort]; w.Bounded && !o.wide {
		p.bounded, p.last, p.ahead = true, o.placeOf(w.Last), o.placeOf(w.Ahead)
	}
}

// place is a listing.Place turned so that places, compared by their two numbers as they are,
// stand in their order.
type place struct{ value, key int64 }

// nullLast is the value of a NULL's place. No value of a column is so large.
const nullLast = math.MaxInt64

func (o *order) placeOf(p listing.Place) place {
	v := p.Value.V
	if !p.Value.Valid {
		v = nullAt
	}
	return o.place(v, p.Key)
}

// place returns the place of a row with a coordinate and the number of a key.
func (o *order) place(at, key int64) place {
	p := place{at, key}
	if o.descending {
		p = p.turned() // which puts NULL to its end
	} else if at == nullAt {
		p.value = nullLast
	}
	if o.backward {
		return p.turned()
	}
	return p
}

// turned returns a place among others in the opposite order.
func (p place) turned() place { return place{^p.value, ^p.key} }

// value returns the coordinate that a place has been made of; none for a NULL.
func (o *order) value(p place) listing.Null[int64] {
	if o.backward {
		p = p.turned()
	}
	switch {
	case p.value == nullLast:
		return listing.Null[int64]{}
	case o.descending:
		return listing.Some(^p.value)
	default:
		return listing.Some(p.value)
	}
}

// falls reports whether values become less in the direction in which pages are read.
func (o *order) falls() bool { return o.descending != o.backward }

// compare compares places. It is not sure where their numbers are the same and do not tell
// all values apart.
func (o *order) compare(p, q place) (c int, sure bool) {
	if p.value != q.value {
		return cmp.Compare(p.value, q.value), true
	}
	if v := o.value(p); v.Valid && !o.column.Distinct(v.V) {
		return 0, false
	}
	if p.key != q.key {
		return cmp.Compare(p.key, q.key), true
	}
	key := p.key
	if o.falls() {
		key = ^key
	}
	return 0, o.key.Distinct(key)
}

// class is where a row stands to a page.
type class uint8

const (
	out    class = iota // not of the filter, not behind the cursor, or behind the window
	in                  // on the page
	next                // behind it, up to the row that showed that there is a next page
	missed              // only before a change: it lay where the page reaches, and was not shown
)

// class returns where a row of the filter stands. A row that may be on the page counts as on
// it: if it is not, what moves it there or away is a difference of the key or of the order's
// column, which both count as shown.
func (p *page) class(o *order, r *point) class {
	if !p.hasAfter && !p.bounded {
		return in
	}
	at := o.place(r.at[o.dimension], r.key)
	if p.hasAfter {
		if c, sure := o.compare(at, p.after); !sure {
			return in
		} else if c <= 0 {
			return out
		}
	}
	if !p.bounded {
		return in
	}
	if c, sure := o.compare(at, p.last); !sure || c <= 0 {
		return in
	}
	switch c, sure := o.compare(at, p.ahead); {
	case !sure:
		return in
	case c <= 0:
		return next
	default:
		return out
	}
}

// holds reports whether a row of the filter, of class in, is on the page for certain.
func (p *page) holds(o *order, r *point) bool {
	at := o.place(r.at[o.dimension], r.key)
	if p.hasAfter {
		if _, sure := o.compare(at, p.after); !sure {
			return false
		}
	}
	if !p.bounded {
		return true
	}
	c, sure := o.compare(at, p.last)
	return sure && c <= 0
}

// reach is the stretch of the order's column that a page reaches over: all that its classes
// in and next can hold, and perhaps a little more.
type reach struct {
	values    bool                // whether it holds rows with a value there
	low, high listing.Null[int64] // between which values, inclusive; invalid = without end
	null      bool                // whether it holds rows with a NULL there, which stand last, and are read first backwards
}

func (p *page) reach(o *order) reach {
	r := reach{values: true, null: true}
	first, last := &r.values, &r.null // which of the two is read first
	if o.backward {
		first, last = last, first
	}
	if p.hasAfter {
		r.low = o.value(p.after)
		*first = r.low.Valid != o.backward // behind the last of them there is none any more
	}
	if p.bounded {
		end := p.last
		if p.ahead.value > end.value {
			end = p.ahead
		}
		r.high = o.value(end)
		*last = r.high.Valid == o.backward
	}
	if o.falls() {
		r.low, r.high = r.high, r.low
	}
	return r
}

// span returns the stretch of the order's axis that the page reaches over.
func (r reach) span() span {
	if !r.values {
		if r.null {
			return span{nullAt, nullAt}
		}
		return nothing()
	}
	s := span{lowest, highest}
	if r.low.Valid {
		s.low = r.low.V
	}
	if r.high.Valid {
		s.high = r.high.V
	}
	if r.null {
		s.low = nullAt // more than the page reaches, if low values stand before the NULLs
	}
	return s
}
