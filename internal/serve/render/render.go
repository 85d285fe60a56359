// Package render turns querysets into what clients receive: JSON bodies, HTML
// pages, the static files that the pages need, and the OpenAPI document.
//
// A view is a rendering of exactly one queryset. It shows nothing of any other
// query and nothing of the moment or the client, so that equal querysets give
// equal bytes and a purge of the query reaches everything that showed it. What
// a page wants to know besides, totals and the cities to choose from, its
// script asks of /v1/properties/summary; without JavaScript the page works
// without.
//
// Everything here is pure: no I/O, no clock, no error that depends on the data.
package render

import (
	"net/http"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/rediskey"
)

// Format is a form in which a queryset can be shown.
type Format uint8

// The formats of a view.
const (
	JSON Format = iota
	HTML
	SVG // of a row with a picture
)

// Formats are all of them.
var Formats = [...]Format{JSON, HTML, SVG}

// String returns the format's word in Redis names.
func (f Format) String() string { return rediskey.Formats[f] }

// ContentType returns the media type of an answer with the given status.
func (f Format) ContentType(status int) string {
	switch {
	case f == HTML:
		return "text/html; charset=utf-8"
	case status >= http.StatusBadRequest:
		return "application/problem+json"
	case f == SVG:
		return "image/svg+xml"
	default:
		return "application/json"
	}
}

// Body renders a queryset. The status is 200, or 404 for the query of a row that is not there;
// its body then says so in the same format. A summary has no page: it is JSON in any format. The
// picture of a row that has none is a 404, too, in JSON.
func Body(f Format, qs listing.Queryset) (status int, body []byte) {
	q := &qs.Query
	switch {
	case q.Kind == listing.RowKind && len(qs.Items) == 0:
		return http.StatusNotFound, Error(f, Problem{
			Site:   q.Table.Site,
			Status: http.StatusNotFound,
			Detail: "There is no " + One(q.Table) + " " + keyWords(q) + ".",
		})
	case f == SVG && q.Kind == listing.RowKind:
		return picture(q, &qs.Items[0])
	case q.Kind == listing.SummaryKind:
		return http.StatusOK, summaryJSON(q.Table, &qs.Summary)
	case f == HTML && q.Kind == listing.RowKind:
		return http.StatusOK, rowHTML(q, &qs.Items[0])
	case f == HTML:
		return http.StatusOK, listHTML(&qs)
	case q.Kind == listing.RowKind:
		return http.StatusOK, rowJSON(q, &qs.Items[0])
	default:
		return http.StatusOK, pageJSON(&qs)
	}
}

// keyWords writes a key in a sentence: a text in quotes.
func keyWords(q *listing.Query) string {
	c := q.Table.KeyColumn()
	if c.Form == listing.Words {
		return "“" + q.Key.Text + "”"
	}
	return c.Spell(q.Key)
}
