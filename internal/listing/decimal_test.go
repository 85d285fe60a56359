package listing_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshlist/freshlist/internal/listing"
)

func TestDecimals(t *testing.T) {
	t.Parallel()
	for cents, want := range map[int64]string{
		0: "0.00", 1: "0.01", 10: "0.10", 99: "0.99", 100: "1.00", -5: "-0.05", -12345: "-123.45",
		listing.MaxPrice: "999999999999.99", -1 << 63: "-92233720368547758.08",
	} {
		if got := string(listing.AppendPrice([]byte("x"), cents)); got != "x"+want {
			t.Errorf("%d cents: %s, want x%s", cents, got, want)
		}
	}
	for tenths, want := range map[int16]string{0: "0.0", 5: "0.5", 25: "2.5", listing.MaxBathrooms: "99.9"} {
		if got := string(listing.AppendBathrooms(nil, tenths)); got != want {
			t.Errorf("%d tenths: %s, want %s", tenths, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(0, listing.MaxPrice).Draw(t, "cents")
		if got, want := string(listing.AppendPrice(nil, cents)), fmt.Sprintf("%d.%02d", cents/100, cents%100); got != want {
			t.Fatalf("%d cents: %s, want %s", cents, got, want)
		}
	})
}
