package render

import (
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// condition is one of a filter's conditions in words, and how to drop it.
type condition struct {
	text string
	drop func(*listing.Filter)
}

// conditions returns a filter's conditions in the order of the form.
func conditions(f listing.Filter) []condition {
	var all []condition
	add := func(given bool, text string, drop func(*listing.Filter)) {
		if given {
			all = append(all, condition{text, drop})
		}
	}
	each := func(values []string, name func(string) string, list func(*listing.Filter) *[]string) {
		for _, v := range values {
			add(true, name(v), func(f *listing.Filter) { *list(f) = without(*list(f), v) })
		}
	}
	add(f.Text != "", "“"+f.Text+"”", func(f *listing.Filter) { f.Text = "" })
	each(f.City, placeName, func(f *listing.Filter) *[]string { return &f.City })
	each(f.PostalCode, strings.Clone, func(f *listing.Filter) *[]string { return &f.PostalCode })
	each(f.PropertyType, typeName, func(f *listing.Filter) *[]string { return &f.PropertyType })
	each(f.Status, statusName, func(f *listing.Filter) *[]string { return &f.Status })
	add(f.MinPrice.Valid, "from "+dollars(f.MinPrice.V), func(f *listing.Filter) { f.MinPrice.Valid = false })
	add(f.MaxPrice.Valid, "up to "+dollars(f.MaxPrice.V), func(f *listing.Filter) { f.MaxPrice.Valid = false })
	add(f.MinBedrooms.Valid, "at least "+beds(f.MinBedrooms.V), func(f *listing.Filter) { f.MinBedrooms.Valid = false })
	add(f.MaxBedrooms.Valid, "at most "+beds(f.MaxBedrooms.V), func(f *listing.Filter) { f.MaxBedrooms.Valid = false })
	add(f.MinBathrooms.Valid, "at least "+baths(f.MinBathrooms.V), func(f *listing.Filter) { f.MinBathrooms.Valid = false })
	add(f.MinArea.Valid, "from "+area(f.MinArea.V), func(f *listing.Filter) { f.MinArea.Valid = false })
	add(f.MaxArea.Valid, "up to "+area(f.MaxArea.V), func(f *listing.Filter) { f.MaxArea.Valid = false })
	add(f.Box.Valid, "inside a map area", func(f *listing.Filter) { f.Box.Valid = false })
	return all
}

// without returns a copy of a list without one value.
func without(list []string, value string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == value })
}

// chips links each condition to the first page of the list without it.
func chips(q listing.Query) []link {
	var links []link
	for _, c := range conditions(q.Filter) {
		to := first(q)
		c.drop(&to.Filter)
		links = append(links, link{Text: capitalized(c.text), Href: address(to)})
	}
	return links
}

// heading names the list by its cities.
func heading(f listing.Filter) string {
	if len(f.City) == 0 {
		return "Homes"
	}
	cities := make([]string, len(f.City))
	for i, c := range f.City {
		cities[i] = placeName(c)
	}
	const shown = 3
	if more := len(cities) - shown; more > 0 {
		cities = append(cities[:shown], counted(grouped(int64(more)), "other place"))
	}
	return "Homes in " + enumerated(cities)
}

// describe says in one sentence which list a query asks for.
func describe(q listing.Query) string {
	words := []string{"Homes"}
	for _, c := range conditions(q.Filter) {
		words = append(words, c.text)
	}
	return strings.Join(append(words, orderName(q.Sort)+" first."), ", ")
}
