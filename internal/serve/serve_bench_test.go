package serve_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/freshlist/freshlist/internal/listing/listingtest"
	"github.com/freshlist/freshlist/internal/serve"
	"github.com/freshlist/freshlist/internal/serve/readthrough"
	"github.com/freshlist/freshlist/internal/telemetry"
)

// What the server adds to finding an answer, beside an Echo handler that writes
// the same bytes and headers and nothing else.
func BenchmarkAnswer(b *testing.B) {
	body := strings.Repeat("x", 5000)
	s := serve.New(serve.Options{
		Site: listingtest.Site(),
		Reads: reads(func(context.Context, readthrough.Request) (readthrough.Answer, error) {
			return readthrough.Answer{Status: 200, ETag: "0123456789012345678901", Body: body, CacheStatus: "freshlist-view; hit"}, nil
		}),
		Timeout: time.Minute,
		Metrics: telemetry.NewAPI(),
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	constant := echo.New()
	constant.GET("/v1/properties", func(c echo.Context) error {
		h := c.Response().Header()
		for _, name := range []string{"ETag", "Vary", "Cache-Control", "Cache-Status", "X-Request-Id", "X-Content-Type-Options"} {
			h.Set(name, "value")
		}
		return c.String(200, body)
	})
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"serve", s}, {"echo", constant}} {
		b.Run(c.name, func(b *testing.B) {
			r, err := http.NewRequest(http.MethodGet, "http://test/v1/properties?city=FOLSOM&sort=price", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.RequestURI = r.URL.RequestURI()
			r.Header.Set("Accept-Encoding", "gzip")
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				c.handler.ServeHTTP(w, r)
			}
		})
	}
}
