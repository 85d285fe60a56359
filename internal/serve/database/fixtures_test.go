package database_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/listing"
)

// crowd returns n properties with few different values, so that ties, NULLs and
// equal groups abound. Equal seeds give equal crowds.
func crowd(n int, seed uint64) []listing.Property {
	r := rand.New(rand.NewPCG(seed, 1))
	start := time.Date(2008, 5, 15, 0, 0, 0, 0, time.UTC)
	rows := make([]listing.Property, n)
	for i := range rows {
		created := listing.MicrosOf(start.Add(time.Duration(r.IntN(n/3+1)) * 7 * time.Microsecond))
		rows[i] = listing.Property{
			Row: listing.Row{
				ID:           int64(i + 1),
				PropertyType: pick(r, "Residential", "Condo", "Multi_Family"),
				Status:       pick(r, "for_sale", "pending", "sold"),
				Price:        int64(r.IntN(20)) * 1_250_01,
				City:         pick(r, "FOLSOM", "ELK_GROVE", "Folsom", "Ärla", "a,b", "É"),
				PostalCode:   maybe(r, pick(r, "95630", "95624")),
				Bedrooms:     maybe(r, int16(r.IntN(6))),
				Bathrooms:    maybe(r, int16(r.IntN(8)*5)),
				LivingArea:   maybe(r, int32(500+r.IntN(12)*100)),
				Latitude:     maybe(r, 38+float64(r.IntN(5))/4),
				Longitude:    maybe(r, -121-float64(r.IntN(5))/4),
				CreatedAt:    created,
			},
			Title:       fmt.Sprintf("%d-bed home", i%7),
			Description: pick(r, "A sunny garden.", "Near the river.", ""),
			UpdatedAt:   created,
		}
	}
	return rows
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func maybe[T any](r *rand.Rand, v T) listing.Null[T] {
	if r.IntN(5) == 0 {
		return listing.Null[T]{}
	}
	return listing.Some(v)
}

// item is a property as a list shows it.
func item(p listing.Property) listing.Property {
	p.Description, p.UpdatedAt = "", 0
	return p
}

// find answers a page without its cursor and limit, in Go.
func find(rows []listing.Property, q listing.Query) []listing.Property {
	var found []listing.Property
	for _, p := range rows {
		if q.Filter.Match(&p.Row) {
			found = append(found, item(p))
		}
	}
	slices.SortFunc(found, func(a, b listing.Property) int {
		return q.Sort.Compare(q.Sort.Key(&a.Row), q.Sort.Key(&b.Row))
	})
	return found
}

func fixed(v int64, scale int32) pgtype.Numeric {
	return pgtype.Numeric{Int: big.NewInt(v), Exp: -scale, Valid: true}
}

func fixedNull(v listing.Null[int16], scale int32) pgtype.Numeric {
	if !v.Valid {
		return pgtype.Numeric{}
	}
	return fixed(int64(v.V), scale)
}

func null[T any](v listing.Null[T]) any {
	if !v.Valid {
		return nil
	}
	return v.V
}
