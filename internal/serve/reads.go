package serve

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
)

// list is GET /v1/T.
func (t tableRoutes) list(c echo.Context) error {
	values, faults := parseQuery(c.Request().URL.RawQuery)
	q, more := t.table.ParsePage(values, listing.Strict)
	return t.read(c, render.JSON, q, append(faults, more...))
}

// summary is GET /v1/T/summary.
func (t tableRoutes) summary(c echo.Context) error {
	values, faults := parseQuery(c.Request().URL.RawQuery)
	q, more := t.table.ParseSummary(values, listing.Strict)
	return t.read(c, render.JSON, q, append(faults, more...))
}

// row is GET /v1/T/{key}. It has no parameters.
func (t tableRoutes) row(c echo.Context) error {
	key, err := t.key(c)
	if err != nil {
		return err
	}
	return t.read(c, render.JSON, t.table.RowQuery(key), t.noQuery(c.Request()))
}

// listPage is GET /T, and GET / for the home of the site.
func (t tableRoutes) listPage(c echo.Context) error {
	values, faults := parseQuery(c.Request().URL.RawQuery)
	q, more := t.table.ParsePage(values, listing.Lenient)
	if faults = append(faults, more...); len(faults) == 0 {
		q = q.Entered()
	}
	err := t.read(c, render.HTML, q, faults)
	if p, ok := err.(*problem); ok && p.status == http.StatusBadRequest {
		p.entered = values
	}
	return err
}

// rowPage is GET /T/{key}.
func (t tableRoutes) rowPage(c echo.Context) error {
	key, err := t.key(c)
	if err != nil {
		return err
	}
	return t.read(c, render.HTML, t.table.RowQuery(key), nil)
}

// picture is GET /T/{key}/{column}.svg.
func (t tableRoutes) picture(c echo.Context) error {
	part, ok := t.table.CutPicture(strings.TrimPrefix(c.Request().URL.EscapedPath(), "/"+t.table.Name+"/"))
	key, err := t.keyIn(part, ok)
	if err != nil {
		return err
	}
	return t.read(c, render.SVG, t.table.RowQuery(key), nil)
}

// read answers a query, unless there are faults in it or in the headers.
func (t tableRoutes) read(c echo.Context, f render.Format, q listing.Query, faults listing.Faults) error {
	r := c.Request()
	token, ok := parseToken(r.Header["Consistency-Token"])
	if !ok {
		faults = append(faults, listing.Fault{
			Name: "Consistency-Token", Detail: "must be a transaction id, as a write or pg_current_xact_id() gives it",
		})
	}
	if len(faults) > 0 {
		return badRequest(faults)
	}
	if mayWatch(r) && wantsStream(r.Header["Accept"], f) {
		return t.stream(c, readthrough.Request{Query: q, Format: f})
	}
	ctx, cancel := t.deadline(r)
	defer cancel()
	fill := t.beginFill(q)
	answer, err := t.Reads.Get(ctx, readthrough.Request{Query: q, Format: f, Token: token, NoStore: t.wantsFresh(r)})
	if err != nil {
		return err
	}
	made := t.newResponse(t.serving, f, q, &answer)
	t.storeL1(fill, r.RequestURI, made, &answer)
	made.writeTo(c.Response().Writer, r)
	return nil
}

// parseToken reads a Consistency-Token; 0 stands for none.
func parseToken(fields []string) (token uint64, ok bool) {
	if len(fields) == 0 {
		return 0, true
	}
	text := fields[0]
	token, err := strconv.ParseUint(text, 10, 64)
	return token, err == nil && len(fields) == 1 && text[0] >= '1' && text[0] <= '9'
}

// wantsFresh reports whether a request with the write token asks to bypass the
// caches. Without the token anybody could send readers to the database.
func (s *Server) wantsFresh(r *http.Request) bool {
	for _, field := range r.Header["Cache-Control"] {
		for directive := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.Trim(directive, " \t"), "no-cache") {
				return s.authorize(r) == nil
			}
		}
	}
	return false
}

// parseQuery splits a query string. Unlike url.ParseQuery it tells all that is
// malformed, and where.
func parseQuery(raw string) (url.Values, listing.Faults) {
	if raw == "" {
		return nil, nil
	}
	values := make(url.Values)
	var faults listing.Faults
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			faults = append(faults, listing.Fault{
				Name: printable(rawName), Detail: "holds a % that is not followed by two hexadecimal digits",
			})
			continue
		}
		values[name] = append(values[name], value)
	}
	return values, faults
}

// noQuery says of each parameter that it does not belong here.
func (t tableRoutes) noQuery(r *http.Request) listing.Faults {
	values, faults := parseQuery(r.URL.RawQuery)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		detail := "unknown parameter; " + aRow(t.table) + "'s address has none"
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			detail = "unknown parameter; a write has none"
		}
		faults = append(faults, listing.Fault{Name: printable(name), Detail: detail})
	}
	return faults
}

// printable returns a text as it can stand in JSON.
func printable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
