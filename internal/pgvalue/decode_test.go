package pgvalue_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/pgvalue"
)

func everyColumn(t testing.TB, name string) *listing.Column {
	t.Helper()
	table := listingtest.Every()
	i := table.Column(name)
	if i < 0 {
		t.Fatalf("there is no column %s", name)
	}
	return &table.Columns[i]
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numeric returns a numeric in binary form: its digits to the base 10,000.
func numeric(weight int16, sign uint16, digits ...uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(digits)))
	b = binary.BigEndian.AppendUint16(b, uint16(weight))
	b = binary.BigEndian.AppendUint16(b, sign)
	b = binary.BigEndian.AppendUint16(b, 3)
	for _, d := range digits {
		b = binary.BigEndian.AppendUint16(b, d)
	}
	return b
}

// A numeric is read exactly, or not at all.
func TestNumeric(t *testing.T) {
	t.Parallel()
	const negative, nan, infinity, minusInfinity = 0x4000, 0xC000, 0xD000, 0xF000
	c := everyColumn(t, "exact") // numeric(12,3)
	for _, test := range []struct {
		b    []byte
		want int64
		err  error
	}{
		{numeric(0, 0), 0, nil},
		{numeric(0, 0, 1), 1000, nil},
		{numeric(-1, 0, 10), 1, nil},
		{numeric(-1, negative, 10), -1, nil},
		{numeric(1, 0, 1, 2, 3000), 10_002_300, nil},
		{numeric(2, 0, 9, 9999, 9999, 9990), 999_999_999_999, nil},
		{numeric(0, 0, 5, 0), 5000, nil},
		{numeric(0, 0, 5, 0, 0, 0), 5000, nil},
		{numeric(0, nan), listing.NaN, nil},
		{numeric(0, infinity), 0, pgvalue.ErrRange},
		{numeric(0, minusInfinity), 0, pgvalue.ErrRange},
		{numeric(2, 0, 10), 0, pgvalue.ErrRange},
		{numeric(-1, 0, 1), 0, pgvalue.ErrRange},
		{numeric(-1, 0, 11), 0, pgvalue.ErrRange},
		{numeric(-2, 0, 9999), 0, pgvalue.ErrRange},
		{numeric(0, 0, 5, 0, 1), 0, pgvalue.ErrRange},
		{numeric(math.MaxInt16, 0, 1), 0, pgvalue.ErrRange},
		{numeric(5, 0, 9999, 9999, 9999, 9999, 9999, 9999), 0, pgvalue.ErrRange},
		{numeric(0, 0, 10_000), 0, pgvalue.ErrShape},
		{numeric(0, 1, 1), 0, pgvalue.ErrShape},
		{numeric(0, 0, 1)[:9], 0, pgvalue.ErrShape},
		{append(numeric(0, 0, 1), 0), 0, pgvalue.ErrShape},
		{nil, 0, pgvalue.ErrShape},
		{make([]byte, 7), 0, pgvalue.ErrShape},
	} {
		got, err := pgvalue.Decode(c, test.b)
		if !errors.Is(err, test.err) || got != (listing.Value{Number: test.want}) {
			t.Errorf("%x: %+v, %v; want %d, %v", test.b, got, err, test.want, test.err)
		}
	}
}

// Bytes that are no value of a type are refused.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		column, bytes string
		err           error
	}{
		{"small", "00", pgvalue.ErrShape},
		{"small", "00000001", pgvalue.ErrShape},
		{"whole", "0001", pgvalue.ErrShape},
		{"small", "", pgvalue.ErrShape},
		{"big", "000000000000000000", pgvalue.ErrShape},
		{"double", "00000000", pgvalue.ErrShape},
		{"double", "00000000000000", pgvalue.ErrShape},
		{"flag", "02", pgvalue.ErrShape},
		{"flag", "", pgvalue.ErrShape},
		{"flag", "0000", pgvalue.ErrShape},
		{"condition", hex.EncodeToString([]byte("unheard of")), pgvalue.ErrRange},
		{"day", "0000", pgvalue.ErrShape},
		{"day", "7ffffffe", pgvalue.ErrRange},
		{"moment", "00000000", pgvalue.ErrShape},
		{"moment", "7ffffffffffffffe", nil}, // infinity, as it is kept
		{"moment", "7ffffffffffffffd", pgvalue.ErrRange},
		{"instant", "8000000000000003", pgvalue.ErrRange},
		{"uid", "00", pgvalue.ErrShape},
	} {
		if got, err := pgvalue.Decode(everyColumn(t, test.column), unhex(t, test.bytes)); !errors.Is(err, test.err) {
			t.Errorf("%s: %s: %+v, %v; want %v", test.column, test.bytes, got, err, test.err)
		}
	}
	for _, bytes := range []string{
		"", "00000001", "00000001 00000000 00000019", "00000007" + strings.Repeat("00", 8+7*8), "ffffffff 00000000 00000019",
		"00000001 00000000 00000019 00000001 00000001 000000", "00000001 00000000 00000019 00000001 00000001 00000005 61",
		"00000001 00000000 00000019 00000001 00000001 7fffffff 61",
	} {
		if got, err := pgvalue.DecodeArray(everyColumn(t, "tags"), unhex(t, bytes)); !errors.Is(err, pgvalue.ErrShape) {
			t.Errorf("%s: %+v, %v", bytes, got, err)
		}
	}
}

// FuzzDecode: what is read, the column can hold.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(4), numeric(1, 0, 1, 2, 3000))
	f.Add(uint8(1), []byte{0, 0, 0, 1})
	f.Add(uint8(20), []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, number uint8, b []byte) {
		table := listingtest.Every()
		c := &table.Columns[int(number)%len(table.Columns)]
		if v, err := pgvalue.Decode(c, b); err == nil && !c.Holds(v) {
			t.Fatalf("%s: %x is %+v", c.Name, b, v)
		}
		if c.Element != nil {
			_, _ = pgvalue.DecodeArray(c, b)
		}
	})
}
