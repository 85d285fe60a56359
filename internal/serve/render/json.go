package render

import "github.com/freshlist/freshlist/internal/listing"

// Sizes that a body rarely exceeds, so that it is written into one allocation.
const (
	itemSize     = 420 // bytes, one item of a list
	propertySize = 900 // bytes, one property with its description
	facetSize    = 48  // bytes, one value of a summary
)

// pageJSON writes {"items": [...], "next": ...}.
func pageJSON(qs listing.Queryset) []byte {
	b := make([]byte, 0, 256+itemSize*len(qs.Items))
	b = append(b, `{"items":[`...)
	for i := range qs.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		b = appendItem(b, &qs.Items[i])
		b = append(b, '}')
	}
	b = append(b, `],"next":`...)
	if next := qs.Next(); next != "" {
		b = appendString(b, next)
	} else {
		b = append(b, "null"...)
	}
	return append(b, "}\n"...)
}

// propertyJSON writes one property: an item's members and the two that only its
// own page shows.
func propertyJSON(p *listing.Property) []byte {
	b := append(make([]byte, 0, propertySize), '{')
	b = appendItem(b, p)
	b = appendString(append(b, `,"description":`...), p.Description)
	b = appendTime(append(b, `,"updated_at":`...), p.UpdatedAt)
	return append(b, "}\n"...)
}

// appendItem appends the members of an item of a list, without the braces.
func appendItem(b []byte, p *listing.Property) []byte {
	b = appendInt(append(b, `"id":`...), p.ID)
	b = appendString(append(b, `,"title":`...), p.Title)
	b = appendString(append(b, `,"property_type":`...), p.PropertyType)
	b = appendString(append(b, `,"status":`...), p.Status)
	b = appendPrice(append(b, `,"price":`...), p.Price)
	b = appendString(append(b, `,"city":`...), p.City)
	b = appendNull(append(b, `,"postal_code":`...), p.PostalCode, appendString)
	b = appendNull(append(b, `,"bedrooms":`...), p.Bedrooms, appendInt[int16])
	b = appendNull(append(b, `,"bathrooms":`...), p.Bathrooms, appendBathrooms)
	b = appendNull(append(b, `,"living_area":`...), p.LivingArea, appendInt[int32])
	b = appendNull(append(b, `,"latitude":`...), p.Latitude, appendFloat)
	b = appendNull(append(b, `,"longitude":`...), p.Longitude, appendFloat)
	return appendTime(append(b, `,"created_at":`...), p.CreatedAt)
}

// summaryJSON writes count, price range and facets.
func summaryJSON(s listing.Summary) []byte {
	facets := len(s.ByCity) + len(s.ByPropertyType) + len(s.ByBedrooms)
	b := make([]byte, 0, 256+facetSize*facets)
	b = appendInt(append(b, `{"count":`...), s.Count)
	b = appendPrices(append(b, `,"price":`...), s)
	b = appendFacets(append(b, `,"by_city":`...), s.ByCity, appendString)
	b = appendFacets(append(b, `,"by_property_type":`...), s.ByPropertyType, appendString)
	b = appendFacets(append(b, `,"by_bedrooms":`...), s.ByBedrooms, appendDigits)
	return append(b, "}\n"...)
}

func appendPrices(b []byte, s listing.Summary) []byte {
	if s.Count == 0 {
		return append(b, `{"min":null,"max":null,"mean":null}`...)
	}
	b = appendPrice(append(b, `{"min":`...), s.MinPrice)
	b = appendPrice(append(b, `,"max":`...), s.MaxPrice)
	b = appendPrice(append(b, `,"mean":`...), s.MeanPrice)
	return append(b, '}')
}

func appendFacets(b []byte, facets []listing.Facet, value func([]byte, string) []byte) []byte {
	b = append(b, '[')
	for i, f := range facets {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNull(append(b, `{"value":`...), f.Value, value)
		b = appendInt(append(b, `,"count":`...), f.Count)
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendDigits appends a number that is text already.
func appendDigits(b []byte, s string) []byte { return append(b, s...) }
