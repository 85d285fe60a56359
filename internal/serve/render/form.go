package render

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// form is the filter form of the listings page. It is made from parameters, not
// from a filter, so that a bad request can be shown again as it was entered.
type form struct {
	Text, City, PostalCode, PropertyType, Status field
	MinPrice, MaxPrice                           field
	MinBedrooms, MaxBedrooms, MinBathrooms       field
	MinArea, MaxArea                             field
	Limit                                        field
	Kept                                         []field // what the form keeps but does not show
	Faults                                       []fault // what is wrong with the fields, shown above them
	Summary                                      string  // address of the filter's summary; none for a bad request
}

// field is one parameter of the form.
type field struct {
	Name    string
	Label   string
	Value   string // of a list: joined by commas
	Hint    string // how to fill it in, where that is not obvious
	Fault   string // what is wrong with Value, if anything
	Choices []choice
}

// fault is what is wrong with a parameter.
type fault struct {
	listing.Fault
	Href string // the field's place on the page; none if the form does not show it
}

// choice is one value that a field offers.
type choice struct {
	Value, Label string
	Chosen       bool
}

// fields makes the fields of one form.
type fields struct {
	values url.Values
	faults []listing.Fault
	shown  map[string]bool // the names of the fields made
}

// newForm returns the form that shows the given parameters and what is wrong
// with them.
func newForm(values url.Values, faults []listing.Fault) form {
	f := fields{values, faults, make(map[string]bool)}
	made := form{
		Text:         f.entry("q", "Words in the listing"),
		City:         f.list("city", "City", "As it is listed, with commas between: ELK_GROVE,FOLSOM"),
		PostalCode:   f.list("postal_code", "Postal code", ""),
		PropertyType: f.list("property_type", "Property type", "As it is listed, with commas between: Condo,Multi_Family"),
		Status:       f.several("status", "Status", "for_sale", "pending", "sold"),
		MinPrice:     f.entry("min_price", "At least"),
		MaxPrice:     f.entry("max_price", "At most"),
		MinBedrooms:  f.one("min_bedrooms", "At least", "Any", "1", "2", "3", "4", "5", "6"),
		MaxBedrooms:  f.one("max_bedrooms", "At most", "Any", "1", "2", "3", "4", "5", "6"),
		MinBathrooms: f.one("min_bathrooms", "At least", "Any", "1", "1.5", "2", "2.5", "3", "4"),
		MinArea:      f.entry("min_area", "At least"),
		MaxArea:      f.entry("max_area", "At most"),
		Limit:        f.one("limit", "Per page", strconv.Itoa(listing.DefaultLimit), "50", "100"),
		Kept:         f.kept("bbox", "sort"),
	}
	for _, wrong := range faults {
		shown := fault{Fault: wrong}
		if f.shown[wrong.Name] {
			shown.Href = "#f-" + wrong.Name
		}
		made.Faults = append(made.Faults, shown)
	}
	return made
}

// entry is a field that is typed into.
func (f fields) entry(name, label string) field {
	f.shown[name] = true
	return field{Name: name, Label: label, Value: f.value(name), Fault: f.fault(name)}
}

// list is a field for any number of values.
func (f fields) list(name, label, hint string) field {
	field := f.entry(name, label)
	field.Hint = hint
	return field
}

// one is a field that takes one of the given values or none, which has a label
// of its own. A value besides those is a choice as well while it is chosen.
func (f fields) one(name, label, none string, values ...string) field {
	field := f.entry(name, label)
	field.Choices = []choice{{"", none, field.Value == ""}}
	if field.Value != "" && !slices.Contains(values, field.Value) {
		values = append(values, field.Value)
	}
	for _, v := range values {
		field.Choices = append(field.Choices, choice{v, v, v == field.Value})
	}
	return field
}

// several is a field that takes any number of the given values. Others are
// choices as well while they are chosen.
func (f fields) several(name, label string, values ...string) field {
	field := f.entry(name, label)
	var chosen []string
	if field.Value != "" {
		chosen = strings.Split(field.Value, ",")
	}
	for _, v := range chosen {
		if v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	for _, v := range values {
		field.Choices = append(field.Choices, choice{v, statusName(v), slices.Contains(chosen, v)})
	}
	return field
}

// kept returns those of the named parameters that are there and not faulty.
func (f fields) kept(names ...string) []field {
	var kept []field
	for _, name := range names {
		if value := f.value(name); value != "" && f.fault(name) == "" {
			kept = append(kept, field{Name: name, Value: value})
		}
	}
	return kept
}

func (f fields) value(name string) string { return strings.Join(f.values[name], ",") }

func (f fields) fault(name string) string {
	for _, wrong := range f.faults {
		if wrong.Name == name {
			return capitalized(wrong.Detail)
		}
	}
	return ""
}
