package pgvalue_test

import (
	"errors"
	"testing"

	"github.com/freshlist/freshlist/internal/pgvalue"
)

// One row of an integer 7 and of a NULL text, in an array of records.
var oneRecord = []byte{
	0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 201, 0, 0, 0, 1, 0, 0, 0, 1,
	0, 0, 0, 24, 0, 0, 0, 2, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 25, 255, 255, 255, 255,
}

func TestRecords(t *testing.T) {
	t.Parallel()
	count := 0
	err := pgvalue.Records(oneRecord, func(fields []pgvalue.Field) error {
		count++
		if len(fields) != 2 || fields[0].Type != 23 || len(fields[0].Bytes) != 4 || fields[1].Type != 25 || fields[1].Bytes != nil {
			t.Errorf("the fields are %v", fields)
		}
		return nil
	})
	if err != nil || count != 1 {
		t.Errorf("there are %d records: %v", count, err)
	}
	if err := pgvalue.Records(make([]byte, 12), nil); err != nil {
		t.Errorf("an empty array: %v", err)
	}
}

// Bytes that are no array of records are refused, wherever they are cut off.
func TestRecordsRefuses(t *testing.T) {
	t.Parallel()
	for n := range oneRecord {
		count := 0
		err := pgvalue.Records(oneRecord[:n], func([]pgvalue.Field) error { count++; return nil })
		if !errors.Is(err, pgvalue.ErrShape) && n != 20 { // an array without elements may have dimensions
			t.Errorf("the first %d bytes: %v", n, err)
		}
		if count > 0 {
			t.Errorf("the first %d bytes have a record", n)
		}
	}
	for _, at := range []int{0, 20, 24, 32, 44} {
		bad := append([]byte(nil), oneRecord...)
		bad[at] = 0x7f
		if err := pgvalue.Records(bad, func([]pgvalue.Field) error { return nil }); !errors.Is(err, pgvalue.ErrShape) {
			t.Errorf("with another byte %d: %v", at, err)
		}
	}
}
