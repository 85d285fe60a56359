package listing

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freshlist/freshlist/internal/description"
)

// How columns of texts can be shown otherwise than they are stored: see the description's member show.
const (
	ShowWords = "words"
	ShowName  = "name"
	ShowBadge = "badge"
)

// Entered returns the query that the page of a list answers, so that it finds what people see on pages:
// one that asks for a value as pages print it, such as Elk Grove, also asks for what is likely to be
// stored, ELK_GROVE. A request for JSON asks for values as they are stored.
func (q Query) Entered() Query {
	entered, changed := q, false
	for i := range q.Filter {
		p := &q.Table.Parameters[q.Filter[i].Parameter]
		if p.Kind != description.AnyOf || !renamed(&q.Table.Columns[p.Column]) {
			continue
		}
		c := &q.Table.Columns[p.Column]
		values := slices.Clone(q.Filter[i].Values)
		for _, v := range q.Filter[i].Values {
			for _, stored := range storedAs(c, v.Text) {
				if w := (Value{Text: stored}); !slices.Contains(values, w) {
					values = append(values, w)
				}
			}
		}
		if len(values) == len(q.Filter[i].Values) {
			continue
		}
		slices.SortFunc(values, func(a, b Value) int { return strings.Compare(a.Text, b.Text) })
		entered.Filter = slices.Clone(entered.Filter)
		entered.Filter[i].Values, changed = values, true
	}
	if !changed {
		return q
	}
	if _, err := q.Table.Site.Parse(entered.String()); err != nil {
		return q // there is no room for so many values
	}
	return entered
}

// renamed reports whether pages print a column's texts otherwise than they are stored.
func renamed(c *Column) bool {
	return c.Form == Words && (c.Show == ShowName || c.Show == ShowWords || c.Show == ShowBadge)
}

// storedAs returns texts that are likely to be stored and are printed as a text is entered.
func storedAs(c *Column, text string) (stored []string) {
	under := strings.ReplaceAll(text, " ", "_")
	candidates := []string{strings.ToUpper(under), strings.ToUpper(text), strings.ReplaceAll(text, "-", "_")}
	if c.Show != ShowName {
		candidates = []string{Lowered(under), under, Lowered(text)}
	}
	for _, candidate := range candidates {
		if candidate != text && c.Worded(candidate) == text && !slices.Contains(stored, candidate) {
			stored = append(stored, candidate)
		}
	}
	return stored
}

// Worded writes a text in the way that its column is shown.
func (c *Column) Worded(text string) string {
	switch c.Show {
	case ShowName:
		return Name(text)
	case ShowWords, ShowBadge:
		return PlainWords(text)
	}
	return text
}

// Name reads a stored name as people write it: ELK_GROVE is Elk Grove. One that is not all
// capitals keeps its own, and Multi_Family is Multi-Family.
func Name(s string) string {
	if strings.ToUpper(s) != s {
		return strings.ReplaceAll(s, "_", "-")
	}
	words := strings.Fields(strings.ReplaceAll(s, "_", " "))
	for i, w := range words {
		words[i] = Capitalized(strings.ToLower(w))
	}
	return strings.Join(words, " ")
}

// PlainWords reads a stored word: for_sale is For sale.
func PlainWords(s string) string { return Capitalized(strings.ReplaceAll(s, "_", " ")) }

// Capitalized writes a text with a capital.
func Capitalized(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// Lowered writes a label as it stands inside a sentence: Living area is living area, and HOA
// fee is as it is.
func Lowered(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if second, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(second) {
		return s
	}
	return string(unicode.ToLower(first)) + s[n:]
}
