package render

import (
	"slices"
	"strings"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
)

// Entered returns the query of a page of a list so that it finds what people see on pages: one that
// asks for a value as pages print it, such as Elk Grove, also asks for what is likely to be
// stored, ELK_GROVE. A request for JSON asks for values as they are stored.
func Entered(q listing.Query) listing.Query {
	entered := q
	for i := range q.Filter {
		p := &q.Table.Parameters[q.Filter[i].Parameter]
		if p.Kind != description.AnyOf || !renamed(&q.Table.Columns[p.Column]) {
			continue
		}
		c := &q.Table.Columns[p.Column]
		values := slices.Clone(q.Filter[i].Values)
		for _, v := range q.Filter[i].Values {
			for _, stored := range storedAs(c, v.Text) {
				if w := (listing.Value{Text: stored}); !slices.Contains(values, w) {
					values = append(values, w)
				}
			}
		}
		if len(values) == len(q.Filter[i].Values) {
			continue
		}
		slices.SortFunc(values, func(a, b listing.Value) int { return strings.Compare(a.Text, b.Text) })
		entered.Filter = slices.Clone(entered.Filter)
		entered.Filter[i].Values = values
	}
	if _, err := q.Table.Site.Parse(entered.String()); err != nil {
		return q // there is no room for so many values
	}
	return entered
}

// renamed reports whether pages print a column's texts otherwise than they are stored.
func renamed(c *listing.Column) bool {
	return c.Form == listing.Words && (c.Show == showName || c.Show == showWords || c.Show == showBadge)
}

// storedAs returns texts that are likely to be stored and are printed as a text is entered.
func storedAs(c *listing.Column, text string) (stored []string) {
	under := strings.ReplaceAll(text, " ", "_")
	candidates := []string{strings.ToUpper(under), strings.ToUpper(text), strings.ReplaceAll(text, "-", "_")}
	if c.Show != showName {
		candidates = []string{lowered(under), under, lowered(text)}
	}
	for _, candidate := range candidates {
		if candidate != text && worded(c, candidate) == text && !slices.Contains(stored, candidate) {
			stored = append(stored, candidate)
		}
	}
	return stored
}
