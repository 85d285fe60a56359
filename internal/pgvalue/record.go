package pgvalue

import "encoding/binary"

// Field is one value of a row that came as a value of its own: of the record that ROW(...)
// makes.
type Field struct {
	Type  uint32 // the oid of its type
	Bytes []byte // in binary form; nil: NULL
}

// Records reads an array of rows, as ARRAY(SELECT ROW(...) ...) makes it, and gives the fields
// of each to do; they are of no use when it has returned.
func Records(array []byte, do func(fields []Field) error) error {
	rest, err := elements(array)
	if err != nil {
		return err
	}
	var fields []Field
	for len(rest) > 0 {
		var record []byte
		if record, rest, err = cutSized(rest); err != nil {
			return err
		}
		if fields, err = appendFields(fields[:0], record); err != nil {
			return err
		}
		if err := do(fields); err != nil {
			return err
		}
	}
	return nil
}

// appendFields reads a record: the number of its fields, and of each its type and its value.
func appendFields(fields []Field, record []byte) ([]Field, error) {
	const head, typeSize = 4, 4
	if len(record) < head {
		return nil, ErrShape
	}
	n, rest := binary.BigEndian.Uint32(record), record[head:]
	for range n {
		if len(rest) < typeSize {
			return nil, ErrShape
		}
		f := Field{Type: binary.BigEndian.Uint32(rest)}
		var err error
		if f.Bytes, rest, err = cutSized(rest[typeSize:]); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	if len(rest) > 0 {
		return nil, ErrShape
	}
	return fields, nil
}

// elements returns what stands behind the head of an array: its elements.
func elements(array []byte) ([]byte, error) {
	const head, dimension, mostDimensions = 12, 8, 6
	if len(array) < head {
		return nil, ErrShape
	}
	dimensions := binary.BigEndian.Uint32(array)
	if dimensions > mostDimensions || len(array) < head+dimension*int(dimensions) {
		return nil, ErrShape
	}
	return array[head+dimension*int(dimensions):], nil
}

// cutSized reads a value behind its length, and returns what follows; nil for a NULL.
func cutSized(b []byte) (value, rest []byte, err error) {
	const sizeWidth = 4
	if len(b) < sizeWidth {
		return nil, nil, ErrShape
	}
	size := int(int32(binary.BigEndian.Uint32(b)))
	b = b[sizeWidth:]
	switch {
	case size < 0:
		return nil, b, nil
	case size > len(b):
		return nil, nil, ErrShape
	}
	return b[:size:size], b[size:], nil
}
