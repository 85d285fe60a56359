package render

import (
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// condition is one of a filter's conditions in words, and the filter without it.
type condition struct {
	text    string
	without listing.Filter
}

// conditions returns a query's conditions in the order of the parameters; what is searched
// for comes first.
func conditions(q *listing.Query) []condition {
	var all []condition
	for i := range q.Filter {
		c := &q.Filter[i]
		p := &q.Table.Parameters[c.Parameter]
		switch p.Kind {
		case description.Words:
			all = slices.Insert(all, 0, condition{"“" + c.Text + "”", slices.Delete(slices.Clone(q.Filter), i, i+1)})
		case description.AnyOf, description.Contains:
			column := columnOf(q.Table, p)
			for _, alike := range printedAlike(q.Table, column, c.Values) {
				all = append(all, condition{valueWords(q.Table, column, alike[0]), withoutValues(q.Filter, i, alike)})
			}
		case description.BBox:
			all = append(all, condition{"inside a map area", slices.Delete(slices.Clone(q.Filter), i, i+1)})
		default:
			words := boundWords(q.Table, &q.Table.Columns[p.Column], p.Kind, c.Bound)
			all = append(all, condition{words, slices.Delete(slices.Clone(q.Filter), i, i+1)})
		}
	}
	return all
}

// columnOf returns the column whose values a parameter lists; of an array, that of its
// elements.
func columnOf(t *listing.Table, p *description.Parameter) *listing.Column {
	c := &t.Columns[p.Column]
	if p.Kind != description.Contains {
		return c
	}
	element := *c.Element
	described := *element.Column
	described.Label, described.Show = label(c), c.Show
	element.Column = &described
	return &element
}

// printedAlike returns values in groups that pages print alike, such as ELK_GROVE and Elk Grove.
func printedAlike(t *listing.Table, c *listing.Column, values []listing.Value) (groups [][]listing.Value) {
	at := map[string]int{}
	for _, v := range values {
		text := printed(t, c, v)
		if n, there := at[text]; there {
			groups[n] = append(groups[n], v)
			continue
		}
		at[text] = len(groups)
		groups = append(groups, []listing.Value{v})
	}
	return groups
}

// withoutValues returns a copy of a filter without some values of one of its lists.
func withoutValues(f listing.Filter, condition int, values []listing.Value) listing.Filter {
	f = slices.Clone(f)
	c := &f[condition]
	if c.Values = slices.DeleteFunc(slices.Clone(c.Values), func(v listing.Value) bool { return slices.Contains(values, v) }); len(c.Values) == 0 {
		return slices.Delete(f, condition, condition+1)
	}
	return f
}

// valueWords says which value a column has: a text speaks for itself.
func valueWords(t *listing.Table, c *listing.Column, v listing.Value) string {
	text := printed(t, c, v)
	if isText(c) {
		return text
	}
	return listing.Lowered(label(c)) + " " + text
}

// boundWords says what a column is at least, or at most.
func boundWords(t *listing.Table, c *listing.Column, kind description.ParameterKind, v listing.Value) string {
	least := kind == description.Min
	either := func(min, max string) string {
		if least {
			return min
		}
		return max
	}
	text := printed(t, c, v)
	switch {
	case tellingUnit(t, c), c.Number == headline(t):
		return either("from ", "up to ") + text
	case isNumber(c) && countable(label(c)):
		return either("at least ", "at most ") + counted(text, listing.Lowered(label(c)))
	}
	return listing.Lowered(label(c)) + either(" from ", " up to ") + text
}

// chips links each condition to the first page of the list without it.
func chips(q *listing.Query) []link {
	var links []link
	for _, c := range conditions(q) {
		to := first(q)
		to.Filter = c.without
		links = append(links, link{Text: listing.Capitalized(c.text), Href: address(&to)})
	}
	return links
}

// heading names the list by the values of its first facet: where that is shown as a name, it
// is taken for that of a place.
func heading(q *listing.Query) string {
	t := q.Table
	noun := listing.Capitalized(called(t))
	column := placeColumn(t)
	if column < 0 {
		return noun
	}
	var places []string
	for i := range q.Filter {
		c := &q.Filter[i]
		if p := &t.Parameters[c.Parameter]; p.Kind == description.AnyOf && p.Column == column {
			for _, alike := range printedAlike(t, &t.Columns[column], c.Values) {
				places = append(places, printed(t, &t.Columns[column], alike[0]))
			}
		}
	}
	const shown = 3
	if more := len(places) - shown; more > 0 {
		places = append(places[:shown], counted(localeOf(t.Site).grouped(string(appendInt(nil, int64(more)))), "other places"))
	}
	if len(places) == 0 {
		return noun
	}
	return noun + " in " + enumerated(places)
}

// placeColumn returns the column that says where a row is, by a name; -1 if there is none.
func placeColumn(t *listing.Table) int {
	if t.Place != nil && len(t.Facets) > 0 && t.Columns[t.Facets[0].Column].Show == showName {
		return t.Facets[0].Column
	}
	return -1
}

// describe says in one sentence which list a query asks for.
func describe(q *listing.Query) string {
	words := []string{listing.Capitalized(called(q.Table))}
	for _, c := range conditions(q) {
		words = append(words, c.text)
	}
	return strings.Join(append(words, orderName(q.Order())+" first."), ", ")
}
