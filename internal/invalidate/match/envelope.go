package match

import (
	"slices"

	"github.com/freshlist/freshlist/internal/listing"
)

// An envelope's box holds every row of its statement, before and after. A query
// whose own box does not meet it cannot have changed; any other is purged.

// affectsSummary: a summary depends on the columns that it aggregates and on
// those that its filter compares.
func (e *Envelope) affectsSummary(f *listing.Filter) bool {
	return e.Changed&(listing.SummaryColumns|f.Columns()) != 0 && e.meets(f)
}

// affectsPage: a list shows every column that its filter compares, but for the
// description that a text search reads.
func (e *Envelope) affectsPage(f *listing.Filter, p *page) bool {
	effect := effectOf(e.Changed, f.HasText())
	return (effect.shown || effect.searched) && e.meets(f) && e.reaches(p)
}

// meets reports whether some row of the envelope may match the filter.
func (e *Envelope) meets(f *listing.Filter) bool {
	return e.City.meets(f.City) &&
		e.PostalCode.meets(f.PostalCode) &&
		e.PropertyType.meets(f.PropertyType) &&
		e.Status.meets(f.Status) &&
		e.Price.meets(f.MinPrice, f.MaxPrice) &&
		e.Bedrooms.meets(f.MinBedrooms, f.MaxBedrooms) &&
		e.Bathrooms.meets(f.MinBathrooms, listing.Null[int16]{}) &&
		e.LivingArea.meets(f.MinArea, f.MaxArea) &&
		(!f.Box.Valid || e.overlaps(f.Box.V))
}

func (e *Envelope) overlaps(b listing.Box) bool {
	place := func(degrees float64) listing.Null[int64] { return listing.Some(listing.PlaceOf(degrees)) }
	return e.Latitude.meets(place(b.South), place(b.North)) && e.Longitude.meets(place(b.West), place(b.East))
}

// reaches reports whether some row of the envelope may stand behind the page's
// cursor and not behind its window. It compares the sorted column alone: equal
// values count as reached whatever the ids.
func (e *Envelope) reaches(p *page) bool {
	column, r := p.sort.Column(), p.reach()
	if r.null && e.Nulls&listing.ColumnSet(column) != 0 {
		return true
	}
	if !r.values {
		return false
	}
	switch column {
	case listing.Price:
		return e.Price.meets(r.low, r.high)
	case listing.LivingArea:
		return widened(e.LivingArea).meets(r.low, r.high)
	case listing.CreatedAt:
		return widened(e.CreatedAt).meets(r.low, r.high)
	default:
		return true
	}
}

// meets reports whether the range may hold a value between the bounds; without
// bounds even a NULL meets them.
func (r Range[T]) meets(low, high listing.Null[T]) bool {
	if r.Any || !low.Valid && !high.Valid {
		return true
	}
	return r.Valid && (!high.Valid || r.Min <= high.V) && (!low.Valid || r.Max >= low.V)
}

// meets reports whether the set may hold one of a filter's values; an empty list
// is no condition, and even a NULL meets it.
func (s Set) meets(list []string) bool {
	return s.Any || len(list) == 0 ||
		slices.ContainsFunc(list, func(v string) bool { return slices.Contains(s.Values, v) })
}

func widened[T int32 | listing.Micros](r Range[T]) Range[int64] {
	return Range[int64]{Min: int64(r.Min), Max: int64(r.Max), Valid: r.Valid, Any: r.Any}
}
