package serve

import "github.com/labstack/echo/v4"

// Forget adds a route whose handler returns without an answer.
func Forget(s *Server, path string) {
	s.serving.Load().router.GET(path, func(echo.Context) error { return nil })
}
