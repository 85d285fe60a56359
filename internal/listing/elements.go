package listing

import "encoding/binary"

// AppendElement appends one element to the text in which a captured row keeps an array, so
// that Filter.Match can look into it. NULLs are left out: no filter asks for them.
func (c *Column) AppendElement(dst []byte, element Value) []byte {
	if c.Element.Form == Float {
		element.Number = c.Element.Order(element) // -0 is 0
	}
	spelled := c.Element.AppendSpelled(nil, element)
	dst = binary.AppendUvarint(dst, uint64(len(spelled)))
	return append(dst, spelled...)
}

// containsAll reports whether an array, as AppendElement has made it, has all of some values.
func (c *Column) containsAll(array string, wanted []Value) bool {
	var room [64]byte
	for _, v := range wanted {
		if !contains(array, c.Element.AppendSpelled(room[:0], v)) {
			return false
		}
	}
	return true
}

func contains(array string, spelled []byte) bool {
	for len(array) > 0 {
		size, n := cutLength(array)
		if n == 0 || size > len(array)-n {
			return false
		}
		if array[n:n+size] == string(spelled) {
			return true
		}
		array = array[n+size:]
	}
	return false
}

// cutLength reads a length that binary.AppendUvarint has written, and returns how many bytes it
// takes; 0 if it is none.
func cutLength(s string) (length, size int) {
	for i := range min(len(s), binary.MaxVarintLen32) {
		length |= int(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return length, i + 1
		}
	}
	return 0, 0
}
