package listing_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
)

// The ends of what PostgreSQL stores are the infinities; NULL has the ends of an int64 to
// itself wherever it stands among values.
func TestEndsAreLeftToNull(t *testing.T) {
	t.Parallel()
	for stored, want := range map[int64]listing.Micros{math.MaxInt64: listing.Infinity, math.MinInt64: listing.LongAgo, 0: 0, -1: -1} {
		if got := listing.MicrosOfStored(stored); got != want {
			t.Errorf("%d is stored for %v, want %v", stored, got, want)
		}
	}
	ends := []int64{math.MinInt64, math.MaxInt64}
	values := []int64{int64(listing.Infinity), int64(listing.LongAgo), listing.NaNPrice}
	for _, v := range []float64{math.NaN(), math.Copysign(math.NaN(), -1), math.Inf(1), math.Inf(-1), math.Float64frombits(math.MaxUint64)} {
		values = append(values, listing.PlaceOf(v))
	}
	for _, v := range values {
		if slices.Contains(ends, v) {
			t.Errorf("%d is a value's and NULL's", v)
		}
	}
}

// PostgreSQL's order of floats: NaN is equal to itself, whatever its bits, and greatest.
func TestPlaceOf(t *testing.T) {
	t.Parallel()
	same := map[float64]float64{math.Copysign(0, -1): 0}
	for a, b := range same {
		if listing.PlaceOf(a) != listing.PlaceOf(b) {
			t.Errorf("%v is not where %v is", a, b)
		}
	}
	if listing.PlaceOf(math.NaN()) != listing.PlaceOf(math.Float64frombits(math.MaxUint64)) {
		t.Error("a NaN of other bits has another place")
	}
	rising := []float64{math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, math.MaxFloat64, math.Inf(1), math.NaN()}
	for i := range len(rising) - 1 {
		if listing.PlaceOf(rising[i]) >= listing.PlaceOf(rising[i+1]) {
			t.Errorf("%v is not before %v", rising[i], rising[i+1])
		}
	}
}

func TestInstants(t *testing.T) {
	t.Parallel()
	at := func(year int, fraction time.Duration) listing.Micros {
		return listing.MicrosOf(time.Date(year, time.March, 4, 5, 6, 7, int(fraction), time.UTC))
	}
	for m, want := range map[listing.Micros]string{
		listing.Infinity:                  "infinity",
		listing.LongAgo:                   "-infinity",
		0:                                 "2000-01-01T00:00:00Z",
		-1:                                "1999-12-31T23:59:59.999999Z",
		at(1, 0):                          "0001-03-04T05:06:07Z",
		at(9999, 500*time.Millisecond):    "9999-03-04T05:06:07.500000Z",
		at(10000, 500*time.Millisecond):   "10000-03-04T05:06:07.5+00:00",
		at(294276, 0):                     "294276-03-04T05:06:07+00:00",
		at(0, 0):                          "0001-03-04T05:06:07+00:00 BC",
		at(-4712, 10*time.Microsecond):    "4713-03-04T05:06:07.00001+00:00 BC",
		9_223_371_331_200_000_000 - 1:     "294276-12-31T23:59:59.999999+00:00",
		-211_813_488_000_000_000:          "4714-11-24T00:00:00+00:00 BC",
		listing.MicrosOf(time.Unix(0, 0)): "1970-01-01T00:00:00Z",
	} {
		if got := m.String(); got != want {
			t.Errorf("%d is %s, want %s", int64(m), got, want)
		}
		if m.Finite() && listing.MicrosOf(m.Time()) != m {
			t.Errorf("%d is %d there and back", int64(m), int64(listing.MicrosOf(m.Time())))
		}
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	nan := listing.Property{Row: listing.Row{Latitude: listing.Some(math.NaN())}}
	zero := listing.Property{Row: listing.Row{Latitude: listing.Some(0.0)}}
	minus := listing.Property{Row: listing.Row{Latitude: listing.Some(math.Copysign(0, -1))}}
	absent, titled := listing.Property{}, nan
	titled.Title = "x"
	for _, p := range []*listing.Property{&nan, &zero, &minus, &absent, &titled} {
		for _, q := range []*listing.Property{&nan, &zero, &minus, &absent, &titled} {
			if p.Same(q) != (p == q) {
				t.Errorf("%+v and %+v are the same: %v", *p, *q, p.Same(q))
			}
		}
	}
}
