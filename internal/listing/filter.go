package listing

import "slices"

// Match reports whether PostgreSQL would find the row by the filter. A NULL in
// the row matches no condition on its column, bounds and the box's edges are
// included, and texts are compared byte by byte. The one condition that only
// PostgreSQL can decide, Text, counts as met: see HasText.
func (f *Filter) Match(r *Row) bool {
	return oneOf(f.City, r.City) &&
		oneOfNull(f.PostalCode, r.PostalCode) &&
		oneOf(f.PropertyType, r.PropertyType) &&
		oneOf(f.Status, r.Status) &&
		within(Some(r.Price), f.MinPrice, f.MaxPrice) &&
		within(r.Bedrooms, f.MinBedrooms, f.MaxBedrooms) &&
		within(r.Bathrooms, f.MinBathrooms, Null[int16]{}) &&
		within(r.LivingArea, f.MinArea, f.MaxArea) &&
		(!f.Box.Valid || f.Box.V.contains(r.Latitude, r.Longitude))
}

// HasText reports whether the filter has a text search, which Match cannot decide.
func (f *Filter) HasText() bool { return f.Text != "" }

// Columns returns the columns that the filter's answer depends on.
func (f *Filter) Columns() Columns {
	var s Columns
	add := func(used bool, columns ...Column) {
		if used {
			s |= ColumnSet(columns...)
		}
	}
	add(len(f.City) > 0, City)
	add(len(f.PostalCode) > 0, PostalCode)
	add(len(f.PropertyType) > 0, PropertyType)
	add(len(f.Status) > 0, Status)
	add(f.MinPrice.Valid || f.MaxPrice.Valid, Price)
	add(f.MinBedrooms.Valid || f.MaxBedrooms.Valid, Bedrooms)
	add(f.MinBathrooms.Valid, Bathrooms)
	add(f.MinArea.Valid || f.MaxArea.Valid, LivingArea)
	add(f.Box.Valid, Latitude, Longitude)
	add(f.HasText(), Title, Description)
	return s
}

func oneOf(list []string, v string) bool {
	return len(list) == 0 || slices.Contains(list, v)
}

func oneOfNull(list []string, v Null[string]) bool {
	return len(list) == 0 || v.Valid && slices.Contains(list, v.V)
}

func within[T int16 | int32 | int64](v, low, high Null[T]) bool {
	if !low.Valid && !high.Valid {
		return true
	}
	return v.Valid && (!low.Valid || v.V >= low.V) && (!high.Valid || v.V <= high.V)
}

func (b *Box) contains(latitude, longitude Null[float64]) bool {
	return latitude.Valid && longitude.Valid &&
		latitude.V >= b.South && latitude.V <= b.North &&
		longitude.V >= b.West && longitude.V <= b.East
}
