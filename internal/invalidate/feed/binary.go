package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/freshlist/freshlist/internal/listing"
)

// errRecord tells that a row is not what this program's capture writes.
var errRecord = errors.New("not a record of the expected shape")

// fields reads the fields of a composite in PostgreSQL's binary form, one by one:
// for each its type, its length (-1 for NULL) and its bytes. The first error stays;
// values after it are meaningless.
type fields struct {
	rest []byte
	err  error
}

// end returns the first error, or that something follows the last field.
func (f *fields) end() error {
	if f.err == nil && len(f.rest) > 0 {
		return errRecord
	}
	return f.err
}

func fieldsOf(record []byte, count int) *fields {
	if len(record) < 4 || int(binary.BigEndian.Uint32(record)) != count {
		return &fields{err: errRecord}
	}
	return &fields{rest: record[4:]}
}

// next returns the bytes of the next field, nil for NULL.
func (f *fields) next() []byte {
	if f.err != nil || len(f.rest) < 8 {
		f.err = errRecord
		return nil
	}
	size := int(int32(binary.BigEndian.Uint32(f.rest[4:])))
	f.rest = f.rest[8:]
	if size < 0 {
		return nil
	}
	if size > len(f.rest) {
		f.err = errRecord
		return nil
	}
	b := f.rest[:size:size]
	f.rest = f.rest[size:]
	return b
}

// int returns an integer of size bytes.
func (f *fields) int(size int) listing.Null[int64] {
	b := f.next()
	if b == nil {
		return listing.Null[int64]{}
	}
	if len(b) != size {
		f.err = errRecord
		return listing.Null[int64]{}
	}
	switch size {
	case 2:
		return listing.Some(int64(int16(binary.BigEndian.Uint16(b))))
	case 4:
		return listing.Some(int64(int32(binary.BigEndian.Uint32(b))))
	default:
		return listing.Some(int64(binary.BigEndian.Uint64(b)))
	}
}

func (f *fields) micros() listing.Null[listing.Micros] {
	n := f.int(8)
	return listing.Null[listing.Micros]{V: listing.MicrosOfStored(n.V), Valid: n.Valid}
}

func (f *fields) float() listing.Null[float64] {
	n := f.int(8)
	return listing.Null[float64]{V: math.Float64frombits(uint64(n.V)), Valid: n.Valid}
}

func (f *fields) text() listing.Null[string] {
	b := f.next()
	return listing.Null[string]{V: string(b), Valid: b != nil}
}

// decimal returns a numeric as a number of units of its last of scale places, at most
// most of them above or below zero; or nan.
func (f *fields) decimal(scale int, most, nan int64) listing.Null[int64] {
	b := f.next()
	if b == nil || f.err != nil {
		return listing.Null[int64]{}
	}
	v, err := decimal(b, scale, nan)
	if err == nil && v != nan && (v > most || v < -most) {
		err = errRange
	}
	if err != nil {
		f.err = err
	}
	return listing.Null[int64]{V: v, Valid: err == nil}
}

// errRange tells that a number is one that its column had no room for at install.
var errRange = errors.New("numeric out of the column's range")

// decimal decodes a numeric: the number of its digits to the base 10,000, the power
// of that base of the first one, sign, scale, digits. It takes what a numeric(14, 2) can
// hold, which fits an int64. NaN, which has a sign of its own, becomes nan.
func decimal(b []byte, scale int, nan int64) (int64, error) {
	const head, negative, notANumber, base = 8, 0x4000, 0xC000, 10_000
	if len(b) < head {
		return 0, errRecord
	}
	count := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	if sign == notANumber && len(b) == head {
		return nan, nil
	}
	if len(b) != head+2*count || sign != 0 && sign != negative || count > 4 || weight > 3 {
		return 0, errRecord
	}
	var v int64
	for i := range count {
		v = v*base + int64(binary.BigEndian.Uint16(b[head+2*i:]))
	}
	// v counts units of base^(weight-count+1).
	places := scale + 4*(weight-count+1)
	for ; places > 0; places-- {
		v *= 10
	}
	for ; places < 0; places++ {
		if v%10 != 0 {
			return 0, fmt.Errorf("numeric has more than %d decimal places", scale)
		}
		v /= 10
	}
	if sign == negative {
		v = -v
	}
	return v, nil
}
