package serve

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Forget adds a route whose handler returns without an answer.
func Forget(s *Server, path string) {
	s.serving.Load().router.GET(path, func(echo.Context) error { return nil })
}

// Limiter is the bound on the requests of each client.
type Limiter struct{ l *limiter }

// NewLimiter returns a Limiter of so many requests a minute behind proxies.
func NewLimiter(most int, proxies string) Limiter {
	return Limiter{newLimiter(most, parseProxies(proxies))}
}

// Admit reports whether a request may be answered.
func (l Limiter) Admit(h http.Header, r *http.Request, now time.Time) bool {
	return l.l.admit(h, r, now)
}

// Clients returns how many clients are remembered.
func (l Limiter) Clients() int { return len(l.l.buckets) + len(l.l.former) }

// SetMostClients sets how many clients are told apart in one window.
func (l Limiter) SetMostClients(n int) { l.l.clients = n }
