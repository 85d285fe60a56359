package listing_test

import (
	"testing"

	"github.com/freshlist/freshlist/internal/listing"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	row := listing.Row{
		ID: 17, PropertyType: "Condo", Status: "for_sale", Price: 500_00, City: "GALT", PostalCode: listing.Some("95632"),
		Bedrooms: listing.Some[int16](3), Bathrooms: listing.Some[int16](25), LivingArea: listing.Some[int32](900),
		Latitude: listing.Some(38.5), Longitude: listing.Some(-121.5),
	}
	for raw, want := range map[string]bool{
		"":                            true,
		"city=GALT":                   true,
		"city=galt":                   false,
		"city=FOLSOM,GALT":            true,
		"city=GAL":                    false,
		"postal_code=95632":           true,
		"postal_code=95630":           false,
		"property_type=Condo":         true,
		"property_type=House":         false,
		"status=sold,for_sale":        true,
		"status=sold":                 false,
		"max_price=500":               true,
		"max_price=499.99":            false,
		"min_price=500.00":            true,
		"min_price=500.01":            false,
		"min_price=500&max_price=500": true,
		"min_bedrooms=3":              true,
		"min_bedrooms=4":              false,
		"max_bedrooms=2":              false,
		"min_bathrooms=2.5":           true,
		"min_bathrooms=2.6":           false,
		"min_area=900&max_area=900":   true,
		"min_area=901":                false,
		"max_area=899":                false,
		"bbox=-121.5,38.5,-121,39":    true, // on the corner
		"bbox=-122,38,-121.5,38.5":    true, // on the other
		"bbox=-122,38,-121.6,39":      false,
		"bbox=-122,38.6,-121,39":      false,
		"q=pool":                      true, // only PostgreSQL can tell
		"q=pool&city=FOLSOM":          false,
	} {
		q, faults := listing.ParseSummary(values(t, raw), listing.Strict)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", raw, faults)
		}
		if got := q.Filter.Match(&row); got != want {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
}

// TestNullMatchesNoCondition on its own column, and any other condition.
func TestNullMatchesNoCondition(t *testing.T) {
	t.Parallel()
	row := listing.Row{City: "GALT", Status: "for_sale", PropertyType: "Condo"}
	for raw, want := range map[string]bool{
		"city=GALT&status=for_sale&max_price=0": true,
		"postal_code=95632":                     false,
		"min_bedrooms=0":                        false,
		"max_bedrooms=32767":                    false,
		"min_bathrooms=0":                       false,
		"min_area=0":                            false,
		"max_area=2147483647":                   false,
		"bbox=-180,-90,180,90":                  false,
	} {
		q, faults := listing.ParseSummary(values(t, raw), listing.Strict)
		if len(faults) > 0 {
			t.Fatalf("%s: %v", raw, faults)
		}
		if got := q.Filter.Match(&row); got != want {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
	half := listing.Filter{Box: listing.Some(listing.Box{West: -180, South: -90, East: 180, North: 90})}
	if half.Match(&listing.Row{Latitude: listing.Some(0.0)}) || half.Match(&listing.Row{Longitude: listing.Some(0.0)}) {
		t.Error("half a position lies in a box")
	}
}
