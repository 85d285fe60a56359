package feed

import (
	"cmp"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// changeColumns are the columns of a change in the order that scanned reads them:
// prices as cents, bathrooms as tenths, both exact.
const changeColumns = `
	xid::text::bigint, kind, coalesce(changed, 0), coalesce(nulls, 0), property_types, statuses, cities, postal_codes,
	old_id, old_property_type, old_status, (old_price * 100)::bigint, old_city, old_postal_code, old_bedrooms,
	(old_bathrooms * 10)::smallint, old_living_area, old_latitude, old_longitude, old_created_at,
	new_id, new_property_type, new_status, (new_price * 100)::bigint, new_city, new_postal_code, new_bedrooms,
	(new_bathrooms * 10)::smallint, new_living_area, new_latitude, new_longitude, new_created_at`

// The values of the column kind.
const (
	rowKind   = 0
	bulkKind  = 1
	wholeKind = 2
)

// scanned is a change as it is selected. Its pointers are nil for NULL.
type scanned struct {
	xid            int64
	kind           int16
	changed, nulls int32
	sets           [4][]string // property types, statuses, cities, postal codes; nil for too many
	old, new       values
}

type values struct {
	id           *int64
	propertyType *string
	status       *string
	price        *int64
	city         *string
	postalCode   *string
	bedrooms     *int16
	bathrooms    *int16
	livingArea   *int32
	latitude     *float64
	longitude    *float64
	createdAt    *time.Time
}

func (v *values) destinations() []any {
	return []any{
		&v.id, &v.propertyType, &v.status, &v.price, &v.city, &v.postalCode, &v.bedrooms,
		&v.bathrooms, &v.livingArea, &v.latitude, &v.longitude, &v.createdAt,
	}
}

// decodeChanges reads at most most changes (0: all of them), and the transaction of
// each.
func decodeChanges(rows pgx.Rows, most int) (changes []match.Change, xids []uint64, err error) {
	var s scanned
	to := []any{&s.xid, &s.kind, &s.changed, &s.nulls, &s.sets[0], &s.sets[1], &s.sets[2], &s.sets[3]}
	to = append(append(to, s.old.destinations()...), s.new.destinations()...)
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return nil, nil, fmt.Errorf("read a change: %w", err)
		}
		changes, xids = append(changes, s.change()), append(xids, uint64(s.xid))
		if len(changes) == most {
			return changes, xids, nil
		}
	}
	return changes, xids, rows.Err()
}

// change returns what was scanned. A kind that this program does not know is a
// change of anything.
func (s *scanned) change() match.Change {
	switch s.kind {
	case rowKind:
		return match.Change{
			Kind: match.RowChange, Old: s.old.row(), New: s.new.row(), HasOld: s.old.id != nil, HasNew: s.new.id != nil,
			Changed: listing.Columns(s.changed),
		}
	case bulkKind:
		return match.Change{Kind: match.BulkChange, Bulk: s.envelope()}
	}
	return match.Change{Kind: match.WholeTable}
}

func (v *values) row() listing.Row {
	if v.id == nil {
		return listing.Row{}
	}
	return listing.Row{
		ID: *v.id, PropertyType: or(v.propertyType), Status: or(v.status), Price: or(v.price), City: or(v.city),
		PostalCode: null(v.postalCode), Bedrooms: null(v.bedrooms), Bathrooms: null(v.bathrooms),
		LivingArea: null(v.livingArea), Latitude: null(v.latitude), Longitude: null(v.longitude), CreatedAt: micros(v.createdAt),
	}
}

func (s *scanned) envelope() *match.Envelope {
	low, high := &s.old, &s.new
	return &match.Envelope{
		Changed:      listing.Columns(s.changed),
		Nulls:        listing.Columns(s.nulls),
		PropertyType: set(s.sets[0]),
		Status:       set(s.sets[1]),
		City:         set(s.sets[2]),
		PostalCode:   set(s.sets[3]),
		ID:           between(low.id, high.id),
		Price:        between(low.price, high.price),
		Bedrooms:     between(low.bedrooms, high.bedrooms),
		Bathrooms:    between(low.bathrooms, high.bathrooms),
		LivingArea:   between(low.livingArea, high.livingArea),
		Latitude:     between(low.latitude, high.latitude),
		Longitude:    between(low.longitude, high.longitude),
		CreatedAt:    match.Range[listing.Micros]{Min: micros(low.createdAt), Max: micros(high.createdAt), Valid: low.createdAt != nil},
	}
}

func set(values []string) match.Set { return match.Set{Values: values, Any: values == nil} }

func between[T cmp.Ordered](low, high *T) match.Range[T] {
	return match.Range[T]{Min: or(low), Max: or(high), Valid: low != nil && high != nil}
}

func null[T any](p *T) listing.Null[T] { return listing.Null[T]{V: or(p), Valid: p != nil} }

// or returns what p points to, or the zero value.
func or[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func micros(t *time.Time) listing.Micros {
	if t == nil {
		return 0
	}
	return listing.MicrosOf(*t)
}
