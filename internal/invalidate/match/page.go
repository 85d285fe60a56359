package match

import (
	"cmp"
	"math"

	"github.com/freshlist/freshlist/internal/listing"
)

// page is the stretch of an order that a live page covers: what lies behind its
// cursor, up to the row that showed that there is a next page. It is kept in a
// short form, since an index holds very many.
type page struct {
	after, last, ahead place // the cursor and the window's two keys
	sort               listing.Sort
	hasAfter           bool // whether there is a cursor
	bounded            bool // whether the window has an end; else it is wide
}

func pageOf(q *listing.Query, w listing.Window) page {
	p := page{sort: q.Sort, hasAfter: q.After.Valid, after: placeOf(q.Sort, q.After.V)}
	p.setWindow(w)
	return p
}

func (p *page) setWindow(w listing.Window) {
	p.bounded, p.last, p.ahead = w.Bounded, placeOf(p.sort, w.Last), placeOf(p.sort, w.Ahead)
}

// place is a key turned so that places, compared by their two numbers as they
// are, stand in the order of the key's sort.
type place struct{ value, id int64 }

// nullLast is the value of a NULL's place. No value of a sorted column is so large.
const nullLast = math.MaxInt64

func placeOf(s listing.Sort, k listing.Key) place {
	p := place{k.Value.V, k.ID}
	if s.Descending() {
		p = place{^p.value, ^p.id} // the complement turns an order around
	}
	if !k.Value.Valid {
		p.value = nullLast
	}
	return p
}

func (p place) compare(q place) int {
	if c := cmp.Compare(p.value, q.value); c != 0 {
		return c
	}
	return cmp.Compare(p.id, q.id)
}

// class is where a row stands to a page.
type class uint8

const (
	out  class = iota // not of the filter, not behind the cursor, or behind the window
	in                // on the page
	next              // behind it, up to the row that showed that there is a next page
)

// class returns where a row of the filter stands.
func (p *page) class(r *listing.Row) class {
	at := placeOf(p.sort, p.sort.Key(r))
	switch {
	case p.hasAfter && at.compare(p.after) <= 0:
		return out
	case !p.bounded || at.compare(p.last) <= 0:
		return in
	case at.compare(p.ahead) <= 0:
		return next
	default:
		return out
	}
}

// reach is the stretch of the sorted column that a page reaches over: all that
// its classes in and next can hold, and perhaps a little more.
type reach struct {
	values    bool                // whether it holds rows with a value there
	low, high listing.Null[int64] // between which values, inclusive; invalid = without end
	null      bool                // whether it holds rows with a NULL there, which stand last
}

func (p *page) reach() reach {
	r := reach{values: true, null: p.sort.Column() == listing.LivingArea}
	value := func(at place) listing.Null[int64] {
		switch {
		case at.value == nullLast:
			return listing.Null[int64]{}
		case p.sort.Descending():
			return listing.Some(^at.value)
		default:
			return listing.Some(at.value)
		}
	}
	if p.hasAfter {
		r.low = value(p.after)
		r.values = r.low.Valid // behind a NULL there is no value any more
	}
	if p.bounded {
		end := p.last
		if p.ahead.compare(end) > 0 {
			end = p.ahead
		}
		r.high = value(end)
		r.null = r.null && !r.high.Valid
	}
	if p.sort.Descending() {
		r.low, r.high = r.high, r.low
	}
	return r
}
