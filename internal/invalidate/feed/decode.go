package feed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

// changeColumns are the columns of a change in the order that decodeChanges reads
// them. Rows come in PostgreSQL's own binary form, which is exact and cheap on both
// sides; envelopes are rare and come as JSON.
const changeColumns = `xid, record_send(old_row) as old_row, record_send(new_row) as new_row, description_changed, to_json(sets)::text as sets`

// decodeChanges reads changes until there are at least most (0: all of them), and
// the transaction of each row.
func decodeChanges(rows pgx.Rows, most int) (changes []match.Change, xids []uint64, err error) {
	for rows.Next() {
		var head []string // NULL but in the first row of a drain, which has been read
		var xid uint64
		var before, after pgtype.DriverBytes
		var description *bool
		var sets *string
		if err := rows.Scan(&head, &xid, &before, &after, &description, &sets); err != nil {
			return nil, nil, fmt.Errorf("read a change: %w", err)
		}
		if changes, err = appendChange(changes, before, after, description, sets); err != nil {
			return nil, nil, fmt.Errorf("decode a change of transaction %d: %w", xid, err)
		}
		xids = append(xids, xid)
		if most > 0 && len(changes) >= most {
			return changes, xids, nil
		}
	}
	return changes, xids, rows.Err()
}

// appendChange appends what one row of the changes table says: an envelope if it has
// sets, a change of anything if it has nothing, else a row before and after. An UPDATE
// of the id is a row that went and a row that came.
func appendChange(changes []match.Change, before, after []byte, description *bool, sets *string) ([]match.Change, error) {
	was, err := decodeImage(before)
	if err != nil {
		return nil, fmt.Errorf("old row: %w", err)
	}
	is, err := decodeImage(after)
	if err != nil {
		return nil, fmt.Errorf("new row: %w", err)
	}
	gone := match.Change{Old: was.row, HasOld: true, Changed: listing.AllColumns}
	come := match.Change{New: is.row, HasNew: true, Changed: listing.AllColumns}
	switch {
	case sets != nil:
		envelope, err := envelopeOf(&was.row, &is.row, *sets)
		return append(changes, match.Change{Kind: match.BulkChange, Bulk: envelope}), err
	case before == nil && after == nil:
		return append(changes, match.Change{Kind: match.WholeTable}), nil
	case before == nil:
		return append(changes, come), nil
	case after == nil:
		return append(changes, gone), nil
	case was.row.ID != is.row.ID:
		return append(changes, gone, come), nil
	}
	changed := was.differences(&is)
	if description != nil && *description {
		changed |= listing.ColumnSet(listing.Description)
	}
	return append(changes, match.Change{
		Old: was.row, New: is.row, HasOld: true, HasNew: true, Changed: changed,
	}), nil
}

// image is a row as capture keeps it: all but its description.
type image struct {
	row       listing.Row
	title     string
	updatedAt listing.Micros
}

// differences returns the columns in which two images of one property differ.
func (i *image) differences(j *image) listing.Columns {
	var s listing.Columns
	add := func(c listing.Column, differ bool) {
		if differ {
			s |= listing.ColumnSet(c)
		}
	}
	a, b := &i.row, &j.row
	add(listing.Title, i.title != j.title)
	add(listing.PropertyType, a.PropertyType != b.PropertyType)
	add(listing.Status, a.Status != b.Status)
	add(listing.Price, a.Price != b.Price)
	add(listing.City, a.City != b.City)
	add(listing.PostalCode, a.PostalCode != b.PostalCode)
	add(listing.Bedrooms, a.Bedrooms != b.Bedrooms)
	add(listing.Bathrooms, a.Bathrooms != b.Bathrooms)
	add(listing.LivingArea, a.LivingArea != b.LivingArea)
	add(listing.Latitude, !sameFloat(a.Latitude, b.Latitude))
	add(listing.Longitude, !sameFloat(a.Longitude, b.Longitude))
	add(listing.CreatedAt, a.CreatedAt != b.CreatedAt)
	add(listing.UpdatedAt, i.updatedAt != j.updatedAt)
	return s
}

// sameFloat compares bit by bit: 0 and -0 are shown differently.
func sameFloat(a, b listing.Null[float64]) bool {
	return a.Valid == b.Valid && math.Float64bits(a.V) == math.Float64bits(b.V)
}

// decodeImage decodes a freshlist.property.
func decodeImage(record []byte) (image, error) {
	if record == nil {
		return image{}, nil
	}
	f := fieldsOf(record, 14)
	var i image
	r := &i.row
	r.ID = f.int(8).V
	r.CreatedAt = f.micros().V
	i.updatedAt = f.micros().V
	r.Latitude = f.float()
	r.Longitude = f.float()
	r.LivingArea = narrow[int32](f.int(4))
	r.Bedrooms = narrow[int16](f.int(2))
	r.Price = f.decimal(2).V
	r.Bathrooms = narrow[int16](f.decimal(1))
	i.title = f.text().V
	r.PropertyType = f.text().V
	r.Status = f.text().V
	r.City = f.text().V
	r.PostalCode = f.text()
	return i, f.err
}

func narrow[T int16 | int32](n listing.Null[int64]) listing.Null[T] {
	return listing.Null[T]{V: T(n.V), Valid: n.Valid}
}

// sets is a freshlist.property_sets as JSON.
type sets struct {
	PropertyTypes []string        `json:"property_types"`
	Statuses      []string        `json:"statuses"`
	Cities        []string        `json:"cities"`
	PostalCodes   []string        `json:"postal_codes"`
	NullColumns   listing.Columns `json:"null_columns"`
}

// envelopeOf returns the envelope of a bulk statement from the least and the greatest
// values and the texts that occur. It does not tell which columns changed, so any of
// them may have.
func envelopeOf(least, greatest *listing.Row, text string) (*match.Envelope, error) {
	var s sets
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("sets: %w", err)
	}
	return &match.Envelope{
		Changed:      listing.AllColumns,
		ID:           match.Range[int64]{Min: least.ID, Max: greatest.ID, Valid: true},
		PropertyType: setOf(s.PropertyTypes),
		Status:       setOf(s.Statuses),
		Price:        match.Range[int64]{Min: least.Price, Max: greatest.Price, Valid: true},
		City:         setOf(s.Cities),
		PostalCode:   setOf(s.PostalCodes),
		Bedrooms:     rangeOf(least.Bedrooms, greatest.Bedrooms),
		Bathrooms:    rangeOf(least.Bathrooms, greatest.Bathrooms),
		LivingArea:   rangeOf(least.LivingArea, greatest.LivingArea),
		Latitude:     rangeOf(least.Latitude, greatest.Latitude),
		Longitude:    rangeOf(least.Longitude, greatest.Longitude),
		CreatedAt:    match.Range[listing.Micros]{Min: least.CreatedAt, Max: greatest.CreatedAt, Valid: true},
		Nulls:        s.NullColumns,
	}, nil
}

// setOf takes no array for any text.
func setOf(values []string) match.Set { return match.Set{Values: values, Any: values == nil} }

func rangeOf[T cmp.Ordered](least, greatest listing.Null[T]) match.Range[T] {
	return match.Range[T]{Min: least.V, Max: greatest.V, Valid: least.Valid && greatest.Valid}
}
