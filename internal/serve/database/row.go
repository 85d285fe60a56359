package database

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
)

// row is a row of properties as pgx reads it, in the order of propertyColumns.
type row struct {
	p                    listing.Property // the columns that are never NULL
	postalCode           pgtype.Text
	bedrooms, bathrooms  pgtype.Int2
	livingArea           pgtype.Int4
	latitude, longitude  pgtype.Float8
	createdAt, updatedAt pgtype.Timestamptz
	into                 [16]any
}

// destinations returns where to scan, behind first, the columns of an item or of
// a whole property.
func (r *row) destinations(first any, whole bool) []any {
	r.into = [...]any{
		first, &r.p.ID, &r.p.PropertyType, &r.p.Status, &r.p.Price, &r.p.City, &r.postalCode, &r.bedrooms,
		&r.bathrooms, &r.livingArea, &r.latitude, &r.longitude, &r.createdAt, &r.p.Title,
		&r.p.Description, &r.updatedAt,
	}
	if whole {
		return r.into[:]
	}
	return r.into[:len(r.into)-2]
}

// property returns what has been scanned.
func (r *row) property() listing.Property {
	p := r.p
	p.PostalCode = listing.Null[string]{V: r.postalCode.String, Valid: r.postalCode.Valid}
	p.Bedrooms = listing.Null[int16]{V: r.bedrooms.Int16, Valid: r.bedrooms.Valid}
	p.Bathrooms = listing.Null[int16]{V: r.bathrooms.Int16, Valid: r.bathrooms.Valid}
	p.LivingArea = listing.Null[int32]{V: r.livingArea.Int32, Valid: r.livingArea.Valid}
	p.Latitude = listing.Null[float64]{V: r.latitude.Float64, Valid: r.latitude.Valid}
	p.Longitude = listing.Null[float64]{V: r.longitude.Float64, Valid: r.longitude.Valid}
	p.CreatedAt = instant(r.createdAt)
	if r.updatedAt.Valid {
		p.UpdatedAt = instant(r.updatedAt)
	}
	return p
}

func instant(t pgtype.Timestamptz) listing.Micros {
	switch t.InfinityModifier {
	case pgtype.Infinity:
		return listing.Infinity
	case pgtype.NegativeInfinity:
		return listing.LongAgo
	default:
		return listing.MicrosOf(t.Time)
	}
}
