package render

import (
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
)

// image is a picture of a row, and what it shows in words; nothing, if that stands beside it.
type image struct{ Src, Alt string }

// pictureOf returns the first picture among some columns of a row: one that it has itself, or one
// that it has the address of. nil if there is none.
func pictureOf(t *listing.Table, columns []int, r *listing.Row) *image {
	for _, n := range columns {
		switch c := &t.Columns[n]; {
		case r.Null(n):
		case c.Picture():
			return &image{Src: pictureAddress(t, c, r)}
		case c.Show == showImage && isAddress(r.Values[n].Text):
			return &image{Src: r.Values[n].Text}
		}
	}
	return nil
}

// isAddress reports whether a text can be linked: to another site, or to a path of this one.
func isAddress(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "/")
}

// isPicture reports whether a column holds pictures, or addresses of them.
func isPicture(c *listing.Column) bool { return c.Picture() || c.Show == showImage }

// hasPictures reports whether lists of a table show pictures.
func hasPictures(t *listing.Table) bool {
	for _, n := range t.List {
		if isPicture(&t.Columns[n]) {
			return true
		}
	}
	return false
}

// caption is what a row is called, if it has more of a name than its key.
func caption(t *listing.Table, r *listing.Row) string {
	if t.Label == t.Key || t.Columns[t.Label].Picture() {
		return ""
	}
	return title(t, r)
}

// inside is what a row's own page shows of one join.
type inside struct {
	Label   string
	Gallery bool
	Rows    []insideRow
	More    string // address of the list of all of them, if there may be more
}

// insideRow is one inner row.
type insideRow struct {
	Title, Href string
	Picture     *image
	Facts       []factOf
}

// insides returns what the page of a row shows of each join that has any rows.
func insides(q *listing.Query, r *listing.Row) (all []inside) {
	for _, j := range q.Joins() {
		rows := r.InnerOf(j)
		if len(rows) == 0 {
			continue
		}
		made := inside{Label: listing.PlainWords(j.Name), Gallery: j.Many && hasPictures(j.Inner)}
		for i := range rows {
			made.Rows = append(made.Rows, newInsideRow(j, i, &rows[i], title(q.Table, r)))
		}
		if len(rows) == listing.MaxInner {
			made.More = sameValue(listing.Query{Table: j.Inner, Limit: listing.DefaultLimit}, j.Finder().Number, r.Values[q.Table.Key])
		}
		all = append(all, made)
	}
	return all
}

// newInsideRow returns inner row number i, of the outer row of a name. A picture that has no name
// is called by its number.
func newInsideRow(j *listing.Join, i int, r *listing.Row, outer string) insideRow {
	t := j.Inner
	made := insideRow{Title: title(t, r), Href: rowAddress(t, r), Picture: pictureOf(t, t.List, r)}
	if made.Picture != nil {
		if made.Title = caption(t, r); made.Title == "" {
			made.Title = listing.Capitalized(singular(listing.PlainWords(j.Name))) + " " + strconv.Itoa(i+1)
			made.Picture.Alt = made.Title + " of " + outer
		}
	}
	all := listing.Query{Table: t, Limit: listing.DefaultLimit}
	for _, n := range t.List {
		c := &t.Columns[n]
		if r.Null(n) || spoken(t, c) || isPicture(c) {
			continue
		}
		if text := printed(t, c, r.Values[n]); text != "" && c.Show != showParagraph {
			made.Facts = append(made.Facts, newFact(all, c, r.Values[n], text))
		}
	}
	return made
}

// cardPicture returns the picture of a card: the row's own, or the first one of its inner rows.
func cardPicture(q *listing.Query, r *listing.Row) *image {
	if own := pictureOf(q.Table, q.Table.List, r); own != nil {
		return own
	}
	for _, j := range q.Joins() {
		for i := range r.InnerOf(j) {
			inner := &r.InnerOf(j)[i]
			if found := pictureOf(j.Inner, j.Inner.List, inner); found != nil && j.Many {
				found.Alt = caption(j.Inner, inner)
				return found
			}
		}
	}
	return nil
}

// cardNames returns the names of the inner rows of which a row has one, each linked to its page.
func cardNames(q *listing.Query, r *listing.Row) (names []factOf) {
	for _, j := range q.Joins() {
		if inner := r.InnerOf(j); !j.Many && len(inner) > 0 {
			if name := title(j.Inner, &inner[0]); name != "" {
				names = append(names, factOf{Label: listing.PlainWords(j.Name), Text: name, Href: rowAddress(j.Inner, &inner[0])})
			}
		}
	}
	return names
}
