package feed_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/invalidate/feed"
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
	for _, text := range []string{"Infinity", "-Infinity", "0.001", "1000000000000", "-1000000000000", "12345678901234567", "100000000000000000000"} {
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
