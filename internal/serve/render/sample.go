package render

import (
	"math"
	"time"

	"github.com/freshlist/freshlist/internal/listing"
)

// sample is a queryset whose rendering BuildTag hashes.
type sample struct {
	name     string
	queryset listing.Queryset
}

// samples are querysets that together show every part of a cached body.
func samples() []sample {
	full, bare := sampleProperty(), bareProperty()
	narrow := listing.Query{Filter: sampleFilter(), Sort: listing.PriceDesc, Limit: 50}
	later := narrow
	later.After = listing.Some(listing.Key{Value: listing.Some(full.Price), ID: full.ID})
	everything := listing.Query{Limit: listing.DefaultLimit}
	return []sample{
		{"page", listing.Queryset{
			Query: narrow,
			Items: []listing.Property{full, bare},
			Ahead: listing.Some(listing.Key{Value: listing.Some(bare.Price), ID: 3}),
		}},
		{"page-last", listing.Queryset{Query: later, Items: []listing.Property{bare}}},
		{"page-past", listing.Queryset{Query: later}},
		{"page-none", listing.Queryset{Query: narrow}},
		{"page-empty", listing.Queryset{Query: everything}},
		{"property", listing.Queryset{Query: propertyQuery(17), Items: []listing.Property{full}}},
		{"property-bare", listing.Queryset{Query: propertyQuery(2), Items: []listing.Property{bare}}},
		{"page-odd", listing.Queryset{Query: narrow, Items: []listing.Property{oddProperty(-3)}}},
		{"property-odd", listing.Queryset{Query: propertyQuery(3), Items: []listing.Property{oddProperty(3)}}},
		{"summary-odd", listing.Queryset{Query: summaryQuery(everything), Summary: listing.Summary{
			Count: 2, MinPrice: -5_00, MaxPrice: listing.NaNPrice, MeanPrice: listing.NaNPrice,
			ByBedrooms: []listing.Facet{{Value: listing.Some("-1"), Count: 2}},
		}}},
		{"property-absent", listing.Queryset{Query: propertyQuery(math.MaxInt64)}},
		{"summary", listing.Queryset{Query: summaryQuery(narrow), Summary: sampleSummary()}},
		{"summary-empty", listing.Queryset{Query: summaryQuery(everything)}},
	}
}

func propertyQuery(id int64) listing.Query { return listing.Query{Kind: listing.PropertyKind, ID: id} }

func summaryQuery(page listing.Query) listing.Query {
	return listing.Query{Kind: listing.SummaryKind, Filter: page.Filter}
}

// sampleProperty has a value in every column.
func sampleProperty() listing.Property {
	return listing.Property{
		Row: listing.Row{
			ID:           17,
			PropertyType: "Multi_Family",
			Status:       "pending",
			Price:        1_234_567_05,
			City:         "ELK_GROVE",
			PostalCode:   listing.Some("95758"),
			Bedrooms:     listing.Some(int16(3)),
			Bathrooms:    listing.Some(int16(25)),
			LivingArea:   listing.Some(int32(1540)),
			Latitude:     listing.Some(38.4088),
			Longitude:    listing.Some(-121.371901),
			CreatedAt:    instantOf(2008, time.May, 15, 0),
		},
		Title:       "3-bed Multi-Family in Elk Grove",
		Description: "Close to the \"old town\" <garden & garage>.\n\tSecond line\\\u2028\x01é 🏡",
		UpdatedAt:   instantOf(2008, time.May, 15, 500),
	}
}

// bareProperty has a value only where it must, and numbers at their edges.
func bareProperty() listing.Property {
	return listing.Property{
		Row: listing.Row{
			ID:           2,
			PropertyType: "Residential",
			Status:       "for_sale",
			City:         "San José",
			Bedrooms:     listing.Some(int16(1)),
			Latitude:     listing.Some(math.Copysign(0, -1)),
			Longitude:    listing.Some(1e-7),
			CreatedAt:    instantOf(1900, time.January, 1, 1),
		},
		Title:     "A plot",
		UpdatedAt: instantOf(2200, time.January, 1, -1),
	}
}

// oddProperty has values that the checks of the table keep out, while they stand.
func oddProperty(id int64) listing.Property {
	return listing.Property{
		Row: listing.Row{
			ID:         id,
			Status:     "gone",
			Price:      listing.NaNPrice,
			Bedrooms:   listing.Some(int16(-1)),
			Bathrooms:  listing.Some(int16(listing.NaNBathrooms)),
			LivingArea: listing.Some(int32(-1_500)),
			Latitude:   listing.Some(math.NaN()),
			Longitude:  listing.Some(math.Inf(-1)),
			CreatedAt:  listing.Infinity,
		},
		UpdatedAt: instantOf(-43, time.March, 15, 500_000), // 44 BC
	}
}

func instantOf(year int, month time.Month, day, microseconds int) listing.Micros {
	return listing.MicrosOf(time.Date(year, month, day, 0, 0, 0, 1000*microseconds, time.UTC))
}

// sampleFilter has every kind of condition.
func sampleFilter() listing.Filter {
	return listing.Filter{
		City:         []string{"COOL", "ELK_GROVE", "FOLSOM", "GALT", "San José"},
		PostalCode:   []string{"95624", "95758"},
		PropertyType: []string{"Condo", "Multi_Family"},
		Status:       []string{"for_sale", "pending"},
		MinPrice:     listing.Some(int64(100_000_00)),
		MaxPrice:     listing.Some(int64(2_000_000_50)),
		MinBedrooms:  listing.Some(int16(1)),
		MaxBedrooms:  listing.Some(int16(7)),
		MinBathrooms: listing.Some(int16(15)),
		MinArea:      listing.Some(int32(500)),
		MaxArea:      listing.Some(int32(12_000)),
		Box:          listing.Some(listing.Box{West: -121.5, South: 38, East: -121, North: 39}),
		Text:         `garden "old town"`,
	}
}

func sampleSummary() listing.Summary {
	return listing.Summary{
		Count:          18,
		MinPrice:       200_000_00,
		MaxPrice:       636_000_00,
		MeanPrice:      414_960_18,
		ByCity:         []listing.Facet{{Value: listing.Some("FOLSOM"), Count: 17}, {Value: listing.Some(`"X"`), Count: 1}},
		ByPropertyType: []listing.Facet{{Value: listing.Some("Residential"), Count: 18}},
		ByBedrooms:     []listing.Facet{{Value: listing.Some("3"), Count: 16}, {Count: 2}},
	}
}
