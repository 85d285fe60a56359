package render

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// form is the filter form of a list. It is made from parameters, not from a filter, so that a
// bad request can be shown again as it was entered.
type form struct {
	Action string // address of the list
	Many   string // what the list's rows are called
	Locale string // how numbers are written
	Most   int    // how many values a list may have
	Facets string // address of the summary that has the values to choose from
	Groups []group
	Limit  field
	Kept   []field // what the form keeps but does not show
	Faults []fault // what is wrong with the fields, shown above them
}

// group is the fields for one column.
type group struct {
	Kind   string // text, checks or range
	Legend string // of a range
	Facet  string // the member of the summary that has the column's values, if there is one
	Show   string // how they are printed
	Fields []field
}

// field is one parameter of the form.
type field struct {
	Name    string
	Label   string
	Value   string // of a list: joined by commas
	Decimal bool   // it is a number
	Hint    string // how to fill it in, where that is not obvious
	Fault   string // what is wrong with Value, if anything
	Choices []choice
}

// fault is what is wrong with a parameter.
type fault struct {
	listing.Fault
	Label string // the parameter in words
	Href  string // the field's place on the page; none if the form does not show it
}

// choice is one value that a field offers.
type choice struct {
	Value, Label string
	Chosen       bool
}

// fields makes the fields of one form.
type fields struct {
	table  *listing.Table
	values url.Values
	faults []listing.Fault
	shown  map[string]bool // the names of the fields made
}

// newForm returns the form that shows the given parameters and what is wrong with them.
func newForm(t *listing.Table, filter listing.Filter, values url.Values, faults []listing.Fault) form {
	f := fields{t, values, faults, make(map[string]bool)}
	all := listing.Query{Table: t, Limit: listing.DefaultLimit}
	summary := listing.Query{Table: t, Kind: listing.SummaryKind, Filter: filter}
	made := form{
		Action: address(&all),
		Locale: t.Site.Description.Site.Locale,
		Most:   listing.MaxListValues,
		Facets: "/v1/" + summary.String(),
		Many:   called(t),
		Groups: f.groups(),
		Limit:  f.one("limit", "Per page", strconv.Itoa(listing.DefaultLimit), "50", "100"),
		Kept:   f.kept(description.ParamBBox, description.ParamIDs, "sort"),
	}
	for _, wrong := range faults {
		shown := fault{Fault: wrong, Label: parameterWords(t, wrong.Name)}
		if f.shown[wrong.Name] {
			shown.Href = "#f-" + wrong.Name
		}
		made.Faults = append(made.Faults, shown)
	}
	return made
}

// groups returns the fields of all filters: the words first, then the columns in the order of
// lists.
func (f fields) groups() []group {
	t := f.table
	var groups []group
	var columns []int
	for i := range t.Parameters {
		switch p := &t.Parameters[i]; p.Kind {
		case description.Words:
			groups = append(groups, group{Kind: "text", Fields: []field{f.entry(p.Name, wordsLabel)}})
		case description.BBox:
		default:
			if p.Name != description.ParamIDs && !slices.Contains(columns, p.Column) {
				columns = append(columns, p.Column)
			}
		}
	}
	rank := func(column int) int {
		if i := slices.Index(t.Item, column); i >= 0 {
			return i
		}
		return len(t.Item)
	}
	slices.SortStableFunc(columns, func(a, b int) int { return rank(a) - rank(b) })
	for _, n := range columns {
		groups = append(groups, f.group(&t.Columns[n]))
	}
	return groups
}

// group returns the fields of one column's filter.
func (f fields) group(c *listing.Column) (g group) {
	g.Show = c.Show
	for i := range f.table.Facets {
		if facet := &f.table.Facets[i]; facet.Column == c.Number {
			g.Facet = facet.Name
		}
	}
	for i := range f.table.Parameters {
		p := &f.table.Parameters[i]
		if p.Kind == description.BBox || p.Kind == description.Words || p.Name == description.ParamIDs || p.Column != c.Number {
			continue
		}
		switch p.Kind {
		case description.Min:
			g.Fields = append(g.Fields, f.bound(p.Name, "At least", c))
		case description.Max:
			g.Fields = append(g.Fields, f.bound(p.Name, "At most", c))
		case description.Contains:
			g.Kind = "text"
			g.Fields = []field{f.list(p.Name, label(c), `All of these, with commas between. A comma in one: \,`)}
		default:
			if values := knownValues(c); len(values) > 0 {
				g.Kind, g.Facet = "checks", ""
				g.Fields = []field{f.several(p.Name, c, values)}
				continue
			}
			g.Kind = "text"
			g.Fields = []field{f.list(p.Name, label(c), `As it is listed, with commas between. A comma in it: \,`)}
		}
	}
	if g.Kind == "" {
		g.Kind, g.Legend = "range", label(c)
		switch {
		case c.Show == showMoney:
			g.Legend += " in " + f.table.Site.Description.Site.Currency
		case c.Unit != "":
			g.Legend += " in " + c.Unit
		}
	}
	return g
}

// knownValues returns the values that a column can have, if they are known and few.
func knownValues(c *listing.Column) []string {
	const most = 20
	values := c.OneOf
	switch c.Form {
	case listing.Truth:
		values = []string{"true", "false"}
	case listing.Label:
		values = c.Type.Labels
	}
	if len(values) > most || slices.Contains(values, "") { // which cannot be asked for
		return nil
	}
	return values
}

// bound is a field for the least or the greatest value of a column.
func (f fields) bound(name, label string, c *listing.Column) field {
	field := f.entry(name, label)
	field.Decimal = isNumber(c)
	if isTime(c) {
		field.Hint = "Such as 2024-12-31."
	}
	return field
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

// one is a field that takes one of the given values or none, which has a label of its own. A
// value besides those is a choice as well while it is chosen.
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

// several is a field that takes any number of the given values. Others are choices as well
// while they are chosen.
func (f fields) several(name string, c *listing.Column, values []string) field {
	field := f.entry(name, label(c))
	chosen := slices.Collect(listing.SplitList(field.Value))
	values = slices.Clone(values)
	for _, v := range chosen {
		if v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	for _, v := range values {
		field.Choices = append(field.Choices, choice{listing.EscapeItem(v), choiceWords(c, v), slices.Contains(chosen, v)})
	}
	return field
}

// choiceWords writes a value that a request spells.
func choiceWords(c *listing.Column, text string) string {
	if c.Form == listing.Truth {
		switch text {
		case "true":
			return "Yes"
		case "false":
			return "No"
		}
	}
	return c.Worded(text)
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
			return listing.Capitalized(wrong.Detail)
		}
	}
	return ""
}

// wordsLabel is what the form calls the filter of words.
const wordsLabel = "Words in the listing"

// parameterWords reads a parameter's name as the form's labels do: min_area is Minimum living
// area.
func parameterWords(t *listing.Table, name string) string {
	switch name {
	case "limit":
		return "Per page"
	case "sort":
		return "Order"
	}
	for i := range t.Parameters {
		p := &t.Parameters[i]
		if p.Name != name {
			continue
		}
		switch p.Kind {
		case description.Words:
			return wordsLabel
		case description.BBox:
			return "Map area"
		case description.Min:
			return "Minimum " + listing.Lowered(label(&t.Columns[p.Column]))
		case description.Max:
			return "Maximum " + listing.Lowered(label(&t.Columns[p.Column]))
		default:
			return label(&t.Columns[p.Column])
		}
	}
	return listing.PlainWords(name)
}
