package feed_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
	"github.com/freshlist/freshlist/internal/invalidate/match"
	"github.com/freshlist/freshlist/internal/listing"
)

func TestDecimal(t *testing.T) {
	t.Parallel()
	types := pgtype.NewMap()
	encode := func(t interface{ Fatal(...any) }, text string) []byte {
		var n pgtype.Numeric
		if err := n.Scan(text); err != nil {
			t.Fatal(err)
		}
		b, err := types.Encode(pgtype.NumericOID, pgtype.BinaryFormatCode, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(-99999999999999, 99999999999999).Draw(t, "cents")
		sign, rest := "", cents
		if cents < 0 {
			sign, rest = "-", -cents
		}
		got, err := feed.Decimal(encode(t, fmt.Sprintf("%s%d.%02d", sign, rest/100, rest%100)))
		if err != nil || got != cents {
			t.Fatalf("%d cents decode as %d, %v", cents, got, err)
		}
	})
	if got, err := feed.Decimal(encode(t, "NaN")); err != nil || got != listing.NaNPrice {
		t.Errorf("NaN decodes as %d cents, %v", got, err)
	}
	for _, text := range []string{"Infinity", "-Infinity", "0.001", "1000000000000", "-1000000000000", "12345678901234567", "100000000000000000000",
		"1" + strings.Repeat("0", 80), "1844674407370956.0016"} /* these two give 0 and 0.84 if what does not fit an int64 is dropped */ {
		if got, err := feed.Decimal(encode(t, text)); err == nil {
			t.Errorf("%s decodes as %d cents", text, got)
		}
	}
	for size := range 8 {
		if _, err := feed.Decimal(make([]byte, size)); err == nil {
			t.Errorf("%d bytes decode", size)
		}
	}
}

// Whatever bytes stand for a row, they are a change of something: of the whole table if
// they are not understood.
func TestAnyBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		record := func(name string) []byte {
			return rapid.OneOf(rapid.Just[[]byte](nil), rapid.SliceOfN(rapid.Byte(), 0, 200), rapid.Map(
				rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 0, 0, 1, 2, 4, 8, 14, 0xff}), 0, 300),
				func(b []byte) []byte { return append([]byte{0, 0, 0, 14}, b...) },
			)).Draw(t, name)
		}
		var sets *string
		if rapid.Bool().Draw(t, "bulk") {
			text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"{}", "[]", "null", `{"cities": 7}`})).Draw(t, "sets")
			sets = &text
		}
		if changes := feed.Changes(7, record("old"), record("new"), sets); len(changes) == 0 {
			t.Fatal("no change")
		}
	})
}

// record is a row in PostgreSQL's binary form, of its fields; nil is NULL.
func record(fields ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(fields)))
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, 0) // its type
		if f == nil {
			b = binary.BigEndian.AppendUint32(b, 1<<32-1)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return b
}

// What is captured and not understood is a change of the whole table, and is told with its
// transaction.
func TestWhatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	// id, created_at, updated_at, latitude, longitude, living_area, bedrooms, price, bathrooms,
	// title, property_type, status, city, postal_code
	fields := func(change func(f [][]byte) [][]byte) []byte {
		eight, number, text := []byte{0, 0, 0, 0, 0, 0, 0, 7}, []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 5}, []byte("x")
		return record(change([][]byte{eight, eight, eight, nil, nil, nil, {0, 3}, number, nil, text, text, text, text, nil})...)
	}
	same := func(f [][]byte) [][]byte { return f }
	with := func(n int, b []byte) []byte {
		return fields(func(f [][]byte) [][]byte { f[n] = b; return f })
	}
	good := fields(same)
	for _, c := range feed.Changes(7, nil, good, nil) {
		if !c.HasNew || c.New.ID != 7 || c.New.Price != 500 || c.New.Bedrooms != listing.Some[int16](3) {
			t.Fatalf("what is in order is read as %+v", c)
		}
	}
	empty, other, none := "{}", "[]", (*string)(nil)
	for name, c := range map[string]struct {
		before, after []byte
		sets          *string
	}{
		"an id of four bytes":          {nil, with(0, []byte{0, 0, 0, 7}), none},
		"an id of nine bytes":          {nil, with(0, make([]byte, 9)), none},
		"bedrooms of four bytes":       {nil, with(6, []byte{0, 0, 0, 7}), none},
		"no id":                        {nil, with(0, nil), none},
		"no price":                     {nil, with(7, nil), none},
		"no title":                     {nil, with(9, nil), none},
		"a price without end":          {nil, with(7, []byte{0, 0, 0, 0, 0xD0, 0, 0, 0}), none},
		"a price that is too large":    {nil, with(7, []byte{0, 1, 0, 3, 0, 0, 0, 0, 0, 5}), none},
		"a byte behind it":             {nil, append(fields(same), 0), none},
		"cut off":                      {nil, good[:len(good)-1], none},
		"a field more":                 {nil, fields(func(f [][]byte) [][]byte { return append(f, []byte("x")) }), none},
		"another number of fields":     {nil, append([]byte{0, 0, 0, 15}, good[4:]...), none},
		"an old row of another shape":  {with(0, nil), good, none},
		"sets without an old row":      {nil, good, &empty},
		"sets without a new row":       {good, nil, &empty},
		"sets without rows":            {nil, nil, &empty},
		"sets that are something else": {good, good, &other},
	} {
		changes := feed.Changes(7, c.before, c.after, c.sets)
		if len(changes) != 1 || changes[0].Kind != match.WholeTable {
			t.Errorf("%s: %d changes, the first %+v; want one of the whole table", name, len(changes), changes)
			continue
		}
		var unread *feed.Unread
		if !errors.As(changes[0].Unread, &unread) || unread.Xid != 7 {
			t.Errorf("%s: told is %v, want transaction 7", name, changes[0].Unread)
		}
	}
}
