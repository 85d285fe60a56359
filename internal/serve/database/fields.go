package database

import "github.com/freshlist/freshlist/internal/listing"

// Fields are values for some columns of a property. The columns id, created_at
// and updated_at are not for callers to set: values for them are ignored.
type Fields struct {
	Columns listing.Columns  // the columns that have a value
	Values  listing.Property // of the other columns nothing is read
}

// field is one column that a write may set.
type field struct {
	column listing.Column
	name   string
	cast   string                        // behind the parameter, whole cents and tenths become numeric
	value  func(p *listing.Property) any // as a parameter
	copy   func(to, from *listing.Property)
}

// fields are the columns that a write may set.
func fields() []field {
	type p = listing.Property
	return []field{
		text(listing.Title, "title", func(p *p) *string { return &p.Title }),
		text(listing.Description, "description", func(p *p) *string { return &p.Description }),
		text(listing.PropertyType, "property_type", func(p *p) *string { return &p.PropertyType }),
		text(listing.Status, "status", func(p *p) *string { return &p.Status }),
		{
			listing.Price, "price", "::bigint * 0.01",
			func(p *p) any { return p.Price },
			func(to, from *p) { to.Price = from.Price },
		},
		text(listing.City, "city", func(p *p) *string { return &p.City }),
		nullable(listing.PostalCode, "postal_code", "::text", func(p *p) *listing.Null[string] { return &p.PostalCode }),
		nullable(listing.Bedrooms, "bedrooms", "::smallint", func(p *p) *listing.Null[int16] { return &p.Bedrooms }),
		nullable(listing.Bathrooms, "bathrooms", "::smallint * 0.1", func(p *p) *listing.Null[int16] { return &p.Bathrooms }),
		nullable(listing.LivingArea, "living_area", "::integer", func(p *p) *listing.Null[int32] { return &p.LivingArea }),
		nullable(listing.Latitude, "latitude", "::float8", func(p *p) *listing.Null[float64] { return &p.Latitude }),
		nullable(listing.Longitude, "longitude", "::float8", func(p *p) *listing.Null[float64] { return &p.Longitude }),
	}
}

func text(c listing.Column, name string, at func(*listing.Property) *string) field {
	return field{
		c, name, "::text",
		func(p *listing.Property) any { return *at(p) },
		func(to, from *listing.Property) { *at(to) = *at(from) },
	}
}

func nullable[T any](c listing.Column, name, cast string, at func(*listing.Property) *listing.Null[T]) field {
	return field{
		c, name, cast,
		func(p *listing.Property) any {
			if v := at(p); v.Valid {
				return v.V
			}
			return nil
		},
		func(to, from *listing.Property) { *at(to) = *at(from) },
	}
}

// given returns the columns that have a value.
func (f *Fields) given() []field {
	var given []field
	for _, c := range fields() {
		if f.Columns&listing.ColumnSet(c.column) != 0 {
			given = append(given, c)
		}
	}
	return given
}

// appliedTo returns p with the fields' values.
func (f *Fields) appliedTo(p listing.Property) listing.Property {
	for _, c := range f.given() {
		c.copy(&p, &f.Values)
	}
	return p
}
