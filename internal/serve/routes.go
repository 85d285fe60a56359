package serve

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/gommon/log"

	"github.com/freshlist/freshlist/internal/serve/render"
)

// routes returns all routes of the API.
func (s *Server) routes() *echo.Echo {
	e := echo.New()
	e.Logger.SetLevel(log.OFF)
	e.HTTPErrorHandler = s.fail

	get(e, "/", s.listingsPage)
	get(e, "/properties/:id", s.propertyPage)
	get(e, "/v1/properties", s.properties)
	get(e, "/v1/properties/summary", s.summary)
	get(e, "/v1/properties/:id", s.property)
	get(e, "/v1/cache/metrics", s.cacheMetrics)
	get(e, "/openapi.json", s.openAPI)
	get(e, render.StaticPath+"*", echo.WrapHandler(render.StaticHandler()))
	get(e, "/healthz", s.healthz)
	get(e, "/readyz", s.readyz)
	get(e, "/metrics", echo.WrapHandler(s.Metrics.Handler()))

	e.POST("/v1/properties", s.requireToken(s.create))
	e.PATCH("/v1/properties/:id", s.requireToken(s.patch))
	e.DELETE("/v1/properties/:id", s.requireToken(s.remove))
	// Echo would look on and find the routes of a property with the id "summary".
	e.Match([]string{
		http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}, "/v1/properties/summary", readOnly)
	return e
}

// get routes GET and HEAD, for which Echo wants a route of its own.
func get(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.GET(path, h)
	e.HEAD(path, h)
}

// readOnly answers what is neither GET nor HEAD where there is nothing else.
func readOnly(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderAllow, "OPTIONS, GET, HEAD")
	if c.Request().Method == http.MethodOptions {
		return c.NoContent(http.StatusNoContent)
	}
	return echo.ErrMethodNotAllowed
}
