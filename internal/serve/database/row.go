package database

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
)

// row is a row of properties as pgx reads it, in the order of propertyColumns. Any column
// but id may be NULL: somebody may have dropped a NOT NULL.
type row struct {
	id                         int64
	title, description         pgtype.Text
	propertyType, status, city pgtype.Text
	postalCode                 pgtype.Text
	price                      pgtype.Int8
	bedrooms, bathrooms        pgtype.Int2
	livingArea                 pgtype.Int4
	latitude, longitude        pgtype.Float8
	createdAt, updatedAt       pgtype.Timestamptz
	whole                      bool // updatedAt and description are read
	into                       [16]any
}

// destinations returns where to scan, behind first, the columns of an item or of
// a whole property.
func (r *row) destinations(first any, whole bool) []any {
	r.into = [...]any{
		first, &r.id, &r.propertyType, &r.status, &r.price, &r.city, &r.postalCode, &r.bedrooms,
		&r.bathrooms, &r.livingArea, &r.latitude, &r.longitude, &r.createdAt, &r.title,
		&r.description, &r.updatedAt,
	}
	r.whole = whole
	if whole {
		return r.into[:]
	}
	return r.into[:len(r.into)-2]
}

// property returns what has been scanned. A NULL where an answer has no room for one comes
// as listing.NoPrice or listing.NoInstant, and of a text as an empty one. Such a table is not cached: see freshlist.properties_misfits.
func (r *row) property() listing.Property {
	p := listing.Property{
		Row: listing.Row{
			ID:           r.id,
			PropertyType: r.propertyType.String,
			Status:       r.status.String,
			Price:        listing.NoPrice,
			City:         r.city.String,
			PostalCode:   listing.Null[string]{V: r.postalCode.String, Valid: r.postalCode.Valid},
			Bedrooms:     listing.Null[int16]{V: r.bedrooms.Int16, Valid: r.bedrooms.Valid},
			Bathrooms:    listing.Null[int16]{V: r.bathrooms.Int16, Valid: r.bathrooms.Valid},
			LivingArea:   listing.Null[int32]{V: r.livingArea.Int32, Valid: r.livingArea.Valid},
			Latitude:     listing.Null[float64]{V: r.latitude.Float64, Valid: r.latitude.Valid},
			Longitude:    listing.Null[float64]{V: r.longitude.Float64, Valid: r.longitude.Valid},
			CreatedAt:    instant(r.createdAt),
		},
		Title:       r.title.String,
		Description: r.description.String,
	}
	if r.price.Valid {
		p.Price = r.price.Int64
	}
	if r.whole {
		p.UpdatedAt = instant(r.updatedAt)
	}
	return p
}

func instant(t pgtype.Timestamptz) listing.Micros {
	switch {
	case !t.Valid:
		return listing.NoInstant
	case t.InfinityModifier == pgtype.Infinity:
		return listing.Infinity
	case t.InfinityModifier == pgtype.NegativeInfinity:
		return listing.LongAgo
	default:
		return listing.MicrosOf(t.Time)
	}
}
