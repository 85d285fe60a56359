package render

import "github.com/freshlist/freshlist/internal/listing"

// propertyPage is what the template of a property's page shows.
type propertyPage struct {
	document
	Property *listing.Property
	CityHref string // the listings of its city; none if the city cannot be asked for
	TypeHref string // of its type, likewise
	MapHref  string // a map of its place, if the place is known and one
}

func propertyHTML(p *listing.Property) []byte {
	page := propertyPage{
		document: document{
			Title:       p.Title + ", " + dollars(p.Price),
			Description: p.Description,
			Canonical:   propertyAddress(p.ID),
			JSON:        "/v1" + propertyAddress(p.ID),
		},
		Property: p,
		CityHref: all(listing.Filter{City: []string{p.City}}),
		TypeHref: all(listing.Filter{PropertyType: []string{p.PropertyType}}),
	}
	if page.Description == "" {
		page.Description = page.Title
	}
	if onEarth(p.Latitude, 90) && onEarth(p.Longitude, 180) {
		page.MapHref = mapAddress(p.Latitude.V+0, p.Longitude.V+0) // -0 + 0 is 0
	}
	return execute("property", page)
}

func onEarth(degrees listing.Null[float64], most float64) bool {
	return degrees.Valid && degrees.V >= -most && degrees.V <= most
}

// all is the address of the listings that a filter leaves, if there can be one.
func all(f listing.Filter) string {
	return addressIfAny(listing.Query{Filter: f, Limit: listing.DefaultLimit})
}

// mapAddress is a public map with a mark at the given place.
func mapAddress(latitude, longitude float64) string {
	b := appendFloat([]byte("https://www.openstreetmap.org/?mlat="), latitude)
	b = appendFloat(append(b, "&mlon="...), longitude)
	return string(append(b, "#map=16/"...)) + string(appendFloat(nil, latitude)) + "/" + string(appendFloat(nil, longitude))
}
