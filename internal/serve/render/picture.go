package render

import (
	"net/http"
	"net/url"

	"github.com/freshlist/freshlist/internal/listing"
)

// PicturePolicy is the Content-Security-Policy of pictures: if one is opened by itself, it runs
// nothing and loads nothing.
const PicturePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// pictureAddress is where the picture of a row is.
func pictureAddress(t *listing.Table, c *listing.Column, r *listing.Row) string {
	return "/" + t.RowQuery(r.Values[t.Key]).String() + "/" + url.PathEscape(c.PictureFile())
}

// picture returns a row's picture.
func picture(q *listing.Query, r *listing.Row) (status int, body []byte) {
	c := q.Table.PictureColumn()
	if c == nil || r.Null(c.Number) {
		return http.StatusNotFound, Error(SVG, Problem{
			Site:   q.Table.Site,
			Status: http.StatusNotFound,
			Detail: listing.Capitalized(Article(One(q.Table), "a")) + " " + keyWords(q) + " has no picture.",
		})
	}
	return http.StatusOK, []byte(r.Values[c.Number].Text)
}
