package listing_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
)

func TestDecimals(t *testing.T) {
	t.Parallel()
	const most = 999_999_999_999_99
	for cents, want := range map[int64]string{
		0: "0.00", 1: "0.01", 10: "0.10", 99: "0.99", 100: "1.00", -5: "-0.05", -12345: "-123.45",
		most: "999999999999.99", -1 << 63: "-92233720368547758.08", listing.NaN: "NaN",
	} {
		if got := string(listing.AppendDecimal([]byte("x"), cents, 2)); got != "x"+want {
			t.Errorf("%d cents: %s, want x%s", cents, got, want)
		}
	}
	for tenths, want := range map[int64]string{0: "0.0", 5: "0.5", 25: "2.5", 999: "99.9"} {
		if got := string(listing.AppendDecimal(nil, tenths, 1)); got != want {
			t.Errorf("%d tenths: %s, want %s", tenths, got, want)
		}
	}
	for scale, want := range map[int]string{0: "-17", 2: "-0.17", 18: "-0.000000000000000017"} {
		if got := string(listing.AppendDecimal(nil, -17, scale)); got != want {
			t.Errorf("-17 with %d decimals: %s, want %s", scale, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(0, most).Draw(t, "cents")
		if got, want := string(listing.AppendDecimal(nil, cents, 2)), fmt.Sprintf("%d.%02d", cents/100, cents%100); got != want {
			t.Fatalf("%d cents: %s, want %s", cents, got, want)
		}
	})
}
