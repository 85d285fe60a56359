package listing

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
)

// A cursor is base64url of: the sort and whether the value is NULL (one byte),
// the value (signed varint, absent for NULL), the id (signed varint), and a
// CRC-32C of all that, so that a damaged one is refused instead of answered
// with another page. It is no secret and no proof: whoever makes one up gets a
// page that he could have asked for by a filter.

// cursorNull marks a key whose value is NULL, beside the sort's number.
const cursorNull = 0x80

// maxCursor is the length of the longest cursor's text: base64 makes four
// characters of three bytes.
const maxCursor = ((1+2*binary.MaxVarintLen64+crc32.Size)*4 + 2) / 3

// errCursor says that a cursor is not one that this package wrote.
var errCursor = errors.New("damaged cursor")

func cursorSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func appendCursor(dst []byte, s Sort, k Key) []byte {
	var room [64]byte
	b := append(room[:0], byte(s))
	if k.Value.Valid {
		b = binary.AppendVarint(b, k.Value.V)
	} else {
		b[0] |= cursorNull
	}
	b = binary.AppendVarint(b, k.ID)
	b = binary.BigEndian.AppendUint32(b, cursorSum(b))
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

// parseCursor reads a cursor's sort and key. What it accepts, PostgreSQL can
// compare with the sort's column: values outside the column's range are refused.
func parseCursor(text string) (Sort, Key, error) {
	if len(text) > maxCursor {
		return 0, Key{}, errCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) <= crc32.Size {
		return 0, Key{}, errCursor
	}
	body, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	if cursorSum(body) != binary.BigEndian.Uint32(sum) {
		return 0, Key{}, errCursor
	}
	s, k, ok := cursorKey(body)
	if !ok || !s.holds(k.Value) || string(appendCursor(nil, s, k)) != text {
		return 0, Key{}, errCursor
	}
	return s, k, nil
}

func cursorKey(b []byte) (s Sort, k Key, ok bool) {
	s, b, isNull := Sort(b[0]&^cursorNull), b[1:], b[0]&cursorNull != 0
	if s > AreaDesc {
		return 0, Key{}, false
	}
	if !isNull {
		v, n := binary.Varint(b)
		if n <= 0 {
			return 0, Key{}, false
		}
		k.Value, b = Some(v), b[n:]
	}
	id, n := binary.Varint(b)
	k.ID = id
	return s, k, n > 0 && n == len(b)
}

// The first instant of a timestamptz and the last: of 4714 BC and the year 294276.
const (
	firstInstant Micros = -211_813_488_000_000_000
	lastInstant  Micros = 9_223_371_331_200_000_000 - 1
)

// holds reports whether the order's column can hold the value, by its type: the
// table's checks may have been dropped.
func (s Sort) holds(v Null[int64]) bool {
	switch s.Column() {
	case Price:
		return v.Valid && (v.V >= -MaxPrice && v.V <= MaxPrice || v.V >= NaNPrice)
	case LivingArea:
		return !v.Valid || v.V >= math.MinInt32 && v.V <= math.MaxInt32
	case CreatedAt:
		m := Micros(v.V)
		return v.Valid && (m >= firstInstant && m <= lastInstant || !m.Finite())
	default:
		panic(errSort)
	}
}
