package match

import (
	"errors"
	"math"

	"github.com/freshlist/freshlist/internal/listing"
)

// A row is a point in a space whose dimensions are the columns that have an
// order; a live query is a box in it, and a change can touch the query only if
// the row's point, before or after, lies in the box. Coordinates are int64 that
// order as the column's values do.

// dimension is one axis of the space.
type dimension uint8

const (
	byCreation dimension = iota // first, since it tells most pages apart
	byPrice
	byArea
	byBedrooms
	byBathrooms
	byLatitude
	byLongitude
	dimensions
)

// nullAt is the coordinate of a NULL; no value of any column has it.
const nullAt = math.MinInt64

// point is a row's place.
type point [dimensions]int64

func pointOf(r *listing.Row) point {
	return point{
		byPrice:     r.Price,
		byArea:      coordinate(r.LivingArea),
		byCreation:  int64(r.CreatedAt),
		byBedrooms:  coordinate(r.Bedrooms),
		byBathrooms: coordinate(r.Bathrooms),
		byLatitude:  degrees(r.Latitude),
		byLongitude: degrees(r.Longitude),
	}
}

func coordinate[T int16 | int32](v listing.Null[T]) int64 {
	if !v.Valid {
		return nullAt
	}
	return int64(v.V)
}

func degrees(v listing.Null[float64]) int64 {
	if !v.Valid {
		return nullAt
	}
	return listing.PlaceOf(v.V)
}

// span is a stretch of one axis, both ends included. It is empty if low > high.
type span struct{ low, high int64 }

// The ends of the stretch of all values; NULL lies outside.
const (
	lowest  = nullAt + 1
	highest = math.MaxInt64
)

// everything holds every value and NULL.
func everything() span { return span{nullAt, highest} }

// nothing holds nothing.
func nothing() span { return span{highest, nullAt} }

// spanOf returns the stretch that bounds on a column leave. NULL meets no bound.
func spanOf[T int16 | int32 | int64](low, high listing.Null[T]) span {
	s := everything()
	if low.Valid || high.Valid {
		s.low = lowest
	}
	if low.Valid {
		s.low = int64(low.V)
	}
	if high.Valid {
		s.high = int64(high.V)
	}
	return s
}

// partOf returns which part of a cut the stretch belongs to.
func (s span) partOf(at int64) int {
	switch {
	case s.high < at:
		return below
	case s.low > at:
		return above
	case s.low <= lowest && s.high == highest:
		return whole
	default:
		return cross
	}
}

func (s span) holds(x int64) bool { return s.low <= x && x <= s.high }

func (s span) intersect(t span) span { return span{max(s.low, t.low), min(s.high, t.high)} }

// join returns the stretch from the one to the other.
func (s span) join(t span) span { return span{min(s.low, t.low), max(s.high, t.high)} }

// filterSpan returns the stretch of one axis in which a filter's rows lie. All
// axes together are exactly what the filter says of columns that have an order.
func filterSpan(f *listing.Filter, d dimension) span {
	switch d {
	case byPrice:
		return spanOf(f.MinPrice, f.MaxPrice)
	case byArea:
		return spanOf(f.MinArea, f.MaxArea)
	case byBedrooms:
		return spanOf(f.MinBedrooms, f.MaxBedrooms)
	case byBathrooms:
		return spanOf(f.MinBathrooms, listing.Null[int16]{})
	case byLatitude:
		if f.Box.Valid {
			return span{listing.PlaceOf(f.Box.V.South), listing.PlaceOf(f.Box.V.North)}
		}
	case byLongitude:
		if f.Box.Valid {
			return span{listing.PlaceOf(f.Box.V.West), listing.PlaceOf(f.Box.V.East)}
		}
	}
	return everything()
}

// errAxis is a fault of the program.
var errAxis = errors.New("match: there is no axis for that order")

func sortedBy(s listing.Sort) dimension {
	switch s.Column() {
	case listing.Price:
		return byPrice
	case listing.LivingArea:
		return byArea
	case listing.CreatedAt:
		return byCreation
	default:
		panic(errAxis)
	}
}

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
