package serve

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/gommon/log"

	"github.com/freshlist/freshlist/internal/listing"
	"github.com/freshlist/freshlist/internal/serve/render"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// routes returns all routes of the API.
func (s *Server) routes(v *serving) *echo.Echo {
	e := echo.New()
	e.Logger.SetLevel(log.OFF)
	e.HTTPErrorHandler = func(err error, c echo.Context) { s.fail(v, err, c) }

	get(e, "/openapi.json", as(telemetry.StaticRoute, s.document(v)))
	get(e, render.StaticPath+"*", as(telemetry.StaticRoute, echo.WrapHandler(render.StaticHandler(acceptsGzip))))
	get(e, "/healthz", as(telemetry.ProbeRoute, s.healthz))
	get(e, "/readyz", as(telemetry.ProbeRoute, s.readyz))
	if !s.PrivateMetrics {
		get(e, "/v1/cache/metrics", as(telemetry.ProbeRoute, s.cacheMetrics))
		get(e, "/metrics", as(telemetry.ProbeRoute, echo.WrapHandler(s.Metrics.Handler())))
	}
	for _, t := range v.site.Tables {
		tableRoutes{s, v, t}.add(e)
	}
	if v.unknown() {
		e.Any("/", s.unknownSite)
		e.Any("/*", s.unknownSite)
	}
	return e
}

// tableRoutes are the routes of one table.
type tableRoutes struct {
	*Server
	serving *serving
	table   *listing.Table
}

func (t tableRoutes) add(e *echo.Echo) {
	list, row := "/v1/"+t.table.Name, "/v1/"+t.table.Name+"/:key"
	get(e, list, t.list)
	get(e, list+"/summary", t.summary)
	get(e, row, t.row)
	e.POST(list, as(telemetry.CreateRoute, t.requireToken(t.create)))
	e.PATCH(row, as(telemetry.PatchRoute, t.requireToken(t.patch)))
	e.DELETE(row, as(telemetry.DeleteRoute, t.requireToken(t.remove)))

	get(e, "/"+t.table.Name+"/:key", t.rowPage)
	if t.table.PictureColumn() != nil {
		get(e, "/"+t.table.Name+"/:key/:file", t.picture)
	}
	if t.table == t.serving.site.Home() {
		get(e, "/", t.listPage)
		get(e, "/"+t.table.Name, t.toHome)
	} else {
		get(e, "/"+t.table.Name, t.listPage)
	}
}

// toHome leads from the list's own address to that of the site: a page has one address. It
// may lead elsewhere with another description, so nobody keeps it.
func (t tableRoutes) toHome(c echo.Context) error {
	to := "/"
	if raw := c.Request().URL.RawQuery; raw != "" {
		to += "?" + raw
	}
	c.Response().Header()["Cache-Control"] = t.shared.noStore
	c.Response().Header().Set(echo.HeaderLocation, to)
	c.Response().WriteHeader(http.StatusFound)
	return nil
}

// key reads the key in the request's path: the last part of it, which may hold an escaped
// slash.
func (t tableRoutes) key(c echo.Context) (listing.Value, error) {
	path := strings.TrimPrefix(c.Request().URL.EscapedPath(), "/")
	path = strings.TrimPrefix(path, "v1/")
	part, ok := strings.CutPrefix(path, t.table.Name+"/")
	return t.keyIn(part, ok)
}

// keyIn reads a key out of a part of a path, if there is one.
func (t tableRoutes) keyIn(part string, ok bool) (listing.Value, error) {
	text, err := url.PathUnescape(part)
	if !ok || err != nil || strings.Contains(part, "/") {
		return listing.Value{}, notFound()
	}
	key, ok := t.table.ParseKey(text)
	if !ok {
		return listing.Value{}, notFound()
	}
	return key, nil
}

// tableAt returns the table that a path is of, as a page or not; nil if it is of none.
func (v *serving) tableAt(path string) (t *listing.Table, page bool) {
	if path == "/" {
		return v.site.Home(), true
	}
	path = strings.TrimPrefix(path, "/")
	path, api := strings.CutPrefix(path, "v1/")
	name, below, _ := strings.Cut(path, "/")
	t = v.site.Table(name)
	return t, t != nil && !api && !strings.Contains(below, "/")
}

// as notes for the metrics which route a request took. Reads do so by themselves.
func as(route telemetry.Route, h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Writer.(*recorder).route = route
		return h(c)
	}
}

// get routes GET and HEAD, for which Echo wants a route of its own.
func get(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.GET(path, h)
	e.HEAD(path, h)
}
