// Package pgvalue reads values of described columns as PostgreSQL sends them in binary form,
// which is exact and cheap on both sides: those of a statement's result and those of captured
// rows alike.
package pgvalue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// ErrShape says that bytes are not a value of the expected type. It says nothing of the value.
var ErrShape = errors.New("not a value of the column's type")

// ErrRange says that a value is one that the column's type has no room for.
var ErrRange = errors.New("a value that the column's type cannot hold")

// Expression returns SQL for the value of a column in the form that Decode reads. column is
// the column's name in SQL, quoted and perhaps qualified.
func Expression(c *listing.Column, column string) string {
	switch c.Form {
	case listing.Label, listing.Spelled:
		return column + "::text"
	case listing.JSON:
		return "to_json(" + column + ")::text"
	}
	return column
}

// Decode reads a value that is not NULL. What it returns, the column's type can hold.
func Decode(c *listing.Column, b []byte) (v listing.Value, err error) {
	switch c.Form {
	case listing.Whole:
		if v.Number, err = Integer(b); c.Type.Bytes > 0 && len(b) != c.Type.Bytes {
			err = ErrShape
		}
	case listing.Decimal:
		v.Number, err = decimal(b, c.Scale)
	case listing.Float:
		if v.Number, err = Integer(b); len(b) != 8 {
			err = ErrShape
		}
		v.Number = listing.FloatNumber(math.Float64frombits(uint64(v.Number)))
	case listing.Truth:
		if len(b) != 1 || b[0] > 1 {
			return listing.Value{}, ErrShape
		}
		v.Number = int64(b[0])
	case listing.Label:
		label, known := c.LabelOf(string(b))
		if !known {
			return listing.Value{}, ErrRange
		}
		v = label
	case listing.Day:
		if v.Number, err = Integer(b); len(b) != 4 {
			err = ErrShape
		}
		switch v.Number {
		case math.MaxInt32:
			v.Number = listing.Infinity
		case math.MinInt32:
			v.Number = listing.LongAgo
		}
	case listing.Moment, listing.Instant:
		if v.Number, err = Integer(b); len(b) != 8 {
			err = ErrShape
		}
		v.Number = min(max(v.Number, listing.LongAgo), listing.Infinity)
	case listing.UUID:
		if len(b) != 16 {
			return listing.Value{}, ErrShape
		}
		v.Text = uuid(b)
	default:
		v.Text = string(b)
	}
	if err == nil && !c.Holds(v) {
		err = ErrRange
	}
	if err != nil {
		return listing.Value{}, err
	}
	return v, nil
}

// DecodeCaptured reads a captured value that is not NULL, as listing.Filter.Match compares it. It is
// what Decode reads, but where Expression is not the column itself.
func DecodeCaptured(c *listing.Column, b []byte) (listing.Value, error) {
	if c.Form != listing.Spelled {
		return Decode(c, b)
	}
	switch c.Type.Kind {
	case description.Numeric:
		return digits(b)
	case description.Real:
		if len(b) != 4 {
			return listing.Value{}, ErrShape
		}
		f := float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
		return listing.Value{Text: strconv.FormatFloat(f, 'g', -1, 32)}, nil
	default: // filled up with blanks; what is nothing else is asked for as one blank
		return listing.Value{Text: cmp.Or(string(bytes.TrimRight(b, " ")), " ")}, nil
	}
}

// digits decodes a numeric as PostgreSQL spells it. Its bytes are those that decimal explains.
func digits(b []byte) (listing.Value, error) {
	const head, negative, notANumber, infinity, minusInfinity, base = 8, 0x4000, 0xC000, 0xD000, 0xF000, 10_000
	if len(b) < head {
		return listing.Value{}, ErrShape
	}
	count, weight := int(binary.BigEndian.Uint16(b)), int(int16(binary.BigEndian.Uint16(b[2:])))
	sign, scale := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	switch {
	case sign == notANumber:
		return listing.Value{Text: "NaN"}, nil
	case sign == infinity:
		return listing.Value{Text: "Infinity"}, nil
	case sign == minusInfinity:
		return listing.Value{Text: "-Infinity"}, nil
	case sign != 0 && sign != negative, scale >= 0x4000, len(b) != head+2*count:
		return listing.Value{}, ErrShape
	}
	for i := range count {
		if binary.BigEndian.Uint16(b[head+2*i:]) >= base {
			return listing.Value{}, ErrShape
		}
	}
	four := func(i int) string { // the digits at a place
		if i < 0 || i >= count {
			return "0000"
		}
		return fmt.Sprintf("%04d", binary.BigEndian.Uint16(b[head+2*i:]))
	}
	var whole, fraction strings.Builder
	for i := 0; i <= weight; i++ {
		whole.WriteString(four(i))
	}
	for i := weight + 1; fraction.Len() < scale; i++ {
		fraction.WriteString(four(i))
	}
	text := cmp.Or(strings.TrimLeft(whole.String(), "0"), "0")
	if scale > 0 {
		text += "." + fraction.String()[:scale]
	}
	if sign == negative {
		text = "-" + text
	}
	return listing.Value{Text: text}, nil
}

// DecodeArray reads a captured array that is not NULL, as listing.Filter.Match looks into it.
func DecodeArray(c *listing.Column, b []byte) (listing.Value, error) {
	rest, err := elements(b)
	if err != nil {
		return listing.Value{}, err
	}
	var spelled []byte
	for len(rest) > 0 {
		var value []byte
		if value, rest, err = cutSized(rest); err != nil {
			return listing.Value{}, err
		}
		if value == nil { // NULL
			continue
		}
		element, err := DecodeCaptured(c.Element, value)
		if err != nil {
			return listing.Value{}, err
		}
		spelled = c.AppendElement(spelled, element)
	}
	return listing.Value{Text: string(spelled)}, nil
}

// Integer reads an integer of two, four or eight bytes. The error is ErrShape for another length.
func Integer(b []byte) (int64, error) {
	switch len(b) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case 8:
		return int64(binary.BigEndian.Uint64(b)), nil
	}
	return 0, ErrShape
}

func uuid(b []byte) string {
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// decimal decodes a numeric as a number of units of its last of scale places: the number of
// its digits to the base 10,000, the power of that base of the first one, sign, scale, digits.
// Nothing is rounded. NaN has a sign of its own; so have the infinities.
func decimal(b []byte, scale int) (int64, error) {
	const head, negative, notANumber, infinite, base = 8, 0x4000, 0xC000, 0xD000, 10_000
	if len(b) < head {
		return 0, ErrShape
	}
	count := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	switch {
	case sign == notANumber:
		return listing.NaN, nil
	case sign&infinite == infinite:
		return 0, ErrRange
	case len(b) != head+2*count || sign != 0 && sign != negative:
		return 0, ErrShape
	case count == 0:
		return 0, nil
	}
	var v int64
	times := func(n int64, plus int64) bool {
		if v > (math.MaxInt64-plus)/n {
			return false
		}
		v = v*n + plus
		return true
	}
	for i := range count {
		digit := int64(binary.BigEndian.Uint16(b[head+2*i:]))
		if digit >= base {
			return 0, ErrShape
		}
		// The last digits may lie behind the scale; they are zeros there, or the value does not fit.
		if place := scale + 4*(weight-i); place < 0 {
			unit := int64(1)
			for range min(-place, 4) {
				unit *= 10
			}
			if digit%unit != 0 {
				return 0, fmt.Errorf("%w: it has more than %d decimals", ErrRange, scale)
			}
			if place > -4 && !times(base/unit, digit/unit) {
				return 0, ErrRange
			}
		} else if !times(base, digit) {
			return 0, ErrRange
		}
	}
	for places := scale + 4*(weight-count+1); places > 0; places-- {
		if !times(10, 0) {
			return 0, ErrRange
		}
	}
	if sign == negative {
		v = -v
	}
	return v, nil
}
