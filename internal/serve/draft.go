package serve

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/database"
)

// draft is a JSON object on its way to become fields of a property. It holds
// the rules of the table that PostgreSQL would tell one at a time.
type draft struct {
	members map[string]json.RawMessage // those not yet read
	whole   bool                       // members without a default must be there
	fields  database.Fields
	faults  listing.Faults
}

// parseDraft reads a property to create (whole), or a merge patch of RFC 7396:
// a member that is null takes its column's value away.
func parseDraft(body []byte, whole bool) (database.Fields, error) {
	d := draft{whole: whole}
	if err := json.Unmarshal(body, &d.members); err != nil || d.members == nil || !utf8.Valid(body) {
		return database.Fields{}, &problem{
			status: http.StatusBadRequest,
			detail: "The body must be one JSON object, in UTF-8.",
			cause:  err,
		}
	}
	d.property()
	d.unknown()
	if len(d.faults) > 0 {
		return database.Fields{}, brokenRule(d.faults, nil)
	}
	return d.fields, nil
}

// property reads all members that a property has.
func (d *draft) property() {
	v := &d.fields.Values
	required(d, "title", listing.Title, &v.Title, text)
	optional(d, "description", listing.Description, &v.Description, text)
	required(d, "property_type", listing.PropertyType, &v.PropertyType, text)
	optional(d, "status", listing.Status, &v.Status, status)
	required(d, "price", listing.Price, &v.Price, decimal[int64](2, listing.MaxPrice))
	required(d, "city", listing.City, &v.City, text)
	nullable(d, "postal_code", listing.PostalCode, &v.PostalCode, text)
	nullable(d, "bedrooms", listing.Bedrooms, &v.Bedrooms, decimal[int16](0, math.MaxInt16))
	nullable(d, "bathrooms", listing.Bathrooms, &v.Bathrooms, decimal[int16](1, listing.MaxBathrooms))
	nullable(d, "living_area", listing.LivingArea, &v.LivingArea, area)
	nullable(d, "latitude", listing.Latitude, &v.Latitude, degrees(90))
	nullable(d, "longitude", listing.Longitude, &v.Longitude, degrees(180))
}

// unknown refuses what is left.
func (d *draft) unknown() {
	for _, name := range slices.Sorted(maps.Keys(d.members)) {
		switch name {
		case "id", "created_at", "updated_at":
			d.fault(name, "is not for clients to write")
		default:
			d.fault(name, "is no member of a property")
		}
	}
}

func (d *draft) fault(name, detail string) {
	d.faults = append(d.faults, listing.Fault{Name: name, Detail: detail})
}

// reader reads a JSON value. If it cannot, it says what the value must be.
type reader[T any] func(json.RawMessage) (v T, must string)

// required reads a member whose column has no default.
func required[T any](d *draft, name string, c listing.Column, to *T, read reader[T]) {
	if _, given := d.members[name]; !given && d.whole {
		d.fault(name, "is missing")
		return
	}
	optional(d, name, c, to, read)
}

// optional reads a member whose column is never NULL.
func optional[T any](d *draft, name string, c listing.Column, to *T, read reader[T]) {
	raw, given := d.take(name, c)
	switch {
	case !given:
	case isNull(raw):
		d.fault(name, "must not be null")
	default:
		value(d, name, raw, to, read)
	}
}

// nullable reads a member whose column may be NULL.
func nullable[T any](d *draft, name string, c listing.Column, to *listing.Null[T], read reader[T]) {
	if raw, given := d.take(name, c); given && !isNull(raw) {
		to.Valid = value(d, name, raw, &to.V, read)
	}
}

// take removes a member and notes that its column has a value.
func (d *draft) take(name string, c listing.Column) (raw json.RawMessage, given bool) {
	raw, given = d.members[name]
	if given {
		delete(d.members, name)
		d.fields.Columns |= listing.ColumnSet(c)
	}
	return raw, given
}

func value[T any](d *draft, name string, raw json.RawMessage, to *T, read reader[T]) bool {
	v, must := read(raw)
	if must != "" {
		d.fault(name, "must be "+must)
		return false
	}
	*to = v
	return true
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(raw, []byte("null")) }

func text(raw json.RawMessage) (v string, must string) {
	if json.Unmarshal(raw, &v) != nil || strings.IndexByte(v, 0) >= 0 {
		return "", "a text without a NUL"
	}
	return v, ""
}

func status(raw json.RawMessage) (string, string) {
	v, must := text(raw)
	switch v {
	case "for_sale", "pending", "sold":
		return v, must
	}
	return "", "for_sale, pending or sold"
}

func area(raw json.RawMessage) (int32, string) {
	v, must := decimal[int32](0, math.MaxInt32)(raw)
	if v == 0 {
		return 0, "a whole number from 1 to " + strconv.Itoa(math.MaxInt32)
	}
	return v, must
}

// decimal reads a number from 0 with at most scale decimals, exactly, as an
// integer of that scale.
func decimal[T int16 | int32 | int64](scale int, most T) reader[T] {
	must := "a number from 0 to " + shortest(int64(most), scale)
	if scale == 0 {
		must = "a whole" + strings.TrimPrefix(must, "a")
	} else {
		must += " with at most " + strconv.Itoa(scale) + " decimals"
	}
	return func(raw json.RawMessage) (T, string) {
		v, ok := scaled(string(raw), scale)
		if !ok || v > int64(most) {
			return 0, must
		}
		return T(v), ""
	}
}

// shortest writes an integer of a scale as a number.
func shortest(v int64, scale int) string {
	text := strconv.FormatInt(v, 10)
	if scale == 0 {
		return text
	}
	return text[:len(text)-scale] + "." + text[len(text)-scale:]
}

// scaled reads a JSON number as an integer of the given scale. It reports false
// for what is not one: another type, a negative number, more decimals, or a size
// that no column has.
func scaled(number string, scale int) (int64, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	shift := 0
	if exponent != "" {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil || shift < -64 || shift > 64 {
			return 0, false
		}
	}
	whole, decimals, _ := strings.Cut(mantissa, ".")
	digits := whole + decimals
	zeros := scale + shift - len(decimals) // to append; negative: to cut off
	for ; zeros < 0 && strings.HasSuffix(digits, "0"); zeros++ {
		digits = digits[:len(digits)-1]
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return 0, whole != ""
	}
	if zeros < 0 || len(digits)+zeros > 18 {
		return 0, false
	}
	v, err := strconv.ParseUint(digits+strings.Repeat("0", zeros), 10, 63)
	return int64(v), err == nil
}

func degrees(most float64) reader[float64] {
	bound := strconv.FormatFloat(most, 'f', -1, 64)
	must := "a number from -" + bound + " to " + bound
	return func(raw json.RawMessage) (v float64, _ string) {
		if json.Unmarshal(raw, &v) != nil || v < -most || v > most {
			return 0, must
		}
		return v, ""
	}
}
