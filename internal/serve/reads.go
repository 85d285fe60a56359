package serve

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/description"
	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// list is GET /v1/T.
func (t tableRoutes) list(c echo.Context) error {
	values, faults := parseQuery(c.Request().URL.RawQuery)
	q, more := t.table.ParsePage(values, listing.Strict)
	e, wrong := t.excerpt(values)
	return t.read(c, render.JSON, q, e, slices.Concat(faults, more, wrong))
}

// summary is GET /v1/T/summary.
func (t tableRoutes) summary(c echo.Context) error {
	values, faults := parseQuery(c.Request().URL.RawQuery)
	q, more := t.table.ParseSummary(values, listing.Strict)
	return t.read(c, render.JSON, q, excerpt{}, append(faults, more...))
}

// row is GET /v1/T/{key}. Its only parameter is fields.
func (t tableRoutes) row(c echo.Context) error {
	key, err := t.key(c)
	if err != nil {
		return err
	}
	values, faults := parseQuery(c.Request().URL.RawQuery)
	fields, wrong := t.table.ParseFields(values, listing.RowKind)
	delete(values, description.ParamFields)
	faults = slices.Concat(faults, wrong, t.unknown(c.Request(), values))
	return t.read(c, render.JSON, t.table.RowQuery(key), excerpt{fields: fields}, faults)
}

// listPage is GET /T, and GET / for the home of the site.
func (t tableRoutes) listPage(c echo.Context) error {
	values, faults := parseQuery(c.Request().URL.RawQuery)
	q, more := t.table.ParsePage(values, listing.Lenient)
	if faults = append(faults, more...); len(faults) == 0 {
		q = q.Entered()
	}
	err := t.read(c, render.HTML, q, excerpt{}, faults)
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
	return t.read(c, render.HTML, t.table.RowQuery(key), excerpt{}, nil)
}

// picture is GET /T/{key}/{column}.svg.
func (t tableRoutes) picture(c echo.Context) error {
	part, ok := t.table.CutPicture(strings.TrimPrefix(c.Request().URL.EscapedPath(), "/"+t.table.Name+"/"))
	key, err := t.keyIn(part, ok)
	if err != nil {
		return err
	}
	return t.read(c, render.SVG, t.table.RowQuery(key), excerpt{}, nil)
}

// read answers a query, with an excerpt if one is wanted, unless there are faults in it or in the headers.
func (t tableRoutes) read(c echo.Context, f render.Format, q listing.Query, e excerpt, faults listing.Faults) error {
	r := c.Request()
	token, faults := parseToken(r.Header["Consistency-Token"], faults)
	stream := mayWatch(r) && wantsStream(r.Header["Accept"], f)
	if stream {
		faults = append(faults, e.unwatched()...)
	}
	rec := c.Response().Writer.(*recorder)
	rec.route = routeOf(f, q.Kind)
	if len(faults) > 0 {
		return badRequest(faults)
	}
	if stream {
		rec.route = telemetry.StreamRoute
		return t.stream(c, readthrough.Request{Query: q, Format: f})
	}
	ctx, cancel := t.deadline(r)
	defer cancel()
	fill := t.beginFill(q)
	req := readthrough.Request{Query: q, Format: f, Token: token, NoStore: t.wantsFresh(r)}
	answer, err := t.Reads.Get(ctx, req)
	if err != nil {
		return err
	}
	taken, err := t.take(ctx, e, req, &answer)
	if err != nil {
		return err
	}
	made := t.newResponse(t.serving, f, q, taken, &answer)
	rec.source = sourceOf(answer.CacheStatus)
	t.storeL1(fill, r.RequestURI, made, &answer)
	made.writeTo(rec, r)
	return nil
}

// parseToken reads a Consistency-Token, 0 for none, and adds what is wrong with it to other faults.
func parseToken(fields []string, faults listing.Faults) (token uint64, _ listing.Faults) {
	if len(fields) == 0 {
		return 0, faults
	}
	text := fields[0]
	token, err := strconv.ParseUint(text, 10, 64)
	if err == nil && len(fields) == 1 && text[0] >= '1' && text[0] <= '9' {
		return token, faults
	}
	return 0, append(faults, listing.Fault{
		Name: "Consistency-Token", Detail: "must be a transaction id, as a write or pg_current_xact_id() gives it",
	})
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
	return append(faults, t.unknown(r, values)...)
}

// unknown says of parameters that they do not belong to the address of a row, or to a write.
func (t tableRoutes) unknown(r *http.Request, values url.Values) (faults listing.Faults) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		detail := "unknown parameter; " + aRow(t.table) + "'s address has only fields"
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			detail = "unknown parameter; a write has none"
		}
		faults = append(faults, listing.Fault{Name: printable(name), Detail: detail})
	}
	return faults
}

// printable returns a text as it can stand in JSON.
func printable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
