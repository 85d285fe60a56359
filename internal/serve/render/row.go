package render

import (
	"strconv"

	"github.com/freshlist/freshlist/internal/listing"
)

// rowPage is what the template of a row's own page shows.
type rowPage struct {
	document
	One      string
	List     link   // the list that it belongs to
	Within   []link // the part of it that has the same value in the first facet
	Heading  string
	Headline string // an amount of money
	Badges   []badge
	Facts    []factOf
	Texts    []section
	Picture  *image
	Insides  []inside
	MapHref  string // a map of its place, if the place is known and one
}

// factOf is one column's value.
type factOf struct {
	Label    string
	Text     string
	Href     string // the list of rows with the same value
	External bool   // it leads elsewhere
	Instant  string // a time as machines read it
}

// section is a text of some length.
type section struct{ Label, Text string }

func rowHTML(q *listing.Query, r *listing.Row) []byte {
	t := q.Table
	all := listing.Query{Table: t, Limit: listing.DefaultLimit}
	page := rowPage{
		One:     singular(called(t)),
		List:    link{Text: listing.Capitalized(called(t)), Href: address(&all)},
		Heading: title(t, r),
		Badges:  badges(t, t.Item, r, false),
		MapHref: mapHref(t, r),
		Picture: pictureOf(t, t.Item, r),
		Insides: insides(q, r),
	}
	if page.Picture != nil {
		page.Picture.Alt = page.Heading
	}
	if len(t.Facets) > 0 {
		if n := t.Facets[0].Column; t.ItemColumns.Has(n) && !r.Null(n) {
			page.Within = []link{{Text: printed(t, &t.Columns[n], r.Values[n]), Href: sameValue(all, n, r.Values[n])}}
		}
	}
	if n := headline(t); n >= 0 && !r.Null(n) {
		page.Headline = printed(t, &t.Columns[n], r.Values[n])
	}
	for _, n := range t.Item {
		c := &t.Columns[n]
		if r.Null(n) || spoken(t, c) || c.Picture() {
			continue
		}
		text := printed(t, c, r.Values[n])
		switch {
		case text == "":
		case c.Show == showParagraph:
			page.Texts = append(page.Texts, section{label(c), text})
		default:
			page.Facts = append(page.Facts, newFact(all, c, r.Values[n], text))
		}
	}
	page.document = newDocument(t.Site, page.Heading)
	if page.Headline != "" {
		page.Title += ", " + page.Headline
	}
	page.Description = page.Title
	if len(page.Texts) > 0 {
		page.Description = page.Texts[0].Text
	}
	page.JSON = "/v1/" + q.String()
	picture := page.Picture
	if picture == nil {
		picture = cardPicture(q, r)
	}
	page.publish(t.Site, "/"+q.String(), picture)
	page.Linked = linkRow(q, r, &page)
	return execute("row", page)
}

func newFact(all listing.Query, c *listing.Column, v listing.Value, text string) factOf {
	made := factOf{Label: label(c), Text: text}
	switch {
	case isTime(c):
		made.Instant = machineTime(c, v)
	case isLink(c):
		if isAddress(text) {
			made.Href, made.External = text, true
		}
	default:
		made.Href = sameValue(all, c.Number, v)
	}
	return made
}

// mapHref is a public map with a mark at the row's place; nothing if that is none on earth.
func mapHref(t *listing.Table, r *listing.Row) string {
	if t.Place == nil || !(t.ItemColumns.Has(t.Place.Latitude) && t.ItemColumns.Has(t.Place.Longitude)) {
		return ""
	}
	latitude, ok1 := degrees(t, r, t.Place.Latitude, 90)
	longitude, ok2 := degrees(t, r, t.Place.Longitude, 180)
	if !ok1 || !ok2 {
		return ""
	}
	b := appendFloat([]byte("https://www.openstreetmap.org/?mlat="), latitude)
	b = appendFloat(append(b, "&mlon="...), longitude)
	b = appendFloat(append(b, "#map=16/"...), latitude)
	return string(appendFloat(append(b, '/'), longitude))
}

// degrees returns a number of degrees, if it is one of at most so many.
func degrees(t *listing.Table, r *listing.Row, column int, most float64) (float64, bool) {
	if r.Null(column) {
		return 0, false
	}
	v, err := strconv.ParseFloat(t.Columns[column].Spell(r.Values[column]), 64)
	return v + 0, err == nil && v >= -most && v <= most // -0 + 0 is 0
}
