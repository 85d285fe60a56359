package match

import "github.com/freshlist/freshlist/internal/listing"

// page is what a decision needs to know of one live page.
type page struct {
	filter *listing.Filter
	sort   listing.Sort
	after  listing.Null[listing.Key] // the cursor
	window listing.Window
}

// class is where a row stands to a page.
type class uint8

const (
	out  class = iota // not of the filter, not behind the cursor, or behind the window
	in                // on the page
	next              // behind it, up to the row that showed that there is a next page
)

// class returns where the row stands, as far as Go can tell: a row that only a
// text search may exclude is classed as if it did not.
func (p *page) class(r *listing.Row) class {
	k := p.sort.Key(r)
	switch {
	case p.after.Valid && p.sort.Compare(k, p.after.V) <= 0:
		return out
	case p.window.Bounded && p.sort.Compare(k, p.window.Ahead) > 0:
		return out
	case !p.filter.Match(r):
		return out
	case p.window.Bounded && p.sort.Compare(k, p.window.Last) > 0:
		return next
	default:
		return in
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
	if p.after.Valid {
		// NULLs come last: behind one there is no value any more.
		r.values, r.low = p.after.V.Value.Valid, p.after.V.Value
	}
	if p.window.Bounded {
		r.null, r.high = r.null && !p.window.Ahead.Value.Valid, p.window.Ahead.Value
	}
	if p.sort.Descending() {
		r.low, r.high = r.high, r.low
	}
	return r
}
