package feed_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
)

// Every column is among those that the guard tests walk.
func TestColumnsAreAll(t *testing.T) {
	t.Parallel()
	for i, c := range listingtest.Columns() {
		if c.Column != listing.Column(i) || c.Name != columnNames[i] {
			t.Errorf("column %d is %s", i, c.Name)
		}
	}
	if n := len(listingtest.Columns()); n != int(listing.UpdatedAt)+1 || listing.AllColumns != 1<<n-1 {
		t.Errorf("%d columns are walked", n)
	}
}

// Whatever a column comes to hold, a change of it is captured and decoded as that of
// exactly this column: of one row, of several, and in bulk within the envelope.
func TestEachColumn(t *testing.T) {
	t.Parallel()
	for _, c := range listingtest.Columns() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(listingtest.DropChecks)
			if c.Column == listing.ID {
				eachID(r, c)
				return
			}
			for _, v := range c.Values {
				r.exec("update properties set " + c.Name + " = " + v + " where id = 1")
				r.expect("update 1: " + c.Name)
				r.exec("update properties set " + c.Name + " = " + v + " where id > 1")
				r.expect("update 2: "+c.Name, "update 3: "+c.Name)
			}
			inBulk(r, c)
		})
	}
}

// eachID: another id is a row that went and one that came.
func eachID(r *rig, c listingtest.Column) {
	r.Helper()
	was := "1"
	for _, v := range c.Values {
		r.exec("update properties set id = " + v + " where id = " + was)
		r.expect("delete "+was, "insert "+v)
		was = v
	}
}

// inBulk gives very many rows all of a column's values by one statement. Its envelope
// holds every row of it, before and after.
func inBulk(r *rig, c listingtest.Column) {
	r.Helper()
	values := slices.DeleteFunc(slices.Clone(c.Values), func(v string) bool { return strings.HasPrefix(v, "repeat(") })
	each := "case id % " + fmt.Sprint(len(values))
	for i, v := range values {
		each += fmt.Sprintf(" when %d then (%s)::%s", i, v, c.Type)
	}
	each += " end"
	r.exec(`insert into properties (id, title, property_type, status, price, city, postal_code, bedrooms, bathrooms, living_area, latitude, longitude,
			created_at, updated_at)
		select n, 'title', 'Condo', 'sold', n, 'GALT', 'code', 7, 7.5, 700, 7, 7, '2007-07-07Z', '2007-07-07Z' from generate_series(1001, 11001) n`)
	r.drain()
	r.exec("update properties set " + c.Name + " = " + each + " where id > 1000")
	changes := r.drain()
	if len(changes) != 1 || changes[0].Kind != match.BulkChange {
		r.Fatalf("%d changes, want one envelope", len(changes))
	}
	// What the rows are and were, as capture shows them one by one.
	r.exec(fmt.Sprintf("delete from properties where id > 1000 and id <= 1000 + 2 * %d", len(values)))
	for _, d := range r.drain() {
		holds(r, changes[0].Bulk, c.Column, &d.Old)
		holds(r, changes[0].Bulk, c.Column, &listing.Row{
			ID: d.Old.ID, PropertyType: "Condo", Status: "sold", Price: 100 * d.Old.ID, City: "GALT", PostalCode: listing.Some("code"),
			Bedrooms: listing.Some[int16](7), Bathrooms: listing.Some[int16](75), LivingArea: listing.Some[int32](700),
			Latitude: listing.Some(7.0), Longitude: listing.Some(7.0), CreatedAt: listing.MicrosOf(time.Date(2007, 7, 7, 0, 0, 0, 0, time.UTC)),
		})
	}
}

// holds fails the test unless an envelope holds a row's value of a column.
func holds(t testing.TB, e *match.Envelope, c listing.Column, r *listing.Row) {
	t.Helper()
	ok := e.Changed&listing.ColumnSet(c) != 0
	null := e.Nulls&listing.ColumnSet(c) != 0
	switch c {
	case listing.Title, listing.Description, listing.UpdatedAt: // it holds no values of what no list compares
	case listing.ID:
		ok = ok && within(e.ID, r.ID)
	case listing.PropertyType:
		ok = ok && slices.Contains(e.PropertyType.Values, r.PropertyType)
	case listing.Status:
		ok = ok && slices.Contains(e.Status.Values, r.Status)
	case listing.Price:
		ok = ok && within(e.Price, r.Price)
	case listing.City:
		ok = ok && slices.Contains(e.City.Values, r.City)
	case listing.PostalCode:
		ok = ok && (r.PostalCode.Valid && slices.Contains(e.PostalCode.Values, r.PostalCode.V) || !r.PostalCode.Valid && null)
	case listing.Bedrooms:
		ok = ok && withinNull(e.Bedrooms, r.Bedrooms, null)
	case listing.Bathrooms:
		ok = ok && withinNull(e.Bathrooms, r.Bathrooms, null)
	case listing.LivingArea:
		ok = ok && withinNull(e.LivingArea, r.LivingArea, null)
	case listing.Latitude:
		ok = ok && withinNull(e.Latitude, place(r.Latitude), null)
	case listing.Longitude:
		ok = ok && withinNull(e.Longitude, place(r.Longitude), null)
	case listing.CreatedAt:
		ok = ok && within(e.CreatedAt, r.CreatedAt)
	default:
		t.Fatalf("no such column: %d", c)
	}
	if !ok {
		t.Errorf("the envelope does not hold %s of %+v:\n%+v", columnNames[c], *r, *e)
	}
}

func within[T int16 | int32 | int64 | listing.Micros](r match.Range[T], v T) bool {
	return r.Valid && r.Min <= v && v <= r.Max
}

func withinNull[T int16 | int32 | int64](r match.Range[T], v listing.Null[T], null bool) bool {
	return v.Valid && within(r, v.V) || !v.Valid && null
}

func place(v listing.Null[float64]) listing.Null[int64] {
	return listing.Null[int64]{V: listing.PlaceOf(v.V), Valid: v.Valid}
}
