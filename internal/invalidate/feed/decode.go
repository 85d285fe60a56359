package feed

import (
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

// decodeChanges reads all changes, and what else stands in the row of each.
func decodeChanges(rows pgx.Rows) (changes []match.Change, read readRows, err error) {
	for rows.Next() {
		var head []string // NULL but in the first row of a drain, which has been read
		var xid uint64
		var before, after pgtype.DriverBytes
		var description *bool
		var sets *string
		var place pgtype.TID
		var size int64
		if err := rows.Scan(&head, &xid, &before, &after, &description, &sets, &place, &size); err != nil {
			return nil, readRows{}, fmt.Errorf("read a change: %w", err)
		}
		changes = appendAnyChange(changes, xid, before, after, description, sets)
		read.add(xid, place, size)
	}
	return changes, read, rows.Err()
}

// Unread is a captured change that could not be understood. Anything may have changed,
// so it is taken for a change of the whole table: to stop at it would mean to stop
// at it for ever.
type Unread struct {
	Xid uint64 // the transaction
	Why error  // says nothing of the values
}

// Error says why the change could not be understood.
func (u *Unread) Error() string { return fmt.Sprintf("change of transaction %d: %v", u.Xid, u.Why) }

// Unwrap returns why.
func (u *Unread) Unwrap() error { return u.Why }

// appendAnyChange appends what one row of the changes table says, whatever it says.
func appendAnyChange(changes []match.Change, xid uint64, before, after []byte, description *bool, sets *string) []match.Change {
	more, err := appendChange(changes, before, after, description, sets)
	if err != nil {
		return appendUnread(changes, &Unread{Xid: xid, Why: err})
	}
	return more
}

// appendUnread appends a change of the whole table. One is enough for a transaction's
// rows, which come together.
func appendUnread(changes []match.Change, u *Unread) []match.Change {
	if n := len(changes); n > 0 {
		if last, ok := changes[n-1].Unread.(*Unread); ok && last.Xid == u.Xid {
			return changes
		}
	}
	return append(changes, match.Change{Kind: match.WholeTable, Unread: u})
}

// appendChange appends what one row of the changes table says: an envelope if it has
// sets, a change of anything if it has nothing, else a row before and after. An UPDATE
// of the id is a row that went and a row that came.
func appendChange(changes []match.Change, before, after []byte, description *bool, sets *string) ([]match.Change, error) {
	texts := sets == nil // an envelope has its texts elsewhere
	was, err := decodeImage(before, texts)
	if err != nil {
		return nil, fmt.Errorf("old row: %w", err)
	}
	is, err := decodeImage(after, texts)
	if err != nil {
		return nil, fmt.Errorf("new row: %w", err)
	}
	gone := match.Change{Old: was.row, HasOld: true, Changed: listing.AllColumns}
	come := match.Change{New: is.row, HasNew: true, Changed: listing.AllColumns}
	switch {
	case sets != nil && (before == nil || after == nil):
		return nil, errRecord
	case sets != nil:
		envelope, err := envelopeOf(&was.row, &is.row, *sets)
		if err != nil {
			return nil, err
		}
		return append(changes, match.Change{Kind: match.BulkChange, Bulk: envelope}), nil
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

// rowImage is a row as capture keeps it: all but its description.
type rowImage struct {
	row       listing.Row
	title     string
	updatedAt listing.Micros
}

// differences returns the columns in which two images of one property differ.
func (i *rowImage) differences(j *rowImage) listing.Columns {
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

// decodeImage decodes a freshlist.property, or nothing. An envelope's has neither the
// texts nor updated_at.
func decodeImage(record []byte, whole bool) (rowImage, error) {
	if record == nil {
		return rowImage{}, nil
	}
	f := fieldsOf(record, 14)
	var i rowImage
	r := &i.row
	r.ID = present(f, "id", f.int(8))
	r.CreatedAt = present(f, "created_at", f.micros())
	i.updatedAt = presentIf(whole, f, "updated_at", f.micros())
	r.Latitude = f.float()
	r.Longitude = f.float()
	r.LivingArea = narrow[int32](f.int(4))
	r.Bedrooms = narrow[int16](f.int(2))
	r.Price = present(f, "price", f.decimal(2, listing.MaxPrice, listing.NaNPrice))
	r.Bathrooms = narrow[int16](f.decimal(1, listing.MaxBathrooms, listing.NaNBathrooms))
	i.title = presentIf(whole, f, "title", f.text())
	r.PropertyType = presentIf(whole, f, "property_type", f.text())
	r.Status = presentIf(whole, f, "status", f.text())
	r.City = presentIf(whole, f, "city", f.text())
	r.PostalCode = f.text()
	return i, f.end()
}

// present returns the value of a column that is NOT NULL. That, too, can be dropped.
func present[T any](f *fields, column string, v listing.Null[T]) T {
	if !v.Valid && f.err == nil {
		f.err = fmt.Errorf("%s is NULL", column)
	}
	return v.V
}

func presentIf[T any](required bool, f *fields, column string, v listing.Null[T]) T {
	if required {
		return present(f, column, v)
	}
	return v.V
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
		return nil, fmt.Errorf("sets: %w", errRecord) // that error would say what it met
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
		Latitude:     rangeOf(placed(least.Latitude), placed(greatest.Latitude)),
		Longitude:    rangeOf(placed(least.Longitude), placed(greatest.Longitude)),
		CreatedAt:    match.Range[listing.Micros]{Min: least.CreatedAt, Max: greatest.CreatedAt, Valid: true},
		Nulls:        s.NullColumns,
	}, nil
}

// setOf takes no array for any text.
func setOf(values []string) match.Set { return match.Set{Values: values, Any: values == nil} }

func placed(v listing.Null[float64]) listing.Null[int64] {
	return listing.Null[int64]{V: listing.PlaceOf(v.V), Valid: v.Valid}
}

func rangeOf[T int16 | int32 | int64](least, greatest listing.Null[T]) match.Range[T] {
	return match.Range[T]{Min: least.V, Max: greatest.V, Valid: least.Valid && greatest.Valid}
}
