package serve

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// sharedHeaders are header values that many answers have in common. An
// http.Header may hold the same slice as another: nobody changes one in place,
// and appending to a full one copies it.
type sharedHeaders struct {
	nosniff, noStore, revalidate, vary, gzip, picture []string
	sameOrigin, referrer, permissions, stream         []string
}

func newSharedHeaders(c *cors) sharedHeaders {
	vary := "Accept-Encoding, Accept"
	if c != nil && !c.all {
		vary += ", Origin"
	}
	return sharedHeaders{
		sameOrigin: []string{"same-origin"},
		referrer:   []string{"same-origin"},
		permissions: []string{
			"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
		},
		nosniff:    []string{"nosniff"},
		noStore:    []string{"no-store"},
		revalidate: []string{"public, max-age=0, must-revalidate"},
		vary:       []string{vary},
		gzip:       []string{"gzip"},
		picture:    []string{render.PicturePolicy},
		stream:     []string{streamType},
	}
}

// guardPage says what browsers shall not do with a page or a picture, whose content has a policy.
func (s *sharedHeaders) guardPage(h http.Header, policy []string) {
	h["Content-Security-Policy"] = policy
	h["Referrer-Policy"] = s.referrer
	h["Permissions-Policy"] = s.permissions
}

// response is an answer of Reads as it is sent: its header values are made once, so that
// sending it again costs no formatting. It is not changed after newResponse has returned it.
// Many requests may write it at once.
type response struct {
	status      int
	plain       encodedBody
	gzip        encodedBody // its body is empty where only the plain one is to be had
	contentType [1]string
	cacheStatus [1]string
	policy      []string  // of the content; nil for JSON
	link        [1]string // RFC 8288: where the list begins and goes on; empty for what is no list
	shared      *sharedHeaders
	serving     *serving // whose answer it is
	route       telemetry.Route

	origin *readthrough.Origin // what it was proved of, if it is kept in this process
}

// encodedBody is one coding of an answer: a body and what is said of it.
type encodedBody struct {
	body   string
	etag   [1]string // quoted
	length [1]string
}

func newEncodedBody(body, etag string) encodedBody {
	return encodedBody{body: body, etag: [1]string{`"` + etag + `"`}, length: [1]string{strconv.Itoa(len(body))}}
}

// gzipSuffix tells the entity tag of the compressed body from that of the plain
// one: they are two representations, and strong tags must differ.
const gzipSuffix = "-gzip"

// newResponse makes an answer ready to be sent. If it is an excerpt, its links lead to such ones.
func (s *Server) newResponse(v *serving, f render.Format, q listing.Query, e render.Excerpt, a *readthrough.Answer) *response {
	made := &response{
		status:      a.Status,
		plain:       newEncodedBody(a.Body, a.ETag),
		contentType: [1]string{f.ContentType(a.Status)},
		cacheStatus: [1]string{a.CacheStatus},
		shared:      &s.shared,
		serving:     v,
		route:       routeOf(f, q.Kind),
	}
	if a.Gzip != "" {
		made.gzip = newEncodedBody(a.Gzip, a.ETag+gzipSuffix)
	}
	switch {
	case f == render.HTML:
		made.policy = v.policy
	case f == render.SVG && a.Status == http.StatusOK:
		made.policy = s.shared.picture
	case q.Kind == listing.PageKind && a.Status == http.StatusOK:
		made.link[0] = links(q, e, a.Body)
	}
	return made
}

// routeOf returns the route of the answer to a query in a format.
func routeOf(f render.Format, kind listing.Kind) telemetry.Route {
	switch {
	case f == render.SVG:
		return telemetry.PictureRoute
	case f == render.HTML && kind == listing.RowKind:
		return telemetry.RowPageRoute
	case f == render.HTML:
		return telemetry.ListPageRoute
	case kind == listing.RowKind:
		return telemetry.RowRoute
	case kind == listing.SummaryKind:
		return telemetry.SummaryRoute
	}
	return telemetry.ListRoute
}

// sourceOf returns which level an answer came from, by its Cache-Status: the layers in order,
// the one nearest the origin first.
func sourceOf(status string) telemetry.Source {
	layer, rest, _ := strings.Cut(status, "; ")
	hit, _, _ := strings.Cut(rest, ",")
	switch {
	case hit != "hit":
		return telemetry.FromDatabase
	case layer == "freshlist-view":
		return telemetry.FromView
	case layer == "freshlist-queryset":
		return telemetry.FromQueryset
	case layer == "freshlist-moment":
		return telemetry.FromMoment
	}
	return telemetry.FromDatabase
}

// links returns the value of Link for a page of a list: where it begins, goes on, and goes back. The
// last two only the body says, which may come from a cache.
func links(q listing.Query, e render.Excerpt, body string) string {
	next, prev := render.Links(body)
	q.After, q.Backward = listing.Null[listing.Key]{}, false
	value := link(e.Address("/v1/"+q.String()), "first")
	if next != "" {
		value += ", " + link(next, "next")
	}
	if prev != "" {
		value += ", " + link(prev, "prev")
	}
	return value
}

func link(address, relation string) string { return "<" + address + `>; rel="` + relation + `"` }

// writeTo answers a GET or HEAD request, or tells that the client has the answer
// already.
func (a *response) writeTo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	chosen := &a.plain
	if a.gzip.body != "" && acceptsGzip(r.Header["Accept-Encoding"]) {
		chosen = &a.gzip
	}
	h["Etag"] = chosen.etag[:]
	h["Vary"] = a.shared.vary
	h["Cache-Control"] = a.shared.revalidate
	h["Cache-Status"] = a.cacheStatus[:]
	if a.link[0] != "" {
		h["Link"] = a.link[:]
	}
	if a.policy != nil {
		a.shared.guardPage(h, a.policy)
	}
	if a.status == http.StatusOK && noneMatch(r.Header["If-None-Match"], chosen.etag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = a.contentType[:]
	h["Content-Length"] = chosen.length[:]
	if chosen == &a.gzip {
		h["Content-Encoding"] = a.shared.gzip
	}
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	if c, ok := r.Context().Value(connKey{}).(*bufferedConn); ok {
		c.announce(len(chosen.body))
	}
	_, _ = io.WriteString(w, chosen.body) // the client may be gone
}
