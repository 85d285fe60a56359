package main

import (
	"slices"
	"strings"
)

// columns are mutants that forget a column each: in writes, in what the envelope of a bulk
// edit bounds, and in what of it a query's filter is held against.
func columns() []Mutant {
	var all []Mutant
	forget := func(name, file, line, instead, pkg, run string) {
		all = append(all, Mutant{name, []Edit{{file, line, instead}}, pkg, run})
	}
	for column, line := range map[string]string{
		"title":         `text(listing.Title, "title", func(p *p) *string { return &p.Title }),`,
		"description":   `text(listing.Description, "description", func(p *p) *string { return &p.Description }),`,
		"property_type": `text(listing.PropertyType, "property_type", func(p *p) *string { return &p.PropertyType }),`,
		"status":        `text(listing.Status, "status", func(p *p) *string { return &p.Status }),`,
		"city":          `text(listing.City, "city", func(p *p) *string { return &p.City }),`,
		"postal_code":   `nullable(listing.PostalCode, "postal_code", "::text", func(p *p) *listing.Null[string] { return &p.PostalCode }),`,
		"bedrooms":      `nullable(listing.Bedrooms, "bedrooms", "::smallint", func(p *p) *listing.Null[int16] { return &p.Bedrooms }),`,
		"bathrooms":     `nullable(listing.Bathrooms, "bathrooms", "::smallint * 0.1", func(p *p) *listing.Null[int16] { return &p.Bathrooms }),`,
		"living_area":   `nullable(listing.LivingArea, "living_area", "::integer", func(p *p) *listing.Null[int32] { return &p.LivingArea }),`,
		"latitude":      `nullable(listing.Latitude, "latitude", "::float8", func(p *p) *listing.Null[float64] { return &p.Latitude }),`,
		"longitude":     `nullable(listing.Longitude, "longitude", "::float8", func(p *p) *listing.Null[float64] { return &p.Longitude }),`,
	} {
		forget("write/"+column+" is ignored", "internal/serve/database/fields.go", "		"+line+"\n", "", "./internal/serve/database", "Written")
	}
	for column, line := range map[string]string{
		"property_type": "PropertyType: setOf(s.PropertyTypes)",
		"status":        "Status:       setOf(s.Statuses)",
		"city":          "City:         setOf(s.Cities)",
		"postal_code":   "PostalCode:   setOf(s.PostalCodes)",
		"price":         "Price:        match.Range[int64]{Min: least.Price, Max: greatest.Price, Valid: true}",
		"bedrooms":      "Bedrooms:     rangeOf(least.Bedrooms, greatest.Bedrooms)",
		"bathrooms":     "Bathrooms:    rangeOf(least.Bathrooms, greatest.Bathrooms)",
		"living_area":   "LivingArea:   rangeOf(least.LivingArea, greatest.LivingArea)",
		"latitude":      "Latitude:     rangeOf(placed(least.Latitude), placed(greatest.Latitude))",
		"longitude":     "Longitude:    rangeOf(placed(least.Longitude), placed(greatest.Longitude))",
		"created_at":    "CreatedAt:    match.Range[listing.Micros]{Min: least.CreatedAt, Max: greatest.CreatedAt, Valid: true}",
	} {
		forget("decode/bulk forgets "+column, feed+"decode.go", "		"+line+",\n", "", "./internal/invalidate/feed", "BulkOfOneColumn/^"+column)
	}
	// Without a condition, a bulk edit purges what it cannot have touched.
	for column, condition := range map[string]string{
		"city":          "e.City.meets(f.City)",
		"postal_code":   "e.PostalCode.meets(f.PostalCode)",
		"property_type": "e.PropertyType.meets(f.PropertyType)",
		"status":        "e.Status.meets(f.Status)",
		"price":         "e.Price.meets(f.MinPrice, f.MaxPrice)",
		"bedrooms":      "e.Bedrooms.meets(f.MinBedrooms, f.MaxBedrooms)",
		"bathrooms":     "e.Bathrooms.meets(f.MinBathrooms, listing.Null[int16]{})",
		"living_area":   "e.LivingArea.meets(f.MinArea, f.MaxArea)",
		"box":           "(!f.Box.Valid || e.overlaps(f.Box.V))",
	} {
		forget("match/bulk passes over "+column, match+"envelope.go", condition, "true", "./internal/invalidate/match", "Envelope")
	}
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return all
}
