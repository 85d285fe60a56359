package listing

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A cursor is base64url of: twice the order's number, and one more if the value is NULL (a
// varint; of a page before a cursor the orders are numbered on behind the last), the value (absent for NULL), the key, and a CRC-32C of all that and of the names of the table
// and its order, so that a damaged one, or one of another description, is refused instead of
// answered with another page. A number is a signed varint, a text its length and bytes. It is
// no secret and no proof: whoever makes one up gets a page that he could have asked for by a
// filter.

// maxSortBytes is how long the number of an order can be: a table has at most two for each of
// its columns, and the default, and each twice.
const maxSortBytes = 2

// textRoom is how long a text of a cursor can always be. A longer one is good too, if the
// rest of the query leaves it room.
const textRoom = 64

// errCursor says that a cursor is not one that this package wrote.
var errCursor = errors.New("damaged cursor")

var cursorTable = crc32.MakeTable(crc32.Castagnoli)

func (t *Table) cursorSum(sort int, body []byte) uint32 {
	sum := crc32.Checksum(body, cursorTable)
	sum = crc32.Update(sum, cursorTable, []byte(t.Name+"?"))
	return crc32.Update(sum, cursorTable, []byte(t.Orders[sort].Name))
}

// cursorRoom returns how long the text of a cursor of an order may be at least.
func (t *Table) cursorRoom(sort int) int {
	room := maxSortBytes + crc32.Size
	for _, c := range [...]*Column{t.KeyColumn(), &t.Columns[t.Orders[sort].Column]} {
		if c.Form.InNumber() {
			room += binary.MaxVarintLen64
		} else {
			room += 1 + textRoom
		}
	}
	return (room*4 + 2) / 3 // base64 makes four characters of three bytes
}

func (t *Table) appendCursor(dst []byte, sort int, backward bool, k Key) []byte {
	var room [128]byte
	head := uint64(sort) << 1
	if backward {
		head += uint64(len(t.Orders)) << 1
	}
	if !k.Value.Valid {
		head |= 1
	}
	b := binary.AppendUvarint(room[:0], head)
	if k.Value.Valid {
		b = appendCursorValue(b, t.Order(sort).Column, k.Value.V)
	}
	b = appendCursorValue(b, t.KeyColumn(), k.Key)
	b = binary.BigEndian.AppendUint32(b, t.cursorSum(sort, b))
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

func appendCursorValue(b []byte, c *Column, v Value) []byte {
	if c.Form.InNumber() {
		return binary.AppendVarint(b, v.Number)
	}
	b = binary.AppendUvarint(b, uint64(len(v.Text)))
	return append(b, v.Text...)
}

// parseCursor reads a cursor's order, direction and key. What it accepts, PostgreSQL can compare with
// the order's column: values outside the column's range are refused.
func (t *Table) parseCursor(text string) (sort int, backward bool, k Key, err error) {
	if len(text) > MaxText {
		return 0, false, Key{}, errCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) <= crc32.Size {
		return 0, false, Key{}, errCursor
	}
	body, sum := b[:len(b)-crc32.Size], b[len(b)-crc32.Size:]
	head, size := binary.Uvarint(body)
	if size <= 0 || head>>1 >= 2*uint64(len(t.Orders)) {
		return 0, false, Key{}, errCursor
	}
	if sort = int(head >> 1); sort >= len(t.Orders) {
		sort, backward = sort-len(t.Orders), true
	}
	if t.cursorSum(sort, body) != binary.BigEndian.Uint32(sum) {
		return 0, false, Key{}, errCursor
	}
	k, ok := t.cursorKey(sort, head&1 != 0, body[size:])
	if !ok || string(t.appendCursor(nil, sort, backward, k)) != text {
		return 0, false, Key{}, errCursor
	}
	return sort, backward, k, nil
}

func (t *Table) cursorKey(sort int, null bool, b []byte) (k Key, ok bool) {
	if !null {
		var v Value
		if v, b, ok = cutCursorValue(b, t.Order(sort).Column); !ok {
			return Key{}, false
		}
		k.Value = Some(v)
	}
	k.Key, b, ok = cutCursorValue(b, t.KeyColumn())
	return k, ok && len(b) == 0
}

// cutCursorValue reads a value and returns what follows it.
func cutCursorValue(b []byte, c *Column) (v Value, rest []byte, ok bool) {
	if c.Form.InNumber() {
		n, size := binary.Varint(b)
		if size <= 0 || !c.holds(n) {
			return Value{}, nil, false
		}
		return Value{Number: n}, b[size:], true
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return Value{}, nil, false
	}
	text := string(b[size : size+int(n)])
	ok = storable(text)
	switch c.Form {
	case UUID:
		parsed, must := parseUUID(text)
		ok = ok && must == "" && parsed.Text == text
	case Spelled:
		ok = ok && c.spells(text)
	}
	return Value{Text: text}, b[size+int(n):], ok
}
